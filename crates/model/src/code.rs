//! Stable codes: one for everything that can go wrong, the same in every protocol, log line and manual page.
//! `recado explain CODE` prints the entry; the documentation lists them all.
//! Invariant: a word once released keeps its meaning.

macro_rules! codes {
    ($( $name:ident, $word:literal, $title:literal, $hint:literal; )*) => {
        /// What went wrong, in one stable word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $( #[doc = $title] $name, )*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// The word that clients compare.
            pub const fn word(self) -> &'static str {
                match self { $( Self::$name => $word, )* }
            }

            /// What it means, in one line.
            pub const fn title(self) -> &'static str {
                match self { $( Self::$name => $title, )* }
            }

            /// What to do about it, in one line.
            pub const fn hint(self) -> &'static str {
                match self { $( Self::$name => $hint, )* }
            }
        }
    };
}

codes! {
    NameInvalid, "name_invalid", "a name breaks the grammar",
        "use 1 to 255 letters, digits and . _ - : / @ + = ~ , with spaces only inside";
    ArgumentInvalid, "argument_invalid", "a value is out of range",
        "correct the field that the message names";
    ReceiptInvalid, "receipt_invalid", "the text is not a receipt",
        "send back the receipt exactly as it was received";
    MessageTooLarge, "message_too_large", "the message is too large",
        "keep a message within 16 MiB; put larger content elsewhere and send its address";
    BatchSize, "batch_size", "too many or no items in one request",
        "split the request: at most 4096 messages or receipts, 1000 in a receive";
    Unauthenticated, "unauthenticated", "the credentials are missing or wrong",
        "log in, or send Authorization: Bearer TOKEN or Basic with the right password";
    Forbidden, "forbidden", "the caller may not do this",
        "ask an administrator for a grant of the right that the message names, or use a token with a wider scope";
    LoginThrottled, "login_throttled", "too many failed logins",
        "wait as long as the message says, then log in with the right password";
    NotClaimed, "not_claimed", "the broker has no administrator yet",
        "claim it from this machine with the token that the first start printed, or start with --admin-password-file";
    ClaimInvalid, "claim_invalid", "the claim token is wrong, used or expired",
        "use the newest token that the broker printed, within an hour and from the same machine";
    NamespaceNotFound, "namespace_not_found", "there is no such namespace",
        "create the namespace first, or correct its name";
    NamespaceNotEmpty, "namespace_not_empty", "the namespace still holds queues or topics",
        "delete what it holds first";
    QueueNotFound, "queue_not_found", "there is no such queue",
        "create the queue first, or correct its name or namespace";
    QueueExists, "queue_exists", "a queue of this name has other settings",
        "alter the existing queue, delete it, or choose another name";
    QueueNotEmpty, "queue_not_empty", "the queue holds messages",
        "consume or purge them first, or delete with force to delete them too";
    QueueFull, "queue_full", "the queue is at its bound",
        "consume messages, raise max_messages or max_bytes, or retry later";
    QueueInUse, "queue_in_use", "the queue takes the dead letters of another",
        "take it out of the other's settings first";
    TopicNotFound, "topic_not_found", "there is no such topic",
        "create the topic first, or correct its name or namespace";
    TopicExists, "topic_exists", "a topic of this name has other settings",
        "alter the existing topic, delete it, or choose another name";
    TopicNotEmpty, "topic_not_empty", "the topic holds messages or subscriptions",
        "delete with force to delete them too";
    PartitionNotFound, "partition_not_found", "the topic has no such partition",
        "partitions count from 0; describe the topic to see how many it has";
    PartitionsShrink, "partitions_shrink", "partitions cannot become fewer",
        "create another topic with fewer partitions and move to it";
    SubscriptionNotFound, "subscription_not_found", "there is no such subscription",
        "create the subscription first, or correct its name or topic";
    SubscriptionExists, "subscription_exists", "a subscription of this name has other settings",
        "delete the existing subscription or choose another name";
    SubscriptionKind, "subscription_kind", "the operation does not fit the kind of the subscription",
        "stream subscriptions commit and seek; shared ones ack, nack and extend";
    NotAssigned, "not_assigned", "the partition belongs to another member",
        "the group was rebalanced: receive again to learn the member's partitions";
    ExchangeNotFound, "exchange_not_found", "there is no such exchange",
        "create the exchange first, or correct its name or namespace";
    ExchangeExists, "exchange_exists", "an exchange of this name has other settings",
        "delete the existing exchange or choose another name";
    ExchangeInUse, "exchange_in_use", "bindings leave the exchange",
        "remove the bindings first, or delete with force to delete them too";
    ExchangeInternal, "exchange_internal", "only other exchanges and dead letters reach the exchange",
        "publish to an exchange that leads to it";
    ExchangeReserved, "exchange_reserved", "the exchange is the broker's own",
        "choose a name that does not start with amq.; the default exchange has no bindings but those of its own";
    ConsumerAlone, "consumer_alone", "a consumer has the queue for itself",
        "wait until the other consumers are gone, or consume without asking to be alone";
    UserNotFound, "user_not_found", "there is no such user",
        "create the user first, or correct its name";
    UserExists, "user_exists", "a user of this name exists",
        "choose another name or alter the existing user";
    LastAdministrator, "last_administrator", "the last administrator must stay",
        "make another user administrator first";
    TokenNotFound, "token_not_found", "there is no such token",
        "list the tokens to see which exist";
    GrantNotFound, "grant_not_found", "there is no such grant",
        "list the grants to see which exist";
    LimitReached, "limit_reached", "a bound on the number of things is reached",
        "delete what is not needed any more";
    RedriveRunning, "redrive_running", "a redrive of this queue is running",
        "wait until it ends; the queue's description shows its progress";
    DeliveryLimitReached, "delivery_limit_reached", "the message was delivered as often as allowed",
        "look at it in the dead-letter queue, mend the consumer, then redrive it";
    IdempotencyMismatch, "idempotency_mismatch", "the idempotency key was used with another request",
        "use a new key for a new request";
    Starting, "starting", "the node loads its state",
        "retry in a second";
    Draining, "draining", "the node is shutting down",
        "retry on another node, or here after the restart";
    Busy, "busy", "too many requests are waiting",
        "retry after a short pause, with fewer requests in flight";
    DiskNearlyFull, "disk_nearly_full", "the disk is nearly full",
        "consume or delete messages, or give the disk more room; publishing resumes by itself";
    MemoryFull, "memory_full", "the memory for requests in flight is used up",
        "retry after a short pause, with fewer or smaller requests in flight";
    NoLeader, "no_leader", "the shard has no leader at the moment",
        "retry in a moment";
    Unreachable, "unreachable", "no broker can be reached",
        "check that a broker runs and that the gateway's --brokers name it; retry";
    OutcomeUnknown, "outcome_unknown", "the request may or may not have been done",
        "retry with the same message ids or idempotency key: what was done is not done twice";
    Fault, "fault", "the shard is stopped by a fault",
        "read the broker's log, look at the disk, run `recado doctor`, then restart the node";
    MethodNotAllowed, "method_not_allowed", "the path does not have this method",
        "see /openapi.json for the methods of each path";
    PathNotFound, "path_not_found", "there is no such path",
        "see /openapi.json for all paths";
    BodyInvalid, "body_invalid", "the body of the request cannot be read",
        "send JSON as /openapi.json describes it, with Content-Type: application/json";
    MediaTypeUnsupported, "media_type_unsupported", "the body has a media type that is not taken here",
        "send application/json, or application/octet-stream where one raw message is published";
}

impl Code {
    /// The code that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_word() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.word()), Some(*code));
            assert!(!code.hint().ends_with('.'), "{} ends with a full stop", code.word());
        }
        assert_eq!(Code::parse("no_such_code"), None);
    }
}
