//! Each operation of the table as a request of the gRPC door, sent by the client that gateways use.
//! Invariant: exhaustive; a new operation does not compile before it stands here.
//! Asked by `matrix`.

use model::Failure;
use model::access::{
    AddGrant, AlterUser, CreateNamespace, CreateToken, CreateUser, DeleteNamespace, DeleteUser, DescribeUser, Effect,
    Grant, ListGrants, ListNamespaces, ListTokens, ListUsers, Login, Logout, NamePattern, RemoveGrant, ResourceKind,
    ResourcePattern, RevokeToken, Right, Rights, Scope, WhoAmI,
};
use model::binding::{Bind, Binding, Destination, ListBindings, PublishExchange, RoutedMessage, RoutingKey, Unbind};
use model::caller::Secret;
use model::exchange::{
    CreateExchange, DeleteExchange, DeleteExchangeMode, DescribeExchange, ExchangeKind, ExchangeSettings, ListExchanges,
};
use model::message::{MessagePlace, MessageState, NewMessage};
use model::name::{
    ExchangeName, ExchangeRef, MemberName, NamespaceName, PolicyName, QueueName, QueueRef, Source, SubscriptionName,
    SubscriptionRef, TopicName, TopicRef, UserName,
};
use model::node::DescribeNode;
use model::number::{Offset, Partition, Sequence, Span, TokenId};
use model::operation::{OperationKind as Kind, Request, Response};
use model::page::PageRequest;
use model::policy::{DeletePolicy, ListPolicies, Policy, PolicySettings, PolicyTarget, SetPolicy};
use model::queue::{
    Ack, AlterQueue, CancelMessages, CreateQueue, DeleteMode, DeleteQueue, DescribeQueue, Extend, ListQueues, Nack,
    NackAction, Peek, Publish, PurgeQueue, QueuePatch, QueueSettings, Receive, Redrive, RedriveFilter, TransferQueue,
};
use model::receipt::Receipt;
use model::subscription::{
    Commit, CreateSubscription, DeleteSubscription, DescribeSubscription, LeaveSubscription, ListSubscriptions,
    PartitionOffset, Seek, SubscriptionKind, SubscriptionSettings,
};
use model::topic::{
    AlterTopic, CreateTopic, DeleteTopic, DescribeTopic, ListTopics, PublishTopic, ReadPartition, StartAt,
    TopicMessage, TopicPatch, TopicSettings, TransferTopic,
};

use super::people::Person;
use super::things::{Place, Subject};
use super::{Door, rest, subscription};
use crate::world::{Grpc, PASSWORD};

/// Asks, and says what came back: `done` or the code.
pub(crate) fn ask(
    client: &Grpc,
    person: &Person,
    kind: Kind,
    subject: &Subject,
) -> (String, Result<Response, Failure>) {
    let answer = client.submit(request(person, kind, subject));
    let said = answer.as_ref().map_or_else(|failure| failure.code().word(), |_| "done");
    (said.to_owned(), answer)
}

fn namespace(subject: &Subject) -> NamespaceName {
    let Subject::Namespace(name) = subject else { panic!("{subject:?} is no namespace") };
    NamespaceName::parse(name).unwrap()
}

fn queue(subject: &Subject) -> QueueRef {
    let Subject::Queue(Place { namespace, name }) = subject else { panic!("{subject:?} is no queue") };
    QueueRef { namespace: NamespaceName::parse(namespace).unwrap(), name: QueueName::parse(name).unwrap() }
}

fn topic(subject: &Subject) -> TopicRef {
    let (Subject::Topic(Place { namespace, name }) | Subject::Subscription(Place { namespace, name }, _)) = subject
    else {
        panic!("{subject:?} is no topic")
    };
    TopicRef { namespace: NamespaceName::parse(namespace).unwrap(), name: TopicName::parse(name).unwrap() }
}

fn exchange(subject: &Subject) -> ExchangeRef {
    let Subject::Exchange(Place { namespace, name }) = subject else { panic!("{subject:?} is no exchange") };
    ExchangeRef { namespace: NamespaceName::parse(namespace).unwrap(), name: ExchangeName::parse(name).unwrap() }
}

fn followed(kind: Kind, subject: &Subject) -> SubscriptionRef {
    let name = match subject {
        Subject::Subscription(_, start) => subscription(kind, start, Door::Grpc),
        _ => "shared".to_owned(),
    };
    SubscriptionRef { topic: topic(subject), name: SubscriptionName::parse(&name).unwrap() }
}

fn source(kind: Kind, subject: &Subject) -> Source {
    match subject {
        Subject::Queue(_) => Source::Queue(queue(subject)),
        _ => Source::Subscription(followed(kind, subject)),
    }
}

fn user(subject: &Subject) -> UserName {
    named(subject).unwrap_or_else(|| panic!("{subject:?} is no user"))
}

fn named(subject: &Subject) -> Option<UserName> {
    let Subject::User(name) = subject else { return None };
    Some(UserName::parse(name).unwrap())
}

fn owner(subject: &Subject) -> UserName {
    let (Subject::Queue(place) | Subject::Topic(place)) = subject else { panic!("{subject:?} has no owner") };
    UserName::parse(rest::owner(&place.name)).unwrap()
}

fn harmless(name: &str) -> ResourcePattern {
    let name = NamePattern::Literal(name.to_owned());
    ResourcePattern { kind: ResourceKind::Queue, namespace: NamespaceName::default(), name }
}

fn request(person: &Person, kind: Kind, subject: &Subject) -> Request {
    match kind {
        Kind::CreateQueue
        | Kind::DescribeQueue
        | Kind::AlterQueue
        | Kind::DeleteQueue
        | Kind::ListQueues
        | Kind::PurgeQueue
        | Kind::TransferQueue
        | Kind::Publish
        | Kind::Receive
        | Kind::Ack
        | Kind::Nack
        | Kind::Extend
        | Kind::Peek
        | Kind::CancelMessages
        | Kind::Redrive => about_queues(kind, subject),
        Kind::CreateTopic
        | Kind::DescribeTopic
        | Kind::AlterTopic
        | Kind::DeleteTopic
        | Kind::ListTopics
        | Kind::TransferTopic
        | Kind::PublishTopic
        | Kind::ReadPartition
        | Kind::CreateSubscription
        | Kind::DescribeSubscription
        | Kind::DeleteSubscription
        | Kind::ListSubscriptions
        | Kind::Commit
        | Kind::Seek
        | Kind::LeaveSubscription => about_topics(kind, subject),
        Kind::CreateExchange
        | Kind::DescribeExchange
        | Kind::DeleteExchange
        | Kind::ListExchanges
        | Kind::PublishExchange
        | Kind::Bind
        | Kind::Unbind
        | Kind::ListBindings => about_exchanges(kind, subject),
        Kind::CreateUser
        | Kind::AlterUser
        | Kind::DescribeUser
        | Kind::DeleteUser
        | Kind::ListUsers
        | Kind::AddGrant
        | Kind::RemoveGrant
        | Kind::ListGrants
        | Kind::CreateToken
        | Kind::ListTokens
        | Kind::RevokeToken
        | Kind::Login
        | Kind::Logout
        | Kind::WhoAmI
        | Kind::CreateNamespace
        | Kind::DeleteNamespace
        | Kind::ListNamespaces
        | Kind::SetPolicy
        | Kind::DeletePolicy
        | Kind::ListPolicies
        | Kind::DescribeNode => about_people(person, kind, subject),
    }
}

fn about_queues(kind: Kind, subject: &Subject) -> Request {
    match kind {
        Kind::CreateQueue => CreateQueue { queue: queue(subject), settings: QueueSettings::default() }.into(),
        Kind::DescribeQueue => DescribeQueue { queue: queue(subject) }.into(),
        Kind::AlterQueue => AlterQueue { queue: queue(subject), patch: QueuePatch::default() }.into(),
        Kind::DeleteQueue => DeleteQueue { queue: queue(subject), mode: DeleteMode::IfEmpty }.into(),
        Kind::ListQueues => {
            let page = PageRequest { limit: 1000, cursor: None };
            ListQueues { namespace: NamespaceName::default(), prefix: "matrix.".to_owned(), page }.into()
        }
        Kind::PurgeQueue => PurgeQueue { queue: queue(subject) }.into(),
        Kind::TransferQueue => TransferQueue { queue: queue(subject), owner: owner(subject) }.into(),
        Kind::Publish => Publish { queue: queue(subject), messages: vec![NewMessage::new("x")] }.into(),
        Kind::Peek => Peek { queue: queue(subject), state: MessageState::Ready, limit: 1, after: None }.into(),
        Kind::CancelMessages => {
            let place = MessagePlace { partition: Partition::new(0), sequence: Sequence::new(1_000_000) };
            CancelMessages { queue: queue(subject), places: vec![place] }.into()
        }
        Kind::Redrive => {
            let filter = RedriveFilter::default();
            Redrive { queue: queue(subject), filter, target: None, rate: None }.into()
        }
        other => settling(other, source(other, subject)),
    }
}

fn settling(kind: Kind, source: Source) -> Request {
    let receipts = vec![Receipt::parse(&rest::receipt()).unwrap()];
    match kind {
        Kind::Receive => Receive { source, max: 10, wait: Span::new(0), lease: None, member: None }.into(),
        Kind::Ack => Ack { source, receipts }.into(),
        Kind::Nack => Nack { source, receipts, action: NackAction::Retry(Span::new(0)) }.into(),
        Kind::Extend => Extend { source, receipts, lease: Span::new(1000) }.into(),
        other => panic!("{other:?} settles nothing"),
    }
}

fn about_topics(kind: Kind, subject: &Subject) -> Request {
    let subscription = || followed(kind, subject);
    let page = PageRequest { limit: 1000, cursor: None };
    match kind {
        Kind::CreateTopic => CreateTopic { topic: topic(subject), settings: TopicSettings::default() }.into(),
        Kind::DescribeTopic => DescribeTopic { topic: topic(subject) }.into(),
        Kind::AlterTopic => AlterTopic { topic: topic(subject), patch: TopicPatch::default() }.into(),
        Kind::DeleteTopic => DeleteTopic { topic: topic(subject), mode: DeleteMode::IfEmpty }.into(),
        Kind::ListTopics => {
            ListTopics { namespace: NamespaceName::default(), prefix: "matrix.".to_owned(), page }.into()
        }
        Kind::TransferTopic => TransferTopic { topic: topic(subject), owner: owner(subject) }.into(),
        Kind::PublishTopic => {
            let message = TopicMessage { message: NewMessage::new("x"), partition: None };
            PublishTopic { topic: topic(subject), messages: vec![message] }.into()
        }
        Kind::ReadPartition => {
            let (partition, start, wait) = (Partition::new(0), StartAt::Earliest, Span::new(0));
            ReadPartition { topic: topic(subject), partition, start, limit: 1, wait }.into()
        }
        Kind::CreateSubscription => {
            let settings = SubscriptionSettings { kind: SubscriptionKind::shared(), start: StartAt::Latest };
            CreateSubscription { subscription: subscription(), settings }.into()
        }
        Kind::DescribeSubscription => DescribeSubscription { subscription: subscription() }.into(),
        Kind::DeleteSubscription => DeleteSubscription { subscription: subscription() }.into(),
        Kind::ListSubscriptions => ListSubscriptions { topic: topic(subject), prefix: String::new(), page }.into(),
        Kind::Commit => {
            let offset = PartitionOffset { partition: Partition::new(0), offset: Offset::new(0) };
            Commit { subscription: subscription(), member: None, offsets: vec![offset] }.into()
        }
        Kind::Seek => Seek { subscription: subscription(), to: StartAt::Earliest, partition: None }.into(),
        Kind::LeaveSubscription => {
            LeaveSubscription { subscription: subscription(), member: MemberName::parse("m").unwrap() }.into()
        }
        other => panic!("{other:?} is not about topics"),
    }
}

fn about_exchanges(kind: Kind, subject: &Subject) -> Request {
    let page = PageRequest { limit: 1000, cursor: None };
    let itself = || Binding {
        source: exchange(subject),
        destination: Destination::Exchange(exchange(subject).name),
        routing_key: RoutingKey::parse("asked").unwrap(),
        arguments: Vec::new(),
    };
    match kind {
        Kind::CreateExchange => {
            let settings = ExchangeSettings::of(ExchangeKind::Direct);
            CreateExchange { exchange: exchange(subject), settings }.into()
        }
        Kind::DescribeExchange => DescribeExchange { exchange: exchange(subject) }.into(),
        Kind::DeleteExchange => {
            DeleteExchange { exchange: exchange(subject), mode: DeleteExchangeMode::IfUnused }.into()
        }
        Kind::ListExchanges => {
            ListExchanges { namespace: NamespaceName::default(), prefix: "matrix.".to_owned(), page }.into()
        }
        Kind::PublishExchange => {
            let message = RoutedMessage { message: NewMessage::new("x"), ..RoutedMessage::default() };
            PublishExchange { exchange: exchange(subject), messages: vec![message] }.into()
        }
        Kind::Bind => Bind { binding: itself() }.into(),
        Kind::Unbind => Unbind { binding: itself() }.into(),
        Kind::ListBindings => {
            ListBindings { namespace: NamespaceName::default(), source: None, destination: None, page }.into()
        }
        other => panic!("{other:?} is not about exchanges"),
    }
}

fn about_people(person: &Person, kind: Kind, subject: &Subject) -> Request {
    match kind {
        Kind::CreateUser => {
            CreateUser { name: user(subject), password: Secret::new(PASSWORD).into(), roles: Vec::new() }.into()
        }
        Kind::AlterUser => AlterUser { name: user(subject), password: None, roles: None, disabled: None }.into(),
        Kind::DescribeUser => DescribeUser { name: user(subject) }.into(),
        Kind::DeleteUser => DeleteUser { name: user(subject) }.into(),
        Kind::ListUsers => ListUsers { prefix: String::new(), page: PageRequest::default() }.into(),
        Kind::AddGrant => {
            let (user, rights) = (user(subject), Rights::of(&[Right::Audit]));
            AddGrant { grant: Grant { user, resource: harmless("harmless"), rights, effect: Effect::Allow } }.into()
        }
        Kind::RemoveGrant => {
            RemoveGrant { user: user(subject), resource: harmless("unknown"), effect: Effect::Allow }.into()
        }
        Kind::ListGrants => ListGrants { user: named(subject) }.into(),
        Kind::CreateToken => {
            let resource =
                person.scope.as_ref().and_then(|scope| scope.patterns.first()).map(|pattern| pattern.model());
            let scope = Scope { rights: Rights::ALL, resource };
            CreateToken { label: "made".to_owned(), scope, lifetime: Span::new(600_000) }.into()
        }
        Kind::ListTokens => ListTokens { user: named(subject) }.into(),
        Kind::RevokeToken => {
            let Subject::Token(id) = subject else { panic!("{subject:?} is no token") };
            RevokeToken { id: TokenId::new(*id) }.into()
        }
        Kind::Login => Login.into(),
        Kind::Logout => Logout.into(),
        Kind::WhoAmI => WhoAmI.into(),
        Kind::CreateNamespace => CreateNamespace { name: namespace(subject) }.into(),
        Kind::DeleteNamespace => DeleteNamespace { name: namespace(subject) }.into(),
        Kind::ListNamespaces => ListNamespaces { page: PageRequest::default() }.into(),
        Kind::SetPolicy => {
            let policy = Policy {
                namespace: namespace(subject),
                name: PolicyName::parse("harmless").unwrap(),
                pattern: "^matrix\\.nothing$".to_owned(),
                target: PolicyTarget::Queues,
                priority: 0,
                settings: PolicySettings::default(),
            };
            SetPolicy { policy }.into()
        }
        Kind::DeletePolicy => {
            DeletePolicy { namespace: namespace(subject), name: PolicyName::parse("harmless").unwrap() }.into()
        }
        Kind::ListPolicies => ListPolicies { namespace: NamespaceName::default() }.into(),
        Kind::DescribeNode => DescribeNode.into(),
        other => panic!("{other:?} is not about people"),
    }
}
