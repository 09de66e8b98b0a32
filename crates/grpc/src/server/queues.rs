//! The service `Queues`.

use model::queue::{
    Ack, AlterQueue, CancelMessages, CreateQueue, DeleteQueue, DescribeQueue, Extend, ListQueues, Nack, Peek, Publish,
    PurgeQueue, Receive, Redrive, TransferQueue,
};
use tonic::{Request, Response, Status, Streaming};

use super::deliver::Deliver;
use super::publish_stream::{Confirms, QueueTrack};
use super::service;
use crate::proto as pb;

service! {
    pb::queues_server::Queues {
        create_queue = CreateQueue;
        describe_queue = DescribeQueue;
        alter_queue = AlterQueue;
        delete_queue = DeleteQueue;
        list_queues = ListQueues;
        purge_queue = PurgeQueue;
        transfer_queue = TransferQueue;
        publish = Publish;
        receive = Receive;
        ack = Ack;
        nack = Nack;
        extend = Extend;
        peek = Peek;
        cancel_messages = CancelMessages;
        redrive = Redrive;
    }

    type PublishStreamStream = Confirms<QueueTrack>;

    async fn publish_stream(
        &self,
        request: Request<Streaming<pb::PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        self.open_publish_stream(request).await
    }

    type DeliverStream = Deliver;

    async fn deliver(
        &self,
        request: Request<Streaming<pb::DeliverRequest>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        self.open_deliver(request).await
    }
}
