//! Every bound that a caller can meet, in one place, with its unit in the name.
//! A door may be stricter; nothing behind a door is laxer. Each bound has a test that reaches it.

/// Longest name of a queue, topic, subscription, namespace, user or group member, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Largest message: body, headers, key and properties together, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest number of messages in one publish.
pub const PUBLISH_MESSAGES_MAX: usize = 4096;
/// Largest sum of message bytes in one publish.
pub const PUBLISH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Largest number of headers of one message.
pub const HEADERS_MAX: usize = 256;
/// Longest header name in bytes.
pub const HEADER_NAME_BYTES_MAX: usize = 255;
/// How deep lists and tables nest in headers and arguments.
pub const HEADER_DEPTH_MAX: usize = 16;
/// Most values in the headers of one message, those in lists and tables included.
pub const HEADER_VALUES_MAX: usize = 4096;
/// Longest text of one property of a message, in bytes.
pub const PROPERTY_BYTES_MAX: usize = 255;
/// Longest routing key in bytes.
pub const ROUTING_KEY_BYTES_MAX: usize = 255;
/// Most further routing keys of one message.
pub const EXTRA_KEYS_MAX: usize = 256;
/// Most exchanges in one namespace.
pub const EXCHANGES_PER_NAMESPACE_MAX: u64 = 100_000;
/// Most bindings in one namespace.
pub const BINDINGS_PER_NAMESPACE_MAX: u64 = 1_000_000;
/// Highest weight of a binding to an exchange that spreads by hash: its number of points on the ring.
pub const BINDING_WEIGHT_MAX: u32 = 1000;
/// Most different moves (queue and reason) that a dead letter remembers; the oldest is forgotten first.
pub const DEATHS_MAX: usize = 64;
/// Longest time that a queue may stand unused before it goes, in milliseconds.
pub const EXPIRES_MS_MAX: u64 = 10 * 366 * 24 * 60 * 60 * 1000;
/// Longest name of the connection that a queue belongs to, in bytes.
pub const HOLDER_BYTES_MAX: usize = 255;
/// Longest message key in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest message id in bytes.
pub const MESSAGE_ID_BYTES_MAX: usize = 128;
/// Longest content type in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 255;
/// Highest message priority; 0 is the default and the lowest.
pub const PRIORITY_MAX: u8 = u8::MAX;
/// Largest number of messages in one receive.
pub const RECEIVE_MESSAGES_MAX: u32 = 1000;
/// Largest sum of message bytes in one receive; at least one message is always returned.
pub const RECEIVE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest long poll in milliseconds.
pub const WAIT_MS_MAX: u64 = 60_000;
/// Shortest lease in milliseconds.
pub const LEASE_MS_MIN: u64 = 100;
/// Longest lease in milliseconds: twelve hours; extend it for longer work.
pub const LEASE_MS_MAX: u64 = 12 * 60 * 60 * 1000;
/// Lease when nobody says otherwise, in milliseconds.
pub const LEASE_MS_DEFAULT: u64 = 30_000;
/// Longest delay of a message in milliseconds: about ten years.
pub const DELAY_MS_MAX: u64 = 10 * 366 * 24 * 60 * 60 * 1000;
/// Largest number of receipts in one ack, nack or extend.
pub const RECEIPTS_MAX: usize = 4096;
/// Deliveries before a message goes to the dead letters, when nobody says otherwise.
pub const DELIVERY_LIMIT_DEFAULT: u32 = 20;
/// Highest delivery limit.
pub const DELIVERY_LIMIT_MAX: u32 = 1_000_000;
/// Longest deduplication window in milliseconds: seven days.
pub const DEDUPLICATION_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
/// Deduplication window when nobody says otherwise, in milliseconds: five minutes.
pub const DEDUPLICATION_MS_DEFAULT: u64 = 5 * 60 * 1000;
/// Most partitions of a topic or queue.
pub const PARTITIONS_MAX: u32 = 1024;
/// Most items on a page of a list.
pub const PAGE_ITEMS_MAX: u32 = 1000;
/// Items on a page when nobody says otherwise.
pub const PAGE_ITEMS_DEFAULT: u32 = 100;
/// Most records returned by one read of a partition or one peek.
pub const READ_MESSAGES_MAX: u32 = 1000;
/// Most queues in one namespace.
pub const QUEUES_PER_NAMESPACE_MAX: u64 = 1_000_000;
/// Most topics in one namespace.
pub const TOPICS_PER_NAMESPACE_MAX: u64 = 100_000;
/// Most subscriptions of one topic.
pub const SUBSCRIPTIONS_PER_TOPIC_MAX: u64 = 10_000;
/// Most members of one stream subscription.
pub const MEMBERS_PER_SUBSCRIPTION_MAX: usize = 1024;
/// A stream member that has not asked for this long loses its partitions, in milliseconds.
pub const MEMBER_SESSION_MS_DEFAULT: u64 = 30_000;
/// Most policies in one namespace.
pub const POLICIES_PER_NAMESPACE_MAX: u64 = 1000;
/// Longest pattern of a policy in bytes.
pub const POLICY_PATTERN_BYTES_MAX: usize = 1024;
/// Most users.
pub const USERS_MAX: u64 = 100_000;
/// Most live tokens and sessions of one user.
pub const TOKENS_PER_USER_MAX: usize = 256;
/// Most grants of one user.
pub const GRANTS_PER_USER_MAX: usize = 1024;
/// Shortest password in bytes.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// Longest password in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Life of a login session in milliseconds: twelve hours.
pub const SESSION_MS: u64 = 12 * 60 * 60 * 1000;
/// Longest life of an API token in milliseconds: ten years.
pub const TOKEN_MS_MAX: u64 = 10 * 366 * 24 * 60 * 60 * 1000;
/// Highest rate of a redrive, in messages a second.
pub const REDRIVE_RATE_MAX: u32 = 100_000;
/// Most unsettled messages of one consumer stream.
pub const CREDIT_MAX: u32 = 100_000;
