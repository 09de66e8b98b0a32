//! Users and their tags, which are the roles of the broker by RabbitMQ's names.
//! Invariant: no hash of a password is shown; one that another broker exported may be set.
//! Routed by `door`; tests below.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use model::access::{
    AlterUser, CreateUser, DeleteUser, DescribeUser, ImportedHash, NewPassword, Role, UserDescription, WhoAmI,
};
use model::name::UserName;
use model::{Caller, Failure, Refusal, Secret};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Trouble, document, done, made};
use crate::body::{Fields, Object};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::paging::Paging;
use crate::{lists, permissions};

/// The role that has all rights, and its tag.
const ADMINISTRATOR: &str = "administrator";
/// The role that sees metrics and nodes, and its tag.
const MONITORING: &str = "monitoring";

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/whoami", get(who_am_i))
        .route("/users", get(list))
        .route("/users/without-permissions", get(without_permissions))
        .route("/users/bulk-delete", post(remove_many))
        .route("/users/{name}", get(describe).put(put).delete(remove))
        .route("/user-limits", get(no_limits))
        .route("/user-limits/{name}", get(no_limits))
}

fn tag(role: Role) -> &'static str {
    match role {
        Role::Admin => ADMINISTRATOR,
        Role::Monitor => MONITORING,
        Role::Operator | Role::Developer | Role::Publisher | Role::Consumer | Role::Auditor => role.word(),
    }
}

/// The role of a tag; tags that say nothing of rights here have none.
fn role(tag: &str) -> Option<Role> {
    match tag {
        ADMINISTRATOR => Some(Role::Admin),
        MONITORING => Some(Role::Monitor),
        // Their words are tags of their own.
        "admin" | "monitor" => None,
        word => Role::parse(word),
    }
}

/// A user as RabbitMQ tells of it.
pub(crate) fn shown(user: &UserDescription) -> Value {
    json!({
        "name": user.name.as_str(),
        "password_hash": "",
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": user.roles.iter().map(|role| tag(*role)).collect::<Vec<_>>(),
        "limits": {},
    })
}

async fn who_am_i(State(door): State<Door>, Authenticated(caller): Authenticated) -> Answer {
    let user = door.call(&caller, WhoAmI).await?;
    let tags: Vec<_> = user.roles.iter().map(|role| tag(*role)).collect();
    Ok(document(&json!({"name": user.name.as_str(), "tags": tags, "is_internal_user": true})))
}

async fn list(State(door): State<Door>, Authenticated(caller): Authenticated, paging: Paging) -> Answer {
    let users = lists::users(&door, &caller).await?;
    let items = users.iter().filter(|user| paging.wants(user.name.as_str())).map(shown).collect();
    Ok(document(&paging.cut(items, users.len())?))
}

async fn without_permissions(State(door): State<Door>, Authenticated(caller): Authenticated) -> Answer {
    let permissions = permissions::of_grants(&lists::grants(&door, &caller, None).await?);
    let users = lists::users(&door, &caller).await?;
    let none = users.iter().filter(|user| !permissions.keys().any(|(name, _)| *name == user.name));
    Ok(document(&Value::Array(none.map(shown).collect())))
}

fn named(name: &str) -> Result<UserName, Trouble> {
    UserName::parse(name).map_err(|_| Trouble::not_found())
}

async fn describe(State(door): State<Door>, Authenticated(caller): Authenticated, Path(name): Path<String>) -> Answer {
    Ok(document(&shown(&door.call(&caller, DescribeUser { name: named(&name)? }).await?)))
}

async fn put(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(name): Path<String>,
    Object(fields): Object,
) -> Answer {
    Ok(made(set(&door, &caller, &name, &fields).await?))
}

/// Makes or changes a user; whether it was not there before.
pub(crate) async fn set(
    door: &Door,
    caller: &Caller,
    name: &str,
    fields: &Map<String, Value>,
) -> Result<bool, Trouble> {
    let name = UserName::parse(name)?;
    let roles = roles(fields)?;
    let password = password(fields)?;
    match door.ask(caller, DescribeUser { name: name.clone() }).await {
        Ok(_) => {
            let change = AlterUser { name, password, roles: Some(roles), disabled: None };
            door.patiently(caller, change).await?;
            Ok(false)
        }
        Err(Failure::Refused(Refusal::UserNotFound { .. })) => {
            let password = password.unwrap_or_else(|| NewPassword::Imported(ImportedHash::nobodys()));
            door.patiently(caller, CreateUser { name, password, roles }).await?;
            Ok(true)
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The roles of the tags: a list, or text with commas.
fn roles(fields: &Map<String, Value>) -> Result<Vec<Role>, Trouble> {
    let wrong = || Trouble::bad("tags must be a list of texts, or a text with commas");
    let tags: Vec<&str> = match fields.get("tags").or_else(|| fields.get("administrator")) {
        None => return Err(Trouble::bad("key_missing: tags")),
        Some(Value::String(text)) => text.split(',').map(str::trim).collect(),
        Some(Value::Array(items)) => items.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?,
        Some(_) => return Err(wrong()),
    };
    let mut roles: Vec<Role> = tags.into_iter().filter_map(role).collect();
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

/// The password, or what RabbitMQ keeps of one.
fn password(fields: &Map<String, Value>) -> Result<Option<NewPassword>, Trouble> {
    if let Some(text) = fields.text("password")?.filter(|text| !text.is_empty()) {
        return Ok(Some(NewPassword::Text(Secret::new(text))));
    }
    let Some(hash) = fields.text("password_hash")?.filter(|hash| !hash.is_empty()) else { return Ok(None) };
    let imported = match fields.text("hashing_algorithm")?.unwrap_or("rabbit_password_hashing_sha256") {
        "rabbit_password_hashing_sha256" => ImportedHash::sha256(hash),
        "rabbit_password_hashing_sha512" => ImportedHash::sha512(hash),
        other => return Err(Trouble::bad(format!("passwords hashed by {other} cannot be taken over"))),
    };
    Ok(Some(NewPassword::Imported(imported?)))
}

async fn remove(State(door): State<Door>, Authenticated(caller): Authenticated, Path(name): Path<String>) -> Answer {
    door.call(&caller, DeleteUser { name: named(&name)? }).await?;
    Ok(done())
}

async fn remove_many(State(door): State<Door>, Authenticated(caller): Authenticated, Object(fields): Object) -> Answer {
    let wrong = || Trouble::bad("users must be a list of names");
    let names = fields.get("users").and_then(Value::as_array).ok_or_else(wrong)?;
    for name in names {
        let name = named(name.as_str().ok_or_else(wrong)?)?;
        match door.patiently(&caller, DeleteUser { name }).await {
            Ok(_) | Err(Failure::Refused(Refusal::UserNotFound { .. })) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(done())
}

async fn no_limits(Authenticated(_): Authenticated) -> Answer {
    Ok(document(&json!([])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_tag_that_leads_back_to_it() {
        for one in Role::ALL {
            assert_eq!(role(tag(one)), Some(one));
        }
        for tag in ["management", "policymaker", "admin", "", "anything"] {
            assert_eq!(role(tag), None, "{tag}");
        }
    }

    fn read(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("tests give objects") };
        fields
    }

    #[test]
    fn tags_come_as_a_list_or_as_text() {
        for tags in [json!("administrator, management"), json!(["administrator", "x"]), json!("administrator")] {
            assert_eq!(roles(&read(json!({"tags": tags}))), Ok(vec![Role::Admin]));
        }
        assert_eq!(roles(&read(json!({"tags": ""}))), Ok(Vec::new()));
        for wrong in [json!({}), json!({"tags": 1}), json!({"tags": [1]})] {
            assert!(roles(&read(wrong)).is_err());
        }
    }
}
