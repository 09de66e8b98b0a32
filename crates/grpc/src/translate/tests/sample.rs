//! Samples of every model type, from a seed: a property test draws the seed.

use std::sync::Arc;

use bytes::Bytes;
use model::access::*;
use model::binding::*;
use model::caller::Secret;
use model::exchange::*;
use model::message::*;
use model::name::*;
use model::node::*;
use model::number::*;
use model::page::{Page, PageRequest};
use model::policy::*;
use model::queue::*;
use model::receipt::*;
use model::subscription::*;
use model::topic::*;

/// SplitMix64: small, and good enough to vary values.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn text(&mut self, letters: &str) -> String {
        let letters: Vec<char> = letters.chars().collect();
        let length = 1 + self.below(12);
        (0..length).map(|_| letters[self.below(letters.len())]).collect()
    }
}

pub(crate) trait Sample: Sized {
    fn sample(random: &mut Random) -> Self;
}

macro_rules! structs {
    ($( $name:ident { $( $field:ident )* } )*) => { $(
        impl Sample for $name {
            #[allow(unused_variables)]
            fn sample(random: &mut Random) -> Self {
                $name { $( $field: Sample::sample(random), )* }
            }
        }
    )* };
}

macro_rules! choices {
    ($( $name:ident = $random:ident: $( $choice:expr ),* ; )*) => { $(
        impl Sample for $name {
            fn sample($random: &mut Random) -> Self {
                let choices: &[fn(&mut Random) -> Self] = &[ $( |$random| { let _ = &$random; $choice } ),* ];
                let at = $random.below(choices.len());
                choices[at]($random)
            }
        }
    )* };
}

macro_rules! numbers {
    ($( $name:ident )*) => { $(
        impl Sample for $name {
            fn sample(random: &mut Random) -> Self {
                $name::new(Sample::sample(random))
            }
        }
    )* };
}

macro_rules! names {
    ($( $name:ident )*) => { $(
        impl Sample for $name {
            fn sample(random: &mut Random) -> Self {
                $name::parse(&random.text("abcXYZ019._-:/@+=~,")).unwrap_or_else(|_| $name::parse("x").unwrap())
            }
        }
    )* };
}

impl Sample for u64 {
    fn sample(random: &mut Random) -> Self {
        let shift = random.below(64);
        random.next() >> shift
    }
}

impl Sample for u8 {
    fn sample(random: &mut Random) -> Self {
        random.next().to_be_bytes()[0]
    }
}

impl<T: Sample> Sample for Box<T> {
    fn sample(random: &mut Random) -> Self {
        Box::new(T::sample(random))
    }
}

impl Sample for u32 {
    fn sample(random: &mut Random) -> Self {
        u32::try_from(random.next() >> 32).unwrap() >> random.below(32)
    }
}

impl Sample for bool {
    fn sample(random: &mut Random) -> Self {
        random.below(2) == 1
    }
}

impl Sample for i32 {
    fn sample(random: &mut Random) -> Self {
        u32::sample(random).cast_signed()
    }
}

impl Sample for String {
    fn sample(random: &mut Random) -> Self {
        if random.below(8) == 0 { String::new() } else { random.text("abc é漢 %\"\\<>") }
    }
}

impl Sample for Arc<str> {
    fn sample(random: &mut Random) -> Self {
        String::sample(random).into()
    }
}

impl Sample for Bytes {
    fn sample(random: &mut Random) -> Self {
        (0..random.below(40)).map(|_| random.next().to_be_bytes()[0]).collect::<Vec<_>>().into()
    }
}

impl Sample for Secret {
    fn sample(random: &mut Random) -> Self {
        Secret::new(String::sample(random))
    }
}

impl Sample for NewPassword {
    fn sample(random: &mut Random) -> Self {
        let digits: String = (0..48).map(|_| char::from(b'A' + u8::try_from(random.below(26)).unwrap_or(0))).collect();
        match random.below(3) {
            0 => Self::Text(Secret::sample(random)),
            1 => Self::Imported(ImportedHash::sha256(&digits).expect("it has the length of one")),
            _ => Self::Imported(ImportedHash::nobodys()),
        }
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(random: &mut Random) -> Self {
        bool::sample(random).then(|| T::sample(random))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(random: &mut Random) -> Self {
        (0..random.below(4)).map(|_| T::sample(random)).collect()
    }
}

impl<T: Sample> Sample for Page<T> {
    fn sample(random: &mut Random) -> Self {
        Page { items: Sample::sample(random), next: Sample::sample(random) }
    }
}

impl<T: Sample> Sample for Created<T> {
    fn sample(random: &mut Random) -> Self {
        Created { created: Sample::sample(random), description: Sample::sample(random) }
    }
}

impl Sample for Priority {
    fn sample(random: &mut Random) -> Self {
        Priority::new(u8::sample(random))
    }
}

impl Sample for PageRequest {
    fn sample(random: &mut Random) -> Self {
        PageRequest::new(Some(1 + u32::sample(random) % 1000), Sample::sample(random)).unwrap()
    }
}

impl Sample for Rights {
    fn sample(random: &mut Random) -> Self {
        Rights::from_bits(u16::try_from(random.below(1 << 12)).unwrap())
    }
}

impl Sample for Receipt {
    fn sample(random: &mut Random) -> Self {
        Receipt {
            source: Sample::sample(random),
            partition: Sample::sample(random),
            sequence: Sample::sample(random),
            epoch: Epoch::new(u64::sample(random) >> 16),
            attempt: Sample::sample(random),
        }
    }
}

impl Sample for MessageId {
    fn sample(random: &mut Random) -> Self {
        MessageId::parse(&random.text("abc é漢-_")).unwrap()
    }
}

impl Sample for (String, HeaderValue) {
    fn sample(random: &mut Random) -> Self {
        (String::sample(random), HeaderValue::sample(random))
    }
}

numbers! {
    UserId QueueId TopicId SubscriptionId TokenId Offset Sequence Epoch LogIndex Generation Timestamp Span ByteSize
    Partition Attempt
}
names! { NamespaceName QueueName TopicName SubscriptionName UserName MemberName ExchangeName PolicyName RoutingKey }

fn one<T: Copy>(random: &mut Random, all: &[T]) -> T {
    all[random.below(all.len())]
}

choices! {
    Source = r: Source::Queue(Sample::sample(r)), Source::Subscription(Sample::sample(r));
    ReceiptSource = r: ReceiptSource::Queue(Sample::sample(r)), ReceiptSource::Subscription(Sample::sample(r));
    HeaderValue = r: HeaderValue::Text(Sample::sample(r)), HeaderValue::Integer(u64::sample(r).cast_signed()),
        HeaderValue::Real(f64::from(u32::sample(r)) / 7.0), HeaderValue::Boolean(Sample::sample(r)),
        HeaderValue::Binary(Sample::sample(r)), HeaderValue::Null, HeaderValue::Time(Sample::sample(r)),
        HeaderValue::Narrow(Sample::sample(r)), HeaderValue::Single(f32::from(u8::sample(r)) / 3.0),
        HeaderValue::Decimal { scale: Sample::sample(r), digits: u32::sample(r).cast_signed() },
        HeaderValue::List(vec![Sample::sample(r)]), HeaderValue::Table(vec![Sample::sample(r)]);
    Narrow = r: Narrow::I8(u8::sample(r).cast_signed()), Narrow::U8(Sample::sample(r)), Narrow::I16(-3),
        Narrow::U16(u16::MAX), Narrow::I32(u32::sample(r).cast_signed()), Narrow::U32(Sample::sample(r));
    Persistence = r: one(r, &Persistence::ALL);
    Destination = r: Destination::Queue(Sample::sample(r)), Destination::Topic(Sample::sample(r)),
        Destination::Exchange(ExchangeName::default());
    Unroutable = r: Unroutable::Drop, Unroutable::Return;
    Fate = r: one(r, &Fate::ALL);
    ExchangeKind = r: one(r, &ExchangeKind::ALL);
    HashProperty = r: one(r, &HashProperty::ALL);
    HashOn = r: HashOn::RoutingKey, HashOn::Header(Sample::sample(r)), HashOn::Property(Sample::sample(r));
    DeleteExchangeMode = r: DeleteExchangeMode::IfUnused, DeleteExchangeMode::Force;
    Life = r: Life::Permanent, Life::Transient, Life::Exclusive { holder: Sample::sample(r) };
    Availability = r: Availability::Now, Availability::After(Sample::sample(r)), Availability::At(Sample::sample(r));
    NackAction = r: NackAction::Retry(Sample::sample(r)), NackAction::Reject;
    StartAt = r: StartAt::Earliest, StartAt::Latest, StartAt::Offset(Sample::sample(r)),
        StartAt::Time(Sample::sample(r));
    SubscriptionKind = r: SubscriptionKind::Stream { session: Sample::sample(r) }, SubscriptionKind::Shared {
        lease: Sample::sample(r), delivery_limit: Sample::sample(r), dead_letter: Sample::sample(r)
    };
    NamePattern = r: NamePattern::Literal(Sample::sample(r)), NamePattern::Prefix(Sample::sample(r));
    Readiness = r: Readiness::Ready, Readiness::Starting, Readiness::DiskNearlyFull, Readiness::Draining,
        Readiness::Stopped { fault: Sample::sample(r) };
    Overflow = r: Overflow::Reject, Overflow::DropOldest, Overflow::RejectToDeadLetter;
    DeliveryOrder = r: DeliveryOrder::Fifo, DeliveryOrder::PerKey;
    PolicyTarget = r: one(r, &PolicyTarget::ALL);
    DeleteMode = r: DeleteMode::IfEmpty, DeleteMode::Force;
    Durability = r: Durability::Fsync, Durability::FsyncMajority;
    Settlement = r: Settlement::Settled, Settlement::LeaseLost;
    Cleanup = r: Cleanup::Delete, Cleanup::Compact;
    Effect = r: Effect::Allow, Effect::Deny;
    TokenKind = r: TokenKind::Session, TokenKind::Api;
    DeadLetterReason = r: one(r, &DeadLetterReason::ALL);
    MessageState = r: one(r, &MessageState::ALL);
    Role = r: one(r, &Role::ALL);
    ResourceKind = r: one(r, &ResourceKind::ALL);
}

structs! {
    QueueRef { namespace name }
    TopicRef { namespace name }
    SubscriptionRef { topic name }
    NewMessage { body headers content_type key priority ttl availability id properties }
    Message { id body headers content_type key priority published_at expires_at sender ttl properties routed }
    Properties {
        content_encoding correlation_id reply_to message_id made_at kind user_id application cluster_id persistence
    }
    Routed { exchange routing_key }
    Death { reason origin count at exchange routing_keys ttl }
    DeadLetter { reason origin attempts count at deaths routed }
    Delivery { message receipt attempt partition offset leased_until dead_letter }
    Peeked { message partition sequence state attempts due_at dead_letter }
    Record { offset message }
    MessagePlace { partition sequence }
    Totals { published delivered acknowledged redelivered dead_lettered dropped }
    Removed { messages }
    Done {}
    QueueSettings {
        max_messages max_bytes overflow message_ttl lease delivery_limit dead_letter deduplication order partitions
        dead_letter_exchange dead_letter_key priority_max expires life auto_delete single_active_consumer
        consumer_timeout arguments
    }
    QueuePatch {
        max_messages max_bytes overflow message_ttl lease delivery_limit dead_letter deduplication
        dead_letter_exchange dead_letter_key expires consumer_timeout
    }
    QueueCounts { ready delayed leased bytes }
    RedriveProgress { moved rate }
    QueueDescription {
        queue id owner created_at settings counts oldest_ready_at oldest_leased_at totals consumers redrive policy
    }
    CreateQueue { queue settings }
    DescribeQueue { queue }
    AlterQueue { queue patch }
    DeleteQueue { queue mode }
    ListQueues { namespace prefix page }
    PurgeQueue { queue }
    TransferQueue { queue owner }
    Publish { queue messages }
    PublishedMessage { id partition sequence duplicate }
    Published { messages durability position }
    Receive { source max wait lease member }
    Received { deliveries }
    Ack { source receipts }
    Nack { source receipts action }
    Extend { source receipts lease }
    Settled { results }
    Peek { queue state limit after }
    PeekedMessages { messages next }
    CancelMessages { queue places }
    Cancelled { cancelled }
    RedriveFilter { reason origin places max }
    Redrive { queue filter target rate }
    Redriven { moved running }
    TopicSettings { partitions retention retention_bytes cleanup deduplication }
    TopicPatch { partitions retention retention_bytes cleanup deduplication }
    PartitionExtent { partition earliest end messages bytes }
    TopicDescription { topic id owner created_at settings partitions subscriptions totals }
    CreateTopic { topic settings }
    DescribeTopic { topic }
    AlterTopic { topic patch }
    DeleteTopic { topic mode }
    ListTopics { namespace prefix page }
    TransferTopic { topic owner }
    TopicMessage { message partition }
    PublishTopic { topic messages }
    PublishedRecord { id partition offset duplicate }
    PublishedRecords { records durability position }
    ReadPartition { topic partition start limit wait }
    Records { records next extent }
    SubscriptionSettings { kind start }
    PartitionProgress { partition committed end lag lag_time member }
    SubscriptionDescription {
        subscription id owner created_at settings generation members partitions lag lag_time leased totals
    }
    CreateSubscription { subscription settings }
    DescribeSubscription { subscription }
    DeleteSubscription { subscription }
    ListSubscriptions { topic prefix page }
    PartitionOffset { partition offset }
    Commit { subscription member offsets }
    Committed { offsets }
    Seek { subscription to partition }
    LeaveSubscription { subscription member }
    ExchangeRef { namespace name }
    ExchangeSettings { kind durable auto_delete internal delays alternate hash_on arguments }
    ExchangeDescription { exchange owner created_at settings bindings policy }
    CreateExchange { exchange settings }
    DescribeExchange { exchange }
    DeleteExchange { exchange mode }
    ListExchanges { namespace prefix page }
    Binding { source destination routing_key arguments }
    Bind { binding }
    Unbind { binding }
    Rebound { changed }
    ListBindings { namespace source destination page }
    RoutedMessage { message routing_key extra_keys unroutable }
    PublishExchange { exchange messages }
    RoutedPlace { id fate taken duplicates refused }
    RoutedPlaces { messages durability position }
    ResourcePattern { kind namespace name }
    PolicySettings {
        max_messages max_bytes overflow message_ttl delivery_limit dead_letter_exchange dead_letter_key consumer_timeout
        arguments expires alternate
    }
    Policy { namespace name pattern target priority settings }
    AppliedPolicy { name settings }
    SetPolicy { policy }
    DeletePolicy { namespace name }
    ListPolicies { namespace }
    Policies { policies }
    Grant { user resource rights effect }
    UserDescription { name id roles disabled created_at }
    CreateUser { name password roles }
    AlterUser { name password roles disabled }
    DescribeUser { name }
    DeleteUser { name }
    ListUsers { prefix page }
    AddGrant { grant }
    RemoveGrant { user resource effect }
    ListGrants { user }
    Grants { grants }
    Scope { rights resource }
    TokenDescription { id user label kind scope created_at expires_at }
    CreateToken { label scope lifetime }
    NewToken { secret description }
    ListTokens { user }
    Tokens { tokens }
    RevokeToken { id }
    Login {}
    Logout {}
    WhoAmI {}
    CreateNamespace { name }
    NamespaceDescription { name queues topics }
    DeleteNamespace { name }
    ListNamespaces { page }
    DescribeNode {}
    ShardDescription {
        shard epoch applied durable checkpoint segments log_bytes live_bytes flushes flush_micros_p50 flush_micros_p99
    }
    NodeDescription {
        version started_at uptime readiness durability disk_free memory queues topics users messages consumers shards
    }
}
