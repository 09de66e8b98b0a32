//! The service `Topics`.

use model::topic::{
    AlterTopic, CreateTopic, DeleteTopic, DescribeTopic, ListTopics, PublishTopic, ReadPartition, TransferTopic,
};
use tonic::{Request, Response, Status, Streaming};

use super::publish_stream::{Confirms, TopicTrack};
use super::service;
use crate::proto as pb;

service! {
    pb::topics_server::Topics {
        create_topic = CreateTopic;
        describe_topic = DescribeTopic;
        alter_topic = AlterTopic;
        delete_topic = DeleteTopic;
        list_topics = ListTopics;
        transfer_topic = TransferTopic;
        publish_topic = PublishTopic;
        read_partition = ReadPartition;
    }

    type PublishTopicStreamStream = Confirms<TopicTrack>;

    async fn publish_topic_stream(
        &self,
        request: Request<Streaming<pb::PublishTopicStreamRequest>>,
    ) -> Result<Response<Self::PublishTopicStreamStream>, Status> {
        self.open_publish_stream(request).await
    }
}
