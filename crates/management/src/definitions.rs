//! Definitions: everything that is declared, in one document, as RabbitMQ exports it.
//! Invariant: what is exported can be imported again, here and into RabbitMQ; passwords are not in it.
//! Routed by `door`; taken in by `import`.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use model::Caller;
use model::name::NamespaceName;
use model::queue::Life;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Trouble, document};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::overview::{CLUSTER, VERSION};
use crate::{bindings, exchanges, import, lists, permissions, policies, queues, streams, users, vhosts};

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/definitions", get(export).post(import::whole))
        .route("/definitions/{vhost}", get(export_in).post(import::part))
}

async fn export(State(door): State<Door>, Authenticated(caller): Authenticated) -> Answer {
    let users = lists::users(&door, &caller).await?;
    let mut namespaces = Vec::new();
    let mut things = Things::default();
    for namespace in lists::namespaces(&door, &caller).await? {
        // One that went since it was listed is in no part of the document.
        if let Some(held) = lists::if_there(Things::of(&door, &caller, &namespace, WithHost::Yes).await.map(Some))? {
            things.add(held);
            namespaces.push(namespace);
        }
    }
    let grants = permissions::of_grants(&lists::grants(&door, &caller, None).await?);
    let permissions = grants.iter().map(|((user, place), patterns)| permissions::shown(user, place, patterns));
    let mut fields = head();
    fields.insert("users".to_owned(), users.iter().map(users::shown).collect());
    fields.insert("vhosts".to_owned(), namespaces.iter().map(|name| host(&door, name)).collect());
    fields.insert("permissions".to_owned(), permissions.collect());
    fields.insert("topic_permissions".to_owned(), json!([]));
    fields.insert("global_parameters".to_owned(), json!([{"name": "cluster_name", "value": CLUSTER}]));
    fields.extend(things.fields());
    Ok(document(&Value::Object(fields)))
}

async fn export_in(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(vhost): Path<String>,
) -> Answer {
    let found = lists::hosts(&door, &caller, Some(&vhost)).await?;
    let namespace = found.first().ok_or_else(Trouble::not_found)?;
    let things = Things::of(&door, &caller, namespace, WithHost::No).await?;
    let mut fields = head();
    fields.insert("metadata".to_owned(), json!({"description": "", "tags": []}));
    fields.extend(things.fields());
    Ok(document(&Value::Object(fields)))
}

fn head() -> Map<String, Value> {
    let fields = [
        ("rabbit_version", VERSION),
        ("rabbitmq_version", VERSION),
        ("product_name", "RabbitMQ"),
        ("product_version", VERSION),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

fn host(door: &Door, namespace: &NamespaceName) -> Value {
    only(&vhosts::shown(door, namespace), &["name", "description", "tags", "metadata", "default_queue_type"])
}

/// Whether each thing says in which virtual host it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WithHost {
    Yes,
    No,
}

/// What virtual hosts hold.
#[derive(Default)]
struct Things {
    queues: Vec<Value>,
    policies: Vec<Value>,
    exchanges: Vec<Value>,
    bindings: Vec<Value>,
}

impl Things {
    /// What one virtual host holds.
    async fn of(door: &Door, caller: &Caller, namespace: &NamespaceName, with: WithHost) -> Result<Self, Trouble> {
        let cut = |value: &Value, names: &[&str]| {
            let mut kept = only(value, names);
            if let (WithHost::No, Some(fields)) = (with, kept.as_object_mut()) {
                fields.remove("vhost");
            }
            kept
        };
        let policy_fields = ["vhost", "name", "pattern", "apply-to", "priority", "definition"];
        let policies = policies::of(door, caller, namespace).await?;
        let policies = policies.iter().map(|policy| cut(&policies::shown(policy), &policy_fields)).collect();
        let queue_fields = ["name", "vhost", "type", "durable", "auto_delete", "arguments"];
        let all = lists::queues(door, caller, namespace).await?;
        // What goes with a connection is nobody's to declare.
        let lasting = all.iter().filter(|queue| !matches!(queue.settings.life, Life::Exclusive { .. }));
        let mut queues: Vec<Value> = lasting.map(|queue| cut(&queues::shown(door, queue), &queue_fields)).collect();
        let streams = lists::streams(door, caller, namespace, &all).await?;
        queues.extend(streams.iter().map(|stream| cut(&streams::shown(door, stream), &queue_fields)));
        let exchange_fields = ["name", "vhost", "type", "durable", "auto_delete", "internal", "arguments"];
        let exchanges = lists::exchanges(door, caller, namespace).await?;
        let own = exchanges.iter().filter(|exchange| !exchange.exchange.name.is_reserved());
        let exchanges = own.map(|exchange| cut(&exchanges::shown(exchange), &exchange_fields)).collect();
        let binding_fields = ["source", "vhost", "destination", "destination_type", "routing_key", "arguments"];
        let bindings = lists::bindings(door, caller, namespace, None, None).await?;
        let bindings = bindings.iter().map(|binding| cut(&bindings::shown(binding), &binding_fields)).collect();
        Ok(Self { queues, policies, exchanges, bindings })
    }

    fn add(&mut self, more: Self) {
        let Self { queues, policies, exchanges, bindings } = more;
        self.queues.extend(queues);
        self.policies.extend(policies);
        self.exchanges.extend(exchanges);
        self.bindings.extend(bindings);
    }

    fn fields(self) -> Map<String, Value> {
        let fields = [
            ("parameters", Vec::new()),
            ("policies", self.policies),
            ("queues", self.queues),
            ("exchanges", self.exchanges),
            ("bindings", self.bindings),
        ];
        fields.into_iter().map(|(name, items)| (name.to_owned(), Value::Array(items))).collect()
    }
}

fn only(value: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), value[*name].clone())).collect::<Map<_, _>>().into()
}
