//! The rows of the matrix: who asks, with which roles, grants and tokens; and the things each of them needs.
//! Invariant: a person is the only one who touches its own and its stranger's things.
//! Made once each by `matrix`; read by `rules`.

use model::access::{NamePattern, ResourceKind, ResourcePattern};
use model::name::NamespaceName;
use serde_json::{Value, json};

use super::things::{Column, Place, place, topic_place};
use crate::world::{Client, PASSWORD, World};

/// Every right.
pub(crate) const RIGHTS: [&str; 12] = [
    "create",
    "describe",
    "alter",
    "delete",
    "publish",
    "consume",
    "peek",
    "purge",
    "seek",
    "administer",
    "monitor",
    "audit",
];

const ROLES: [&str; 7] = ["admin", "operator", "developer", "publisher", "consumer", "monitor", "auditor"];

/// Whether the broker knows the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    LoggedIn,
    /// No credentials at all.
    Nobody,
    /// A token that never was one.
    Garbage,
    /// The user is disabled.
    Disabled,
    /// The token was revoked.
    Revoked,
}

/// Names of one kind, in one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    kind: &'static str,
    namespace: &'static str,
    name: String,
    prefix: bool,
}

impl Pattern {
    /// Whether a kind, namespace and name are meant.
    pub(crate) fn fits(&self, (kind, namespace, name): (&str, &str, &str)) -> bool {
        let named = if self.prefix { name.starts_with(&self.name) } else { name == self.name };
        named && kind == self.kind && namespace == self.namespace
    }

    /// As the model has it.
    pub(crate) fn model(&self) -> ResourcePattern {
        let name = self.name.clone();
        ResourcePattern {
            kind: ResourceKind::parse(self.kind).unwrap(),
            namespace: NamespaceName::parse(self.namespace).unwrap(),
            name: if self.prefix { NamePattern::Prefix(name) } else { NamePattern::Literal(name) },
        }
    }

    fn document(&self) -> Value {
        let pattern = if self.prefix { "prefix" } else { "literal" };
        json!({"kind": self.kind, "namespace": self.namespace, "name": self.name, "pattern": pattern})
    }
}

/// Some rights over some things.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) rights: Vec<&'static str>,
    /// Of a scope: at most one, and none means everything.
    pub(crate) patterns: Vec<Pattern>,
}

impl Rule {
    /// The only thing that a scope knows.
    pub(crate) fn resource(&self) -> Option<Value> {
        self.patterns.first().map(Pattern::document)
    }
}

/// Somebody who asks.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) allow: Option<Rule>,
    pub(crate) deny: Option<Rule>,
    pub(crate) scope: Option<Rule>,
}

fn person(name: String, roles: &[&'static str]) -> Person {
    let roles = roles.to_vec();
    Person { name, standing: Standing::LoggedIn, roles, allow: None, deny: None, scope: None }
}

/// Patterns that fit the own, foreign and missing things of a person by their whole names.
fn literal(name: &str) -> Vec<Pattern> {
    let named = |kind| {
        [Column::Own, Column::Foreign, Column::Missing].map(|column| {
            let Place { namespace, name } =
                if kind == "topic" { topic_place(column, name) } else { place(column, name) };
            Pattern { kind, namespace, name, prefix: false }
        })
    };
    named("queue").into_iter().chain(named("topic")).chain(named("exchange")).chain([broker(false)]).collect()
}

/// The same by how the names start.
fn prefix() -> Vec<Pattern> {
    let start = |kind| Pattern { kind, namespace: "default", name: "matrix.".to_owned(), prefix: true };
    vec![start("queue"), start("topic"), start("exchange"), broker(true)]
}

fn broker(prefix: bool) -> Pattern {
    Pattern { kind: "broker", namespace: "default", name: String::new(), prefix }
}

/// Everybody.
pub(crate) fn cast() -> Vec<Person> {
    let mut cast = vec![person("plain".to_owned(), &[])];
    cast.extend(ROLES.map(|role| person(format!("role-{role}"), &[role])));
    cast.push(person("two-roles".to_owned(), &["publisher", "consumer"]));
    for right in RIGHTS {
        let rule = |patterns| Some(Rule { rights: vec![right], patterns });
        let name = format!("literal-{right}");
        cast.push(Person { allow: rule(literal(&name)), ..person(name, &[]) });
        cast.push(Person { allow: rule(prefix()), ..person(format!("prefix-{right}"), &[]) });
        let name = format!("denied-{right}");
        cast.push(Person { deny: rule(literal(&name)), ..person(name, &[]) });
        let name = format!("denied-admin-{right}");
        cast.push(Person { deny: rule(prefix()), ..person(name, &["admin"]) });
        cast.push(Person { scope: rule(Vec::new()), ..person(format!("scoped-{right}"), &["admin"]) });
    }
    // A grant and a deny over the same things, and a scope that knows one thing or one kind only.
    let all = |patterns| Some(Rule { rights: RIGHTS.to_vec(), patterns });
    let both = person("both".to_owned(), &[]);
    cast.push(Person { allow: all(prefix()), deny: all(literal("both")), ..both });
    let narrow = person("scope-queue".to_owned(), &["admin"]);
    cast.push(Person { scope: all(literal("scope-queue").into_iter().take(1).collect()), ..narrow });
    let narrow = person("scope-topics".to_owned(), &["developer"]);
    cast.push(Person { scope: all(prefix().into_iter().skip(1).take(1).collect()), ..narrow });
    for (name, standing) in [
        ("nobody", Standing::Nobody),
        ("garbage", Standing::Garbage),
        ("disabled", Standing::Disabled),
        ("revoked", Standing::Revoked),
    ] {
        cast.push(Person { standing, ..person(name.to_owned(), &["admin"]) });
    }
    cast
}

/// The token that a person shows; the things that stand in its columns are there afterwards.
pub(crate) fn settle(world: &World, stranger: &mut Client, person: &Person) -> String {
    let name = &person.name;
    let path = format!("/v1/users/{name}");
    let mut admin = world.admin();
    // As an administrator it may make what it is to own; its roles come afterwards.
    admin.put(&path, &json!({"password": PASSWORD, "roles": ["admin"]})).ok(201);
    let mut session = world.login(name);
    furnish(&mut session, Column::Own, name);
    for column in [Column::Foreign, Column::Outside, Column::Elsewhere] {
        furnish(stranger, column, name);
    }
    subscribe(&mut session, &topic_place(Column::Foreign, name), "mine-", name);
    admin.patch(&path, &json!({"roles": person.roles})).ok(200);
    for (effect, rule) in [("allow", &person.allow), ("deny", &person.deny)] {
        let patterns = rule.iter().flat_map(|rule| rule.patterns.iter().map(move |pattern| (pattern, &rule.rights)));
        for (pattern, rights) in patterns {
            let resource = pattern.document();
            let grant = json!({"user": name, "resource": resource, "rights": rights, "effect": effect});
            admin.post("/v1/grants", &grant).ok(200);
        }
    }
    let mut request = json!({"label": "matrix", "lifetime_ms": 3_600_000});
    if let Some(scope) = &person.scope {
        request["rights"] = json!(scope.rights);
        request["resource"] = json!(scope.resource());
    }
    let made = session.post("/v1/tokens", &request).ok(201);
    match person.standing {
        Standing::LoggedIn | Standing::Nobody | Standing::Garbage => {}
        Standing::Disabled => {
            admin.patch(&path, &json!({"disabled": true})).ok(200);
        }
        Standing::Revoked => {
            let path = format!("/v1/tokens/{}", made["description"]["id"]);
            assert_eq!(session.delete(&path).status, 204);
        }
    }
    match person.standing {
        // No header can hold it, so that none is sent.
        Standing::Nobody => "\n".to_owned(),
        Standing::Garbage => format!("recado_{}", "0".repeat(43)),
        Standing::LoggedIn | Standing::Disabled | Standing::Revoked => made["token"].as_str().unwrap().to_owned(),
    }
}

/// Makes a queue that is never empty, a topic and its subscriptions, and an exchange that a binding leaves.
fn furnish(owner: &mut Client, column: Column, person: &str) {
    let (Place { namespace, name }, topic) = (place(column, person), topic_place(column, person));
    let queue = format!("/v1/namespaces/{namespace}/queues/{name}");
    owner.put(&queue, &Value::Null).ok(201);
    owner.put(&format!("/v1/namespaces/{namespace}/topics/{}", topic.name), &Value::Null).ok(201);
    subscribe(owner, &topic, "", person);
    owner.post(&format!("{queue}/messages"), &json!({"messages": [{"body": "stays"}]})).ok(201);
    owner.put(&format!("/v1/namespaces/{namespace}/exchanges/{name}"), &json!({"kind": "direct"})).ok(201);
    let itself = json!({"source": name, "destination": {"kind": "exchange", "name": name}, "routing_key": "stays"});
    owner.post(&format!("/v1/namespaces/{namespace}/bindings"), &itself).ok(201);
    let taken = owner.post(&format!("{queue}/receive"), &json!({"lease_ms": 43_200_000})).ok(200);
    assert_eq!(taken["messages"].as_array().unwrap().len(), 1, "a leased message is not purged");
}

/// A shared and a stream subscription, and one to delete through each door.
fn subscribe(owner: &mut Client, place: &Place, start: &str, person: &str) {
    let Place { namespace, name } = place;
    let path = format!("/v1/namespaces/{namespace}/topics/{name}/subscriptions/{start}");
    owner.put(&format!("{path}stream"), &json!({"kind": "stream"})).ok(201);
    for shared in ["shared", "gone-rest", "gone-grpc"] {
        owner.put(&format!("{path}{shared}"), &Value::Null).ok(201);
    }
    assert!(name.contains(person));
}
