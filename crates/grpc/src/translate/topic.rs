//! Topics between the model and the contract.
//! Invariant: an absent setting means the default that `TopicSettings::default` has.

use model::queue::Created;
use model::topic::{
    AlterTopic, Cleanup, CreateTopic, DeleteTopic, DescribeTopic, ListTopics, PartitionExtent, PublishTopic,
    PublishedRecord, PublishedRecords, ReadPartition, Records, TopicDescription, TopicMessage, TopicPage, TopicPatch,
    TopicSettings, TransferTopic,
};

use super::{BoundOr, BoundPatch, Or, OrDefault, Required, enumeration, messages};

type CreatedTopic = Created<TopicDescription>;

enumeration! {
    Cleanup, unset Delete { Delete Compact }
}

messages! {
    TopicSettings = TopicSettings {
        partitions = partitions, Or(TopicSettings::default().partitions);
        retention = retention_ms, BoundOr(TopicSettings::default().retention);
        retention_bytes = retention_bytes;
        cleanup = cleanup;
        deduplication = deduplication_ms, Or(TopicSettings::default().deduplication);
    }
    TopicPatch = TopicPatch {
        partitions = partitions;
        retention = retention_ms, BoundPatch;
        retention_bytes = retention_bytes, BoundPatch;
        cleanup = cleanup;
        deduplication = deduplication_ms;
    }
    PartitionExtent = PartitionExtent {
        partition = partition;
        earliest = earliest;
        end = end;
        messages = messages;
        bytes = bytes;
    }
    TopicDescription = TopicDescription {
        topic = topic, Required;
        id = id;
        owner = owner;
        created_at = created_at_ms;
        settings = settings, Required;
        partitions = partitions;
        subscriptions = subscriptions;
        totals = totals, Required;
    }
    CreateTopic = CreateTopicRequest { topic = topic, Required; settings = settings, OrDefault; }
    CreatedTopic = CreatedTopic { created = created; description = description, Required; }
    DescribeTopic = DescribeTopicRequest { topic = topic, Required; }
    AlterTopic = AlterTopicRequest { topic = topic, Required; patch = patch, OrDefault; }
    DeleteTopic = DeleteTopicRequest { topic = topic, Required; mode = mode; }
    ListTopics = ListTopicsRequest { namespace = namespace; prefix = prefix; page = page, OrDefault; }
    TopicPage = TopicPage { items = items; next = next; }
    TransferTopic = TransferTopicRequest { topic = topic, Required; owner = owner; }
    TopicMessage = TopicMessage { message = message, Required; partition = partition; }
    PublishTopic = PublishTopicRequest { topic = topic, Required; messages = messages; }
    PublishedRecord = PublishedRecord { id = id; partition = partition; offset = offset; duplicate = duplicate; }
    PublishedRecords = PublishedRecords { records = records; durability = durability; position = position; }
    ReadPartition = ReadPartitionRequest {
        topic = topic, Required;
        partition = partition;
        start = start, Required;
        limit = limit;
        wait = wait_ms;
    }
    Records = Records { records = records; next = next; extent = extent, Required; }
}
