//! The matrix of access: every operation, asked by people of every kind, over things of every kind, through REST and
//! through gRPC, and through AMQP where it has a method for it; each answer is what the rules say, at every door.
//! Invariant: what is expected comes from `cells/rules.rs`, which knows nothing of the product.
//! Changes when an operation comes or a rule of access changes.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]
#![allow(clippy::wildcard_enum_match_arm, reason = "`cells/grpc.rs` holds one match over all operations; others pick")]
#![allow(clippy::print_stderr, reason = "the number of cells is what a reader of the output wants")]

mod cells;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use model::OperationKind;
use model::operation::Response;
use serde_json::{Value, json};

use cells::people::{self, Person, Standing};
use cells::things::{self, Column, Subject, Thing};
use cells::{Door, amqp as through_amqp, grpc as through_grpc, rest, rules};
use world::{Amqp, Client, Grpc, PASSWORD, Report, Shape, World, texts};

/// People who ask at the same time.
const LANES: usize = 12;

#[test]
fn every_operation_has_a_row() {
    let rows: Vec<_> = rules::rows().collect();
    for operation in OperationKind::ALL {
        assert!(rows.iter().any(|(name, _)| *name == operation.name()), "no rule says who may do {}", operation.name());
    }
    for (name, _) in rows {
        assert!(OperationKind::ALL.iter().any(|operation| operation.name() == name), "{name} is no operation");
    }
}

#[test]
fn everybody_gets_what_the_rules_say_through_every_door() {
    let world = World::new(Shape::Serve);
    let _report = Report(&world);
    let started = Instant::now();
    world.admin().put(&format!("/v1/namespaces/{}", things::ELSEWHERE), &Value::Null).ok(201);
    let stranger = json!({"password": PASSWORD, "roles": ["developer"]});
    world.admin().put("/v1/users/stranger", &stranger).ok(201);
    let stranger = world.login("stranger");
    let grpc = world.through_grpc(&world.admin());

    let cast = people::cast();
    let (next, cells, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(person) = cast.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut stranger = stranger.clone();
                    let token = people::settle(&world, &mut stranger, person);
                    let client = match person.standing {
                        Standing::Nobody => world.nobody(),
                        _ => world.nobody().with_token(&token),
                    };
                    let amqp = amqp_of(&world, person, &token);
                    let mut row = Row { world: &world, person, token, client, stranger, grpc: &grpc, amqp };
                    let (asked, differ) = row.ask_everything();
                    cells.fetch_add(asked, Ordering::Relaxed);
                    wrong.lock().unwrap().extend(differ);
                }
            });
        }
    });
    let (cells, wrong) = (cells.into_inner(), wrong.into_inner().unwrap());
    eprintln!("{cells} cells of {} people in {} ms", cast.len(), started.elapsed().as_millis());
    assert!(wrong.is_empty(), "{} of {cells} cells differ from the rules:\n{}", wrong.len(), wrong.join("\n"));
}

/// Everything that one person asks.
struct Row<'a> {
    world: &'a World,
    person: &'a Person,
    token: String,
    client: Client,
    stranger: Client,
    grpc: &'a Grpc,
    /// The connection that the token opened; nobody else has one.
    amqp: Option<Amqp>,
}

/// A connection by a token in the place of the password, for those who are let in.
fn amqp_of(world: &World, person: &Person, token: &str) -> Option<Amqp> {
    let opened = Amqp::open(world.amqp_door(), &person.name, token);
    if person.standing == Standing::LoggedIn {
        return Some(opened.unwrap());
    }
    assert_eq!(opened.err().map(|closed| closed.code), Some(403), "{} is let in", person.name);
    None
}

impl Row<'_> {
    /// How many cells there were, and the ones that differ.
    fn ask_everything(&mut self) -> (usize, Vec<String>) {
        let (mut asked, mut differ, mut turn) = (0, Vec::new(), false);
        for (name, over) in rules::rows() {
            let operation = *OperationKind::ALL.iter().find(|operation| operation.name() == name).unwrap();
            for thing in things::of(over, self.person) {
                if !asked_for(operation, self.person, &thing) {
                    continue;
                }
                let expected = rules::expected(name, self.person, &thing);
                // Where a thing lies matters before any door does: these columns take the doors in turn.
                turn = !turn;
                let doors: &[Door] = match (is_far(&thing), turn) {
                    (false, _) => &[Door::Rest, Door::Grpc],
                    (true, false) => &[Door::Rest],
                    (true, true) => &[Door::Grpc],
                };
                for &door in doors {
                    asked += 1;
                    let said = self.ask(operation, &thing, door, expected);
                    if said != expected {
                        let Thing { column, subject, .. } = &thing;
                        let person = &self.person.name;
                        differ
                            .push(format!("{person}: {name} {column:?} {subject:?} {door:?}: {said}, not {expected}"));
                    }
                }
                if let Some((said, expected)) = self.ask_amqp(operation, &thing, expected) {
                    asked += 1;
                    if said != expected {
                        let (column, person) = (thing.column, &self.person.name);
                        differ.push(format!(
                            "{person}: {name} {column:?} {:?} Amqp: {said}, not {expected}",
                            thing.subject
                        ));
                    }
                }
            }
        }
        (asked, differ)
    }

    fn ask(&mut self, operation: OperationKind, thing: &Thing, door: Door, expected: &str) -> String {
        let subject = self.prepared(operation, thing, expected);
        let own = (self.token.clone(), self.client.clone());
        if operation == OperationKind::Logout && self.person.standing == Standing::LoggedIn {
            let made = self.client.post("/v1/tokens", &rest::new_token(self.person)).ok(201);
            self.token = made["token"].as_str().unwrap().to_owned();
            self.client = self.client.with_token(&self.token);
        }
        let said = match door {
            Door::Rest => {
                let (said, answer) = rest::ask(&mut self.client, self.person, operation, &subject);
                if said == "done"
                    && matches!(
                        operation,
                        OperationKind::ListQueues | OperationKind::ListTopics | OperationKind::ListExchanges
                    )
                {
                    self.shows(operation, &texts(&answer.json()["items"], "name"));
                }
                said
            }
            Door::Grpc => {
                let client = self.grpc.with_token(&self.token);
                let (said, answer) = through_grpc::ask(&client, self.person, operation, &subject);
                self.shows(operation, &listed(answer.ok()));
                said
            }
        };
        if operation == OperationKind::Logout {
            (self.token, self.client) = own;
        }
        self.undo(operation, &subject, &said);
        said
    }

    /// Asks over AMQP what it has a method for: what it said, and what it should have.
    fn ask_amqp(&mut self, operation: OperationKind, thing: &Thing, by_rules: &str) -> Option<(String, &'static str)> {
        let amqp = self.amqp.as_mut()?;
        let expected = through_amqp::expected(operation, self.person, thing, by_rules)?;
        let said = through_amqp::ask(amqp, operation, &thing.subject)?;
        self.undo(operation, &thing.subject, &said);
        Some((said, expected))
    }

    /// What is asked for: users and tokens to do away with are made when somebody may.
    fn prepared(&mut self, operation: OperationKind, thing: &Thing, expected: &str) -> Subject {
        let subject = thing.subject.clone();
        if operation == OperationKind::DeleteUser && thing.there && expected == "done" {
            let name = format!("victim.{}", self.person.name);
            self.world.admin().put(&format!("/v1/users/{name}"), &json!({"password": PASSWORD})).ok(201);
            return Subject::User(name);
        }
        if operation == OperationKind::RevokeToken && thing.there {
            let owner = if thing.mine { &mut self.client } else { &mut self.stranger };
            let request = if thing.mine { rest::new_token(self.person) } else { rest::new_token(&people::cast()[0]) };
            let made = owner.post("/v1/tokens", &request).json();
            return Subject::Token(made["description"]["id"].as_u64().unwrap_or(1));
        }
        subject
    }

    /// Takes away what was made, so that it is missing again.
    fn undo(&self, operation: OperationKind, subject: &Subject, said: &str) {
        let made = match operation {
            OperationKind::CreateQueue => "queue",
            OperationKind::CreateTopic => "topic",
            OperationKind::CreateExchange => "exchange",
            OperationKind::CreateUser => "user",
            OperationKind::CreateNamespace => "namespace",
            _ => return,
        };
        let path = match subject {
            Subject::Queue(place) | Subject::Topic(place) | Subject::Exchange(place)
                if place.name.contains(".missing.") =>
            {
                format!("/v1/{made}s/{}?force=true", place.name)
            }
            Subject::User(name) | Subject::Namespace(name) if name.starts_with("missing.") => {
                format!("/v1/{made}s/{name}")
            }
            _ => return,
        };
        if said == "done" {
            let status = self.world.admin().delete(&path).status;
            assert!([200, 204].contains(&status), "{path}: {status}");
        }
    }

    /// A list shows what may be described and nothing else.
    fn shows(&self, operation: OperationKind, names: &[String]) {
        let over = match operation {
            OperationKind::ListQueues => "queue",
            OperationKind::ListTopics => "topic",
            OperationKind::ListExchanges => "exchange",
            _ => return,
        };
        for thing in things::of(over, self.person) {
            if let (
                Column::Own | Column::Foreign,
                Subject::Queue(place) | Subject::Topic(place) | Subject::Exchange(place),
            ) = (thing.column, &thing.subject)
            {
                let may = self.person.standing == Standing::LoggedIn && rules::may(self.person, "describe", &thing);
                assert_eq!(names.contains(&place.name), may, "{} {operation:?} {}", self.person.name, place.name);
            }
        }
    }
}

fn listed(answer: Option<Response>) -> Vec<String> {
    match answer {
        Some(Response::ListQueues(page)) => page.items.iter().map(|item| item.queue.name.to_string()).collect(),
        Some(Response::ListExchanges(page)) => {
            page.items.iter().map(|item| item.exchange.name.as_str().to_owned()).collect()
        }
        Some(Response::ListTopics(page)) => page.items.iter().map(|item| item.topic.name.to_string()).collect(),
        _ => Vec::new(),
    }
}

/// Whether a thing lies where no grant of this test reaches.
fn is_far(thing: &Thing) -> bool {
    [Column::Outside, Column::MissingOutside, Column::Elsewhere, Column::Nowhere].contains(&thing.column)
}

/// Whether a cell tells something: a user that deleted itself would be missing in what follows, and the place of a
/// thing matters only to grants and to roles that are not narrowed.
fn asked_for(operation: OperationKind, person: &Person, thing: &Thing) -> bool {
    let narrowed = person.deny.is_some() || person.scope.as_ref().is_some_and(|scope| scope.patterns.is_empty());
    let near = person.standing != Standing::LoggedIn || narrowed && person.roles == ["admin"];
    !(operation == OperationKind::DeleteUser && thing.mine || is_far(thing) && near)
}
