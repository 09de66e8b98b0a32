//! Each operation of the table as a REST request.
//! Invariant: an operation without a request here ends the test; `grpc` is exhaustive and does not compile.
//! Asked by `matrix`.

use model::OperationKind as Kind;
use serde_json::{Value, json};

use super::people::{Person, Rule};
use super::things::{Place, Subject};
use super::{Door, subscription};
use crate::world::{Answer, Client, PASSWORD};

/// A receipt that no delivery has.
pub(crate) fn receipt() -> String {
    format!("01{}", "0".repeat(60))
}

/// Asks, and says what came back: `done` or the code.
pub(crate) fn ask(client: &mut Client, person: &Person, kind: Kind, subject: &Subject) -> (String, Answer) {
    let (method, path, body) = request(person, kind, subject);
    let answer = client.document(method, &path, &body);
    let document = if answer.body.first() == Some(&b'{') { answer.json() } else { Value::Null };
    let done = answer.status < 300 || document["results"].is_array();
    let said = if done { "done" } else { document["code"].as_str().unwrap_or("no code") };
    (said.to_owned(), answer)
}

fn request(person: &Person, kind: Kind, subject: &Subject) -> (&'static str, String, Value) {
    match subject {
        Subject::Queue(Place { namespace, name }) => {
            on_queue(kind, &format!("/v1/namespaces/{namespace}/queues/{name}"))
        }
        Subject::Topic(Place { namespace, name }) => {
            on_topic(kind, &format!("/v1/namespaces/{namespace}/topics/{name}"))
        }
        Subject::Subscription(Place { namespace, name }, start) => {
            let subscription = subscription(kind, start, Door::Rest);
            let path = format!("/v1/namespaces/{namespace}/topics/{name}/subscriptions/{subscription}");
            on_subscription(kind, &path)
        }
        Subject::Exchange(Place { namespace, name }) => on_exchange(kind, &format!("/v1/namespaces/{namespace}"), name),
        Subject::User(name) => on_user(kind, name),
        Subject::Token(id) => ("DELETE", format!("/v1/tokens/{id}"), Value::Null),
        Subject::Namespace(name) if kind == Kind::SetPolicy => {
            ("PUT", format!("/v1/namespaces/{name}/policies/harmless"), json!({"pattern": "^matrix\\.nothing$"}))
        }
        Subject::Namespace(name) if kind == Kind::DeletePolicy => {
            ("DELETE", format!("/v1/namespaces/{name}/policies/harmless"), Value::Null)
        }
        Subject::Namespace(name) => {
            let method = if kind == Kind::CreateNamespace { "PUT" } else { "DELETE" };
            (method, format!("/v1/namespaces/{name}"), Value::Null)
        }
        Subject::Broker => on_broker(kind, person),
    }
}

/// The owner there is, or anybody.
pub(crate) fn owner(path: &str) -> &str {
    if path.contains("matrix.own.") { path.rsplit('.').next().unwrap() } else { "stranger" }
}

fn on_queue(kind: Kind, path: &str) -> (&'static str, String, Value) {
    let messages = format!("{path}/messages");
    match kind {
        Kind::CreateQueue => ("PUT", path.to_owned(), Value::Null),
        Kind::DescribeQueue => ("GET", path.to_owned(), Value::Null),
        Kind::AlterQueue => ("PATCH", path.to_owned(), json!({})),
        Kind::DeleteQueue => ("DELETE", path.to_owned(), Value::Null),
        Kind::PurgeQueue => ("POST", format!("{path}/purge"), Value::Null),
        Kind::TransferQueue => ("POST", format!("{path}/transfer"), json!({"owner": owner(path)})),
        Kind::Publish => ("POST", messages, json!({"messages": [{"body": "x"}]})),
        Kind::Peek => ("GET", messages, Value::Null),
        Kind::CancelMessages => {
            ("POST", format!("{path}/cancel"), json!({"places": [{"partition": 0, "sequence": 1_000_000}]}))
        }
        Kind::Redrive => ("POST", format!("{path}/redrive"), Value::Null),
        other => settling(other, path),
    }
}

fn settling(kind: Kind, path: &str) -> (&'static str, String, Value) {
    let receipts = [receipt()];
    match kind {
        Kind::Receive => ("POST", format!("{path}/receive"), Value::Null),
        Kind::Ack => ("POST", format!("{path}/ack"), json!({"receipts": receipts})),
        Kind::Nack => ("POST", format!("{path}/nack"), json!({"receipts": receipts})),
        Kind::Extend => ("POST", format!("{path}/extend"), json!({"receipts": receipts, "lease_ms": 1000})),
        other => panic!("{other:?} is not asked for over this"),
    }
}

fn on_topic(kind: Kind, path: &str) -> (&'static str, String, Value) {
    match kind {
        Kind::CreateTopic => ("PUT", path.to_owned(), Value::Null),
        Kind::DescribeTopic => ("GET", path.to_owned(), Value::Null),
        Kind::AlterTopic => ("PATCH", path.to_owned(), json!({})),
        Kind::DeleteTopic => ("DELETE", path.to_owned(), Value::Null),
        Kind::TransferTopic => ("POST", format!("{path}/transfer"), json!({"owner": owner(path)})),
        Kind::PublishTopic => ("POST", format!("{path}/messages"), json!({"messages": [{"body": "x"}]})),
        Kind::ReadPartition => ("GET", format!("{path}/partitions/0/messages?limit=1"), Value::Null),
        Kind::CreateSubscription => ("PUT", format!("{path}/subscriptions/shared"), Value::Null),
        Kind::ListSubscriptions => ("GET", format!("{path}/subscriptions"), Value::Null),
        other => panic!("{other:?} is not asked for over a topic"),
    }
}

fn on_subscription(kind: Kind, path: &str) -> (&'static str, String, Value) {
    match kind {
        Kind::DescribeSubscription => ("GET", path.to_owned(), Value::Null),
        Kind::DeleteSubscription => ("DELETE", path.to_owned(), Value::Null),
        Kind::Commit => ("POST", format!("{path}/commit"), json!({"offsets": [{"partition": 0, "offset": 0}]})),
        Kind::Seek => ("POST", format!("{path}/seek"), json!({"to": "earliest"})),
        Kind::LeaveSubscription => ("POST", format!("{path}/leave"), json!({"member": "m"})),
        other => settling(other, path),
    }
}

fn on_exchange(kind: Kind, namespace: &str, name: &str) -> (&'static str, String, Value) {
    let path = format!("{namespace}/exchanges/{name}");
    let itself = json!({"source": name, "destination": {"kind": "exchange", "name": name}, "routing_key": "asked"});
    match kind {
        Kind::CreateExchange => ("PUT", path, json!({"kind": "direct"})),
        Kind::DescribeExchange => ("GET", path, Value::Null),
        Kind::DeleteExchange => ("DELETE", path, Value::Null),
        Kind::PublishExchange => {
            ("POST", format!("{path}/messages"), json!({"messages": [{"message": {"body": "x"}}]}))
        }
        Kind::Bind => ("POST", format!("{namespace}/bindings"), itself),
        Kind::Unbind => ("POST", format!("{namespace}/bindings/remove"), itself),
        other => panic!("{other:?} is not asked for over an exchange"),
    }
}

fn on_user(kind: Kind, name: &str) -> (&'static str, String, Value) {
    let path = format!("/v1/users/{name}");
    let harmless = json!({"kind": "queue", "name": "harmless"});
    match kind {
        Kind::CreateUser => ("PUT", path, json!({"password": PASSWORD})),
        Kind::AlterUser => ("PATCH", path, json!({})),
        Kind::DescribeUser => ("GET", path, Value::Null),
        Kind::DeleteUser => ("DELETE", path, Value::Null),
        Kind::AddGrant => {
            let grant = json!({"user": name, "resource": harmless, "rights": ["audit"]});
            ("POST", "/v1/grants".to_owned(), grant)
        }
        Kind::RemoveGrant => ("DELETE", format!("/v1/grants?user={name}&kind=queue&name=unknown"), Value::Null),
        Kind::ListGrants => ("GET", format!("/v1/grants?user={name}"), Value::Null),
        Kind::ListTokens => ("GET", format!("/v1/tokens?user={name}"), Value::Null),
        other => panic!("{other:?} is not asked for over a user"),
    }
}

fn on_broker(kind: Kind, person: &Person) -> (&'static str, String, Value) {
    let get = |path: &str| ("GET", path.to_owned(), Value::Null);
    match kind {
        Kind::ListQueues => get("/v1/queues?prefix=matrix.&limit=1000"),
        Kind::ListTopics => get("/v1/topics?prefix=matrix.&limit=1000"),
        Kind::ListExchanges => get("/v1/exchanges?prefix=matrix.&limit=1000"),
        Kind::ListBindings => get("/v1/bindings?limit=1000"),
        Kind::ListUsers => get("/v1/users"),
        Kind::ListGrants => get("/v1/grants"),
        Kind::ListTokens => get("/v1/tokens"),
        Kind::ListNamespaces => get("/v1/namespaces"),
        Kind::ListPolicies => get("/v1/policies"),
        Kind::WhoAmI => get("/v1/whoami"),
        Kind::DescribeNode => get("/v1/node"),
        Kind::CreateToken => ("POST", "/v1/tokens".to_owned(), new_token(person)),
        // A session through this door takes the password: whoever has no standing has none either.
        Kind::Login => {
            let right = person.standing == super::people::Standing::LoggedIn;
            let name = if right { person.name.as_str() } else { "no such user" };
            ("POST", "/v1/session".to_owned(), json!({"username": name, "password": PASSWORD}))
        }
        Kind::Logout => ("DELETE", "/v1/session".to_owned(), Value::Null),
        other => panic!("{other:?} is not asked for over the broker"),
    }
}

/// A token for the same things as the one that makes it.
pub(crate) fn new_token(person: &Person) -> Value {
    let resource = person.scope.as_ref().and_then(Rule::resource);
    json!({"label": "made", "lifetime_ms": 600_000, "resource": resource})
}
