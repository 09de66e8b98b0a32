//! Permissions: RabbitMQ's three patterns of a user in a virtual host, as grants over the queues, topics and exchanges there.
//!
//! *configure* is to create, alter and delete, *write* to publish, *read* to consume, look, purge and bind from.
//! A grant goes by a name or by how names start; of regular expressions those are taken that say just this.
//! Invariant: what is set is what is shown again; an expression that says more is refused, never widened.
//! Routed by `door`; tests below.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use model::Caller;
use model::access::{
    AddGrant, DescribeUser, Effect, Grant, NamePattern, RemoveGrant, ResourceKind, ResourcePattern, Right, Rights,
};
use model::name::{NamespaceName, UserName};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Trouble, document, done, made};
use crate::body::{Fields, Object};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::limits::ALTERNATIVES_MAX;
use crate::{host, lists};

const CONFIGURE: Rights = Rights::of(&[Right::Create, Right::Alter, Right::Delete]);
const WRITE: Rights = Rights::of(&[Right::Publish]);
const READ: Rights = Rights::of(&[Right::Consume, Right::Peek, Right::Purge]);
/// Who may make or read a thing may see it.
const SEE: Rights = Rights::of(&[Right::Describe]);
/// What the patterns speak of.
const KINDS: [ResourceKind; 3] = [ResourceKind::Queue, ResourceKind::Topic, ResourceKind::Exchange];

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/permissions", get(list))
        .route("/permissions/{vhost}/{user}", get(describe).put(put).delete(remove))
        .route("/vhosts/{name}/permissions", get(list_in))
        .route("/users/{name}/permissions", get(list_of))
        .route("/topic-permissions", get(none))
        .route("/topic-permissions/{vhost}/{user}", get(none))
        .route("/vhosts/{name}/topic-permissions", get(none))
        .route("/users/{name}/topic-permissions", get(none))
}

/// Which rights hold over which names.
type Patterns = BTreeMap<NamePattern, Rights>;

/// The permissions that grants amount to: those that hold over queues, topics and exchanges alike.
pub(crate) fn of_grants(grants: &[Grant]) -> BTreeMap<(UserName, NamespaceName), Patterns> {
    let mut found: BTreeMap<(UserName, NamespaceName), BTreeMap<NamePattern, [Rights; 3]>> = BTreeMap::new();
    for grant in grants.iter().filter(|grant| grant.effect == Effect::Allow) {
        let Some(place) = KINDS.iter().position(|kind| *kind == grant.resource.kind) else { continue };
        let whose = (grant.user.clone(), grant.resource.namespace.clone());
        let patterns = found.entry(whose).or_default();
        patterns.entry(grant.resource.name.clone()).or_insert([Rights::NONE; 3])[place] = grant.rights;
    }
    let mut permissions = BTreeMap::new();
    for (whose, patterns) in found {
        let common = |[one, two, three]: [Rights; 3]| one.intersection(two).intersection(three);
        let patterns = patterns.into_iter().map(|(name, rights)| (name, common(rights)));
        let patterns: Patterns = patterns.filter(|(_, rights)| says_something(*rights)).collect();
        if !patterns.is_empty() {
            permissions.insert(whose, patterns);
        }
    }
    permissions
}

fn holds(rights: Rights, class: Rights) -> bool {
    rights.intersection(class) == class
}

fn says_something(rights: Rights) -> bool {
    [CONFIGURE, WRITE, READ].into_iter().any(|class| holds(rights, class))
}

/// Permissions as RabbitMQ tells of them.
pub(crate) fn shown(user: &UserName, namespace: &NamespaceName, patterns: &Patterns) -> Value {
    let expression = |class| {
        let names = patterns.iter().filter(|(_, rights)| holds(**rights, class)).map(|(name, _)| name);
        expression_of(&names.collect::<Vec<_>>())
    };
    json!({
        "user": user.as_str(),
        "vhost": rabbit::host(namespace),
        "configure": expression(CONFIGURE),
        "write": expression(WRITE),
        "read": expression(READ),
    })
}

async fn listed(
    door: &Door,
    caller: &Caller,
    user: Option<&UserName>,
    namespace: Option<&NamespaceName>,
) -> Result<Vec<Value>, Trouble> {
    let permissions = of_grants(&lists::grants(door, caller, user).await?);
    let wanted = permissions.iter().filter(|((_, place), _)| namespace.is_none_or(|wanted| wanted == place));
    Ok(wanted.map(|((user, place), patterns)| shown(user, place, patterns)).collect())
}

async fn list(State(door): State<Door>, Authenticated(caller): Authenticated) -> Answer {
    Ok(document(&Value::Array(listed(&door, &caller, None, None).await?)))
}

async fn list_in(State(door): State<Door>, Authenticated(caller): Authenticated, Path(vhost): Path<String>) -> Answer {
    let namespace = host::namespace(&vhost)?;
    lists::hosts(&door, &caller, Some(&vhost)).await?;
    Ok(document(&Value::Array(listed(&door, &caller, None, Some(&namespace)).await?)))
}

fn user_named(name: &str) -> Result<UserName, Trouble> {
    UserName::parse(name).map_err(|_| Trouble::not_found())
}

async fn list_of(State(door): State<Door>, Authenticated(caller): Authenticated, Path(user): Path<String>) -> Answer {
    let name = user_named(&user)?;
    door.call(&caller, DescribeUser { name: name.clone() }).await?;
    Ok(document(&Value::Array(listed(&door, &caller, Some(&name), None).await?)))
}

async fn describe(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, user)): Path<(String, String)>,
) -> Answer {
    let (namespace, user) = (host::namespace(&vhost)?, user_named(&user)?);
    let found = listed(&door, &caller, Some(&user), Some(&namespace)).await?;
    found.first().map(document).ok_or_else(Trouble::not_found)
}

async fn put(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, user)): Path<(String, String)>,
    Object(fields): Object,
) -> Answer {
    let namespace = host::namespace(&vhost)?;
    lists::hosts(&door, &caller, Some(&vhost)).await?;
    Ok(made(set(&door, &caller, &namespace, &user, &fields).await?))
}

/// Sets the permissions of a user; whether it had none there before.
pub(crate) async fn set(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    user: &str,
    fields: &Map<String, Value>,
) -> Result<bool, Trouble> {
    let user = UserName::parse(user)?;
    let mut wanted = Patterns::new();
    for (field, class) in [("configure", CONFIGURE.union(SEE)), ("write", WRITE), ("read", READ.union(SEE))] {
        for name in names_of(field, fields.needed(field)?)? {
            let rights = wanted.entry(name).or_default();
            *rights = rights.union(class);
        }
    }
    let before = own_grants(door, caller, &user, namespace).await?;
    // What is to hold holds first: nobody is without rights in between.
    for (name, rights) in &wanted {
        for kind in KINDS {
            let resource = ResourcePattern { kind, namespace: namespace.clone(), name: name.clone() };
            let grant = Grant { user: user.clone(), resource, rights: *rights, effect: Effect::Allow };
            if !before.contains(&grant) {
                door.patiently(caller, AddGrant { grant }).await?;
            }
        }
    }
    for grant in before.iter().filter(|grant| !wanted.contains_key(&grant.resource.name)) {
        take(door, caller, grant).await?;
    }
    Ok(before.is_empty())
}

async fn take(door: &Door, caller: &Caller, grant: &Grant) -> Result<(), Trouble> {
    let Grant { user, resource, effect, .. } = grant.clone();
    door.patiently(caller, RemoveGrant { user, resource, effect }).await?;
    Ok(())
}

/// The grants that permissions are made of.
async fn own_grants(
    door: &Door,
    caller: &Caller,
    user: &UserName,
    namespace: &NamespaceName,
) -> Result<Vec<Grant>, Trouble> {
    let mut grants = lists::grants(door, caller, Some(user)).await?;
    grants.retain(|grant| {
        grant.effect == Effect::Allow && grant.resource.namespace == *namespace && KINDS.contains(&grant.resource.kind)
    });
    Ok(grants)
}

async fn remove(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, user)): Path<(String, String)>,
) -> Answer {
    let (namespace, user) = (host::namespace(&vhost)?, user_named(&user)?);
    let grants = own_grants(&door, &caller, &user, &namespace).await?;
    if grants.is_empty() {
        return Err(Trouble::not_found());
    }
    for grant in &grants {
        take(&door, &caller, grant).await?;
    }
    Ok(done())
}

/// Topic permissions, which do not exist here.
async fn none(Authenticated(_): Authenticated) -> Answer {
    Ok(document(&json!([])))
}

/// The names that an expression means.
fn names_of(field: &str, expression: &str) -> Result<BTreeSet<NamePattern>, Trouble> {
    let refused = || {
        Trouble::bad(format!(
            "{field} = {expression:?} is not taken: names and how they start are, such as ^orders$, ^orders.*, \
             ^(orders|bills.*)$, .* for all and ^$ for none"
        ))
    };
    if matches!(expression, "" | "^$") {
        return Ok(BTreeSet::new());
    }
    if matches!(expression, ".*" | "^.*" | ".*$" | "^.*$") {
        return Ok(BTreeSet::from([NamePattern::Prefix(String::new())]));
    }
    let body = expression.strip_prefix('^').ok_or_else(refused)?;
    let (body, is_whole) = body.strip_suffix('$').map_or((body, false), |body| (body, true));
    let (body, is_whole) = match body.strip_prefix('(').map(|inner| inner.strip_prefix("?:").unwrap_or(inner)) {
        Some(inner) if inner.ends_with(").*") => (inner.trim_end_matches(").*"), false),
        Some(inner) => (inner.strip_suffix(')').ok_or_else(refused)?, is_whole),
        // A bar outside brackets would cut the anchors off one side.
        None if body.contains('|') => return Err(refused()),
        None => (body, is_whole),
    };
    let alternatives: Vec<&str> = body.split('|').collect();
    if alternatives.len() > ALTERNATIVES_MAX {
        return Err(Trouble::bad(format!("{field} has more than {ALTERNATIVES_MAX} alternatives")));
    }
    alternatives.into_iter().map(|text| name_of(text, is_whole).ok_or_else(refused)).collect()
}

/// The names of one alternative.
fn name_of(text: &str, is_whole: bool) -> Option<NamePattern> {
    let (text, is_prefix) = text.strip_suffix(".*").map_or((text, !is_whole), |text| (text, true));
    let mut name = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => name.push(characters.next().filter(|escaped| !escaped.is_ascii_alphanumeric())?),
            // A point stands for itself, as whoever writes it means.
            '*' | '+' | '?' | '[' | ']' | '(' | ')' | '{' | '}' | '^' | '$' | '|' => return None,
            plain => name.push(plain),
        }
    }
    Some(if is_prefix { NamePattern::Prefix(name) } else { NamePattern::Literal(name) })
}

/// The expression that means these names.
fn expression_of(names: &[&NamePattern]) -> String {
    let alternative = |name: &&NamePattern| match name {
        NamePattern::Literal(text) => escaped(text),
        NamePattern::Prefix(text) => format!("{}.*", escaped(text)),
    };
    match names {
        [] => "^$".to_owned(),
        all if all.iter().any(|name| **name == NamePattern::Prefix(String::new())) => ".*".to_owned(),
        [one] => format!("^{}$", alternative(one)),
        many => format!("^({})$", many.iter().map(alternative).collect::<Vec<_>>().join("|")),
    }
}

fn escaped(text: &str) -> String {
    let mut expression = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '.' | '+' | '$') {
            expression.push('\\');
        }
        expression.push(character);
    }
    expression
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> NamePattern {
        NamePattern::Literal(text.to_owned())
    }

    fn prefix(text: &str) -> NamePattern {
        NamePattern::Prefix(text.to_owned())
    }

    #[test]
    fn expressions_that_name_names_are_read() {
        for (expression, expected) in [
            ("", vec![]),
            ("^$", vec![]),
            (".*", vec![prefix("")]),
            ("^orders$", vec![literal("orders")]),
            ("^orders", vec![prefix("orders")]),
            ("^orders.*", vec![prefix("orders")]),
            ("^amq\\.gen-.*$", vec![prefix("amq.gen-")]),
            ("^(orders|bills.*)$", vec![literal("orders"), prefix("bills")]),
            ("^(?:a|b)$", vec![literal("a"), literal("b")]),
            ("^(a|b).*", vec![prefix("a"), prefix("b")]),
        ] {
            assert_eq!(names_of("read", expression), Ok(expected.into_iter().collect()), "{expression}");
        }
        for expression in ["orders", "^[ab]$", "^a+$", "^a|b$", "^(a", "^a\\d$", "(a|b)", "^a.*b$"] {
            assert!(names_of("read", expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn what_is_shown_is_read_as_it_was_meant() {
        for names in [
            vec![],
            vec![prefix("")],
            vec![literal("a.b+c")],
            vec![prefix("$x")],
            vec![literal("a"), literal("b"), prefix("c.")],
        ] {
            let names: BTreeSet<NamePattern> = names.into_iter().collect();
            let expression = expression_of(&names.iter().collect::<Vec<_>>());
            assert_eq!(names_of("write", &expression), Ok(names), "{expression}");
        }
    }
}
