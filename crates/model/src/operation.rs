//! The table of operations: each request, its reply, the right it needs and over what.
//! Checks, documentation and the authorisation matrix all come from this one table.
//! Invariant: a backend answers each `Request` with the `Response` of the same name.

use crate::access::{
    AddGrant, AlterUser, CreateNamespace, CreateToken, CreateUser, DeleteNamespace, DeleteUser, DescribeUser, Grants,
    ListGrants, ListNamespaces, ListTokens, ListUsers, Login, Logout, NamespaceDescription, NamespacePage, NewToken,
    RemoveGrant, ResourceKind, RevokeToken, Right, Tokens, UserDescription, UserPage, WhoAmI,
};
use crate::binding::{Bind, BindingPage, ListBindings, PublishExchange, Rebound, RoutedPlaces, Unbind};
use crate::exchange::{
    CreateExchange, DeleteExchange, DescribeExchange, ExchangeDescription, ExchangePage, ListExchanges,
};
use crate::name::Source;
use crate::node::{DescribeNode, NodeDescription};
use crate::policy::{DeletePolicy, ListPolicies, Policies, SetPolicy};
use crate::queue::{
    Ack, AlterQueue, CancelMessages, Cancelled, CreateQueue, Created, DeleteQueue, DescribeQueue, Extend, ListQueues,
    Nack, Peek, PeekedMessages, Publish, Published, PurgeQueue, QueueDescription, QueuePage, Receive, Received,
    Redrive, Redriven, Removed, Settled, TransferQueue,
};
use crate::subscription::{
    Commit, Committed, CreateSubscription, DeleteSubscription, DescribeSubscription, Done, LeaveSubscription,
    ListSubscriptions, Seek, SubscriptionDescription, SubscriptionPage,
};
use crate::topic::{
    AlterTopic, CreateTopic, DeleteTopic, DescribeTopic, ListTopics, PublishTopic, PublishedRecords, ReadPartition,
    Records, TopicDescription, TopicPage, TransferTopic,
};

/// A request type with the type of its reply.
pub trait Call: Into<Request> {
    /// What a backend answers.
    type Reply;

    /// Takes the reply out of a response; `None` when it belongs to another request.
    fn reply(response: Response) -> Option<Self::Reply>;
}

/// What an operation needs of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// This right over the thing that the request names; its owner has it.
    Right(Right),
    /// This right; its owner has it over it, also where owning gives it not otherwise.
    Owner(Right),
    /// To be logged in; the operation itself decides what is the caller's own.
    SelfService,
}

/// Whether an operation changes state, and so goes through the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads the state of the leader.
    Read,
    /// Adds messages; refused first when the disk fills.
    Publish,
    /// Changes state.
    Write,
}

macro_rules! operations {
    ($( $(#[$doc:meta])* $name:ident -> $reply:ty, $access:ident, $need:expr, $resource:ident; )*) => {
        /// Any request. Each is documented at its type.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each variant is documented at the type it holds")]
        pub enum Request { $( $name($name), )* }

        /// Any response.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each variant is documented at the type it holds")]
        pub enum Response { $( $name($reply), )* }

        /// The kind of a request, without its content.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each variant is documented at the type it names")]
        pub enum OperationKind { $( $name, )* }

        impl OperationKind {
            /// Every operation, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// The name of the operation, as in the gRPC contract.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$name => stringify!($name), )* }
            }

            /// What it needs of the caller.
            pub const fn need(self) -> Need {
                match self { $( Self::$name => $need, )* }
            }

            /// Whether it changes state.
            pub const fn access(self) -> Access {
                match self { $( Self::$name => Access::$access, )* }
            }

            /// What kind of thing the right is needed over. Receiving and settling follow their source instead.
            pub const fn resource(self) -> ResourceKind {
                match self { $( Self::$name => ResourceKind::$resource, )* }
            }
        }

        impl Request {
            /// Its kind.
            pub const fn kind(&self) -> OperationKind {
                match self { $( Self::$name(_) => OperationKind::$name, )* }
            }
        }

        $(
            impl From<$name> for Request {
                fn from(request: $name) -> Self {
                    Self::$name(request)
                }
            }

            impl Call for $name {
                type Reply = $reply;

                #[allow(clippy::wildcard_enum_match_arm, reason = "every other response belongs to another request")]
                fn reply(response: Response) -> Option<Self::Reply> {
                    match response {
                        Response::$name(reply) => Some(reply),
                        _ => None,
                    }
                }
            }
        )*
    };
}

operations! {
    CreateQueue -> Created<QueueDescription>, Write, Need::Right(Right::Create), Queue;
    DescribeQueue -> QueueDescription, Read, Need::Right(Right::Describe), Queue;
    AlterQueue -> QueueDescription, Write, Need::Right(Right::Alter), Queue;
    DeleteQueue -> Removed, Write, Need::Owner(Right::Delete), Queue;
    ListQueues -> QueuePage, Read, Need::SelfService, Queue;
    PurgeQueue -> Removed, Write, Need::Right(Right::Purge), Queue;
    TransferQueue -> QueueDescription, Write, Need::Owner(Right::Administer), Queue;
    Publish -> Published, Publish, Need::Right(Right::Publish), Queue;
    Receive -> Received, Write, Need::Right(Right::Consume), Queue;
    Ack -> Settled, Write, Need::Right(Right::Consume), Queue;
    Nack -> Settled, Write, Need::Right(Right::Consume), Queue;
    Extend -> Settled, Write, Need::Right(Right::Consume), Queue;
    Peek -> PeekedMessages, Read, Need::Right(Right::Peek), Queue;
    CancelMessages -> Cancelled, Write, Need::Right(Right::Purge), Queue;
    Redrive -> Redriven, Write, Need::Right(Right::Purge), Queue;

    CreateTopic -> Created<TopicDescription>, Write, Need::Right(Right::Create), Topic;
    DescribeTopic -> TopicDescription, Read, Need::Right(Right::Describe), Topic;
    AlterTopic -> TopicDescription, Write, Need::Right(Right::Alter), Topic;
    DeleteTopic -> Removed, Write, Need::Owner(Right::Delete), Topic;
    ListTopics -> TopicPage, Read, Need::SelfService, Topic;
    TransferTopic -> TopicDescription, Write, Need::Owner(Right::Administer), Topic;
    PublishTopic -> PublishedRecords, Publish, Need::Right(Right::Publish), Topic;
    ReadPartition -> Records, Read, Need::Right(Right::Consume), Topic;

    CreateSubscription -> Created<SubscriptionDescription>, Write, Need::Right(Right::Consume), Topic;
    DescribeSubscription -> SubscriptionDescription, Read, Need::Right(Right::Describe), Topic;
    DeleteSubscription -> Done, Write, Need::Owner(Right::Delete), Topic;
    ListSubscriptions -> SubscriptionPage, Read, Need::Right(Right::Describe), Topic;
    Commit -> Committed, Write, Need::Right(Right::Consume), Topic;
    Seek -> Committed, Write, Need::Right(Right::Seek), Topic;
    LeaveSubscription -> Done, Write, Need::Right(Right::Consume), Topic;

    CreateExchange -> Created<ExchangeDescription>, Write, Need::Right(Right::Create), Exchange;
    DescribeExchange -> ExchangeDescription, Read, Need::Right(Right::Describe), Exchange;
    DeleteExchange -> Done, Write, Need::Owner(Right::Delete), Exchange;
    ListExchanges -> ExchangePage, Read, Need::SelfService, Exchange;
    PublishExchange -> RoutedPlaces, Publish, Need::Right(Right::Publish), Exchange;
    Bind -> Rebound, Write, Need::Right(Right::Consume), Exchange;
    Unbind -> Rebound, Write, Need::Right(Right::Consume), Exchange;
    ListBindings -> BindingPage, Read, Need::SelfService, Exchange;

    SetPolicy -> Done, Write, Need::Right(Right::Administer), Broker;
    DeletePolicy -> Done, Write, Need::Right(Right::Administer), Broker;
    ListPolicies -> Policies, Read, Need::SelfService, Broker;

    CreateUser -> UserDescription, Write, Need::Right(Right::Administer), Broker;
    AlterUser -> UserDescription, Write, Need::SelfService, Broker;
    DescribeUser -> UserDescription, Read, Need::SelfService, Broker;
    DeleteUser -> Done, Write, Need::Right(Right::Administer), Broker;
    ListUsers -> UserPage, Read, Need::Right(Right::Administer), Broker;
    AddGrant -> Done, Write, Need::Right(Right::Administer), Broker;
    RemoveGrant -> Done, Write, Need::Right(Right::Administer), Broker;
    ListGrants -> Grants, Read, Need::SelfService, Broker;
    CreateToken -> NewToken, Write, Need::SelfService, Broker;
    ListTokens -> Tokens, Read, Need::SelfService, Broker;
    RevokeToken -> Done, Write, Need::SelfService, Broker;
    Login -> NewToken, Write, Need::SelfService, Broker;
    Logout -> Done, Write, Need::SelfService, Broker;
    WhoAmI -> UserDescription, Read, Need::SelfService, Broker;
    CreateNamespace -> Created<NamespaceDescription>, Write, Need::Right(Right::Administer), Broker;
    DeleteNamespace -> Done, Write, Need::Right(Right::Administer), Broker;
    ListNamespaces -> NamespacePage, Read, Need::SelfService, Broker;
    DescribeNode -> NodeDescription, Read, Need::Right(Right::Monitor), Broker;
}

impl Source {
    /// The kind of thing that receiving and settling need the right over.
    pub const fn resource(&self) -> ResourceKind {
        match self {
            Self::Queue(_) => ResourceKind::Queue,
            Self::Subscription(_) => ResourceKind::Topic,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_own_name() {
        let mut names: Vec<_> = OperationKind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OperationKind::ALL.len());
    }

    #[test]
    fn a_request_finds_its_kind_and_its_reply() {
        let request: Request = WhoAmI.into();
        assert_eq!(request.kind(), OperationKind::WhoAmI);
        assert_eq!(LeaveSubscription::reply(Response::LeaveSubscription(Done)), Some(Done));
        assert_eq!(LeaveSubscription::reply(Response::Logout(Done)), None);
    }

    #[test]
    fn what_deletes_another_users_thing_needs_its_owner() {
        for kind in [
            OperationKind::DeleteQueue,
            OperationKind::DeleteTopic,
            OperationKind::DeleteSubscription,
            OperationKind::DeleteExchange,
        ] {
            assert_eq!(kind.need(), Need::Owner(Right::Delete));
        }
    }
}
