//! Policies: settings that queues of fitting names have beside their own. Parameters of plugins there are none.
//! Invariant: nothing that would have to hold is dropped in silence: what a policy cannot do here is refused.
//! Routed by `door`.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use model::Caller;
use model::name::{NamespaceName, PolicyName};
use model::policy::{DeletePolicy, ListPolicies, Policy, PolicyTarget, SetPolicy};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Trouble, document, done, made};
use crate::body::{Fields, Object};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::{arguments, host, lists};

/// What is said to whoever wants a parameter.
pub(crate) const NO_PARAMETERS: &str = "parameters of plugins are not supported";
const NO_OPERATOR_POLICIES: &str = "operator policies are not supported: set a policy of a high priority";

pub(crate) fn routes() -> Router<Door> {
    let parameters = || get(not_there).put(no_parameter).delete(not_there);
    Router::new()
        .route("/policies", get(list))
        .route("/policies/{vhost}", get(list))
        .route("/policies/{vhost}/{name}", get(describe).put(put).delete(remove))
        .route("/operator-policies", get(none))
        .route("/operator-policies/{vhost}", get(none))
        .route("/operator-policies/{vhost}/{name}", get(not_there).put(no_operator_policy).delete(not_there))
        .route("/parameters", get(none))
        .route("/parameters/{component}", get(none))
        .route("/parameters/{component}/{vhost}", get(none))
        .route("/parameters/{component}/{vhost}/{name}", parameters())
        .route("/global-parameters", get(none))
        .route("/global-parameters/{name}", parameters())
        .route("/vhost-limits", get(none))
        .route("/vhost-limits/{vhost}", get(none))
        .route("/shovels", get(none))
        .route("/shovels/{vhost}", get(none))
        .route("/federation-links", get(none))
        .route("/federation-links/{vhost}", get(none))
        .route("/feature-flags", get(none))
        .route("/deprecated-features", get(none))
        .route("/deprecated-features/used", get(none))
}

/// A policy as RabbitMQ tells of it.
pub(crate) fn shown(policy: &Policy) -> Value {
    json!({
        "vhost": rabbit::host(&policy.namespace),
        "name": policy.name.as_str(),
        "pattern": policy.pattern,
        "apply-to": policy.target.word(),
        "priority": policy.priority,
        "definition": arguments::shown(&rabbit::shown_policy(&policy.settings)),
    })
}

/// The policies of a namespace.
pub(crate) async fn of(door: &Door, caller: &Caller, namespace: &NamespaceName) -> Result<Vec<Policy>, Trouble> {
    Ok(door.call(caller, ListPolicies { namespace: namespace.clone() }).await?.policies)
}

async fn list(State(door): State<Door>, Authenticated(caller): Authenticated, vhost: Option<Path<String>>) -> Answer {
    let mut items = Vec::new();
    for namespace in lists::hosts(&door, &caller, vhost.as_deref().map(String::as_str)).await? {
        items.extend(lists::if_there(of(&door, &caller, &namespace).await)?.iter().map(shown));
    }
    Ok(document(&Value::Array(items)))
}

async fn found(door: &Door, caller: &Caller, vhost: &str, name: &str) -> Result<Policy, Trouble> {
    let policies = of(door, caller, &host::namespace(vhost)?).await?;
    policies.into_iter().find(|policy| policy.name.as_str() == name).ok_or_else(Trouble::not_found)
}

async fn describe(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
) -> Answer {
    Ok(document(&shown(&found(&door, &caller, &vhost, &name).await?)))
}

async fn put(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
    Object(fields): Object,
) -> Answer {
    let namespace = host::namespace(&vhost)?;
    Ok(made(set(&door, &caller, &namespace, &name, &fields).await?))
}

/// Sets a policy; whether it was not there before.
pub(crate) async fn set(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    name: &str,
    fields: &Map<String, Value>,
) -> Result<bool, Trouble> {
    let name = PolicyName::parse(name)?;
    let word = fields.text("apply-to")?.unwrap_or("all");
    let target = PolicyTarget::parse(word).ok_or_else(|| {
        Trouble::bad(format!(
            "apply-to {word} is not supported: policies are for queues, classic_queues, quorum_queues, exchanges or all"
        ))
    })?;
    let priority = match fields.get("priority") {
        None | Some(Value::Null) => 0,
        Some(value) => {
            let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
            number.ok_or_else(|| Trouble::bad("priority must be a number of 32 bits"))?
        }
    };
    let policy = Policy {
        namespace: namespace.clone(),
        name: name.clone(),
        pattern: fields.needed("pattern")?.to_owned(),
        target,
        priority,
        settings: rabbit::policy_settings(&arguments::headers(fields.object("definition")?)?)?,
    };
    let there = of(door, caller, namespace).await?.iter().any(|policy| policy.name == name);
    door.patiently(caller, SetPolicy { policy }).await?;
    Ok(!there)
}

async fn remove(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
) -> Answer {
    let Policy { namespace, name, .. } = found(&door, &caller, &vhost, &name).await?;
    door.call(&caller, DeletePolicy { namespace, name }).await?;
    Ok(done())
}

async fn none(Authenticated(_): Authenticated) -> Answer {
    Ok(document(&json!([])))
}

async fn not_there(Authenticated(_): Authenticated) -> Answer {
    Err(Trouble::not_found())
}

async fn no_operator_policy(Authenticated(_): Authenticated) -> Answer {
    Err(Trouble::bad(NO_OPERATOR_POLICIES))
}

async fn no_parameter(Authenticated(_): Authenticated) -> Answer {
    Err(Trouble::bad(NO_PARAMETERS))
}
