//! Definitions on their way in: each thing is declared, in the order in which they need each other.
//! Invariant: what is there stays as it is, as with RabbitMQ; what cannot be had stops the import and is named.
//! Called by `definitions`.

use axum::extract::{Path, State};
use model::Caller;
use model::name::NamespaceName;
use serde_json::{Map, Value};

use crate::answer::{Answer, Trouble, done};
use crate::body::{Fields, Object};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::policies::NO_PARAMETERS;
use crate::{bindings, exchanges, host, lists, permissions, policies, queues, users, vhosts};

type Thing = Map<String, Value>;

/// Takes the definitions of a whole broker.
pub(crate) async fn whole(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Object(fields): Object,
) -> Answer {
    refuse_unknown(&fields)?;
    for vhost in fields.objects("vhosts")? {
        let name = vhost.needed("name")?;
        told("vhost", name, vhosts::created(&door, &caller, name).await)?;
    }
    for user in fields.objects("users")? {
        let name = user.needed("name")?;
        told("user", name, users::set(&door, &caller, name, user).await)?;
    }
    for permission in fields.objects("permissions")? {
        let (name, namespace) = (permission.needed("user")?, host_of(permission)?);
        told("permission of", name, permissions::set(&door, &caller, &namespace, name, permission).await)?;
    }
    things(&door, &caller, &fields, None).await?;
    Ok(done())
}

/// Takes the definitions of one virtual host.
pub(crate) async fn part(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(vhost): Path<String>,
    Object(fields): Object,
) -> Answer {
    refuse_unknown(&fields)?;
    lists::hosts(&door, &caller, Some(&vhost)).await?;
    let namespace = host::namespace(&vhost)?;
    things(&door, &caller, &fields, Some(&namespace)).await?;
    Ok(done())
}

/// Refuses what would have to hold and cannot.
fn refuse_unknown(fields: &Thing) -> Result<(), Trouble> {
    let refused = [("parameters", NO_PARAMETERS), ("topic_permissions", "topic permissions are not supported")];
    for (name, reason) in refused {
        if !fields.objects(name)?.is_empty() {
            return Err(Trouble::bad(format!("{name}: {reason}; take them out of the definitions to import the rest")));
        }
    }
    Ok(())
}

fn host_of(thing: &Thing) -> Result<NamespaceName, Trouble> {
    let vhost = thing.needed("vhost")?;
    rabbit::namespace(vhost).ok_or_else(|| Trouble::bad(format!("there can be no vhost {vhost:?}")))
}

/// Says which thing it was that could not be had.
fn told<T>(kind: &str, name: &str, outcome: Result<T, Trouble>) -> Result<T, Trouble> {
    outcome.map_err(|trouble| Trouble::bad(format!("{kind} '{name}': {}", trouble.reason())))
}

/// Takes policies, exchanges, queues and bindings.
async fn things(door: &Door, caller: &Caller, fields: &Thing, only: Option<&NamespaceName>) -> Result<(), Trouble> {
    let place = |thing: &Thing| only.map_or_else(|| host_of(thing), |namespace| Ok(namespace.clone()));
    for policy in fields.objects("policies")? {
        let (name, namespace) = (policy.needed("name")?, place(policy)?);
        told("policy", name, policies::set(door, caller, &namespace, name, policy).await)?;
    }
    for exchange in fields.objects("exchanges")? {
        let (name, namespace) = (exchange.needed("name")?, place(exchange)?);
        // What is there stays as it is.
        if exchanges::is_there(door, caller, &namespace, name).await {
            continue;
        }
        told("exchange", name, exchanges::declared(door, caller, &namespace, name, exchange).await)?;
    }
    for queue in fields.objects("queues")? {
        let (name, namespace) = (queue.needed("name")?, place(queue)?);
        if queues::is_there(door, caller, &namespace, name).await {
            continue;
        }
        told("queue", name, queues::declared(door, caller, &namespace, name, queue).await)?;
    }
    for binding in fields.objects("bindings")? {
        // The default exchange's are there by themselves.
        if binding.text("source")?.is_none_or(str::is_empty) {
            continue;
        }
        let (name, namespace) = (binding.needed("destination")?, place(binding)?);
        told("binding to", name, bindings::bound(door, caller, &namespace, binding).await)?;
    }
    Ok(())
}
