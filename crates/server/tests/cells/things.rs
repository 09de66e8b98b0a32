//! The columns of the matrix: things of one's own, of a stranger, in other places, and missing ones.
//! Invariant: nothing that a cell does takes a thing away that another cell needs.
//! Made by `people` for each person; read by `rules`, `rest` and `grpc`.

use super::people::Person;

/// The namespace that is not `default`.
pub(crate) const ELSEWHERE: &str = "elsewhere";

/// How a thing stands to the person who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// The person owns it; on users and tokens, it is the person or the person's.
    Own,
    /// A stranger owns it; grants over it exist, by its name and by how it starts.
    Foreign,
    /// A subscription that the person owns, of a topic that a stranger owns.
    MineOfForeign,
    /// There is none, and grants fit its name.
    Missing,
    /// The topic is there, the subscription is not.
    MissingOfForeign,
    /// A stranger owns it, and no grant fits its name.
    Outside,
    /// There is none, and no grant fits its name.
    MissingOutside,
    /// A stranger owns it; of the same name as the foreign one, in another namespace.
    Elsewhere,
    /// In a namespace that is not there.
    Nowhere,
    /// The topic of the system.
    AuditLog,
    /// The broker itself.
    Broker,
}

/// A namespace and a name there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) namespace: &'static str,
    pub(crate) name: String,
}

/// What an operation is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Queue(Place),
    Topic(Place),
    /// A topic, and how the names of its subscriptions start.
    Subscription(Place, &'static str),
    Exchange(Place),
    User(String),
    Token(u64),
    Namespace(String),
    Broker,
}

impl Subject {
    /// The word for it in the table.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Topic(_) => "topic",
            Self::Subscription(..) => "subscription",
            Self::Exchange(_) => "exchange",
            Self::User(_) => "user",
            Self::Token(_) => "token",
            Self::Namespace(_) => "namespace",
            Self::Broker => "broker",
        }
    }
}

/// One thing in one column.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) column: Column,
    pub(crate) subject: Subject,
    /// Whether it exists.
    pub(crate) there: bool,
    /// Whether the person owns it, or is it.
    pub(crate) mine: bool,
}

/// The names in `default` and `elsewhere` that stand for a column, for one person.
pub(crate) fn place(column: Column, person: &str) -> Place {
    let of = |namespace, start: &str| Place { namespace, name: format!("{start}.{person}") };
    match column {
        Column::Own => of("default", "matrix.own"),
        Column::Foreign | Column::MineOfForeign | Column::MissingOfForeign => of("default", "matrix.foreign"),
        Column::Missing => of("default", "matrix.missing"),
        Column::Outside => of("default", "other.foreign"),
        Column::MissingOutside => of("default", "other.missing"),
        Column::Elsewhere => of(ELSEWHERE, "matrix.foreign"),
        Column::Nowhere => of("nowhere", "matrix.foreign"),
        Column::AuditLog => Place { namespace: "$system", name: "$audit".to_owned() },
        Column::Broker => Place { namespace: "default", name: String::new() },
    }
}

/// The same for topics: they have names of their own, since AMQP takes a queue for what has the name of one.
pub(crate) fn topic_place(column: Column, person: &str) -> Place {
    match column {
        Column::AuditLog | Column::Broker => place(column, person),
        _ => place(column, &format!("topic.{person}")),
    }
}

const THERE: [Column; 4] = [Column::Own, Column::Foreign, Column::Outside, Column::Elsewhere];
const NOT_THERE: [Column; 3] = [Column::Missing, Column::MissingOutside, Column::Nowhere];

/// Everything that operations over `word` are asked for.
pub(crate) fn of(word: &str, person: &Person) -> Vec<Thing> {
    let name = &person.name;
    let thing = |column, subject, there| Thing { column, subject, there, mine: column == Column::Own };
    let columns = || THERE.map(|column| (column, true)).into_iter().chain(NOT_THERE.map(|column| (column, false)));
    match word {
        "queue" => columns().map(|(column, there)| thing(column, Subject::Queue(place(column, name)), there)).collect(),
        "exchange" => {
            columns().map(|(column, there)| thing(column, Subject::Exchange(place(column, name)), there)).collect()
        }
        "topic" => columns()
            .chain([(Column::AuditLog, true)])
            .map(|(column, there)| thing(column, Subject::Topic(topic_place(column, name)), there))
            .collect(),
        "subscription" => columns()
            .chain([(Column::MineOfForeign, true), (Column::MissingOfForeign, false)])
            .map(|(column, there)| {
                let start = match column {
                    Column::MineOfForeign => "mine-",
                    Column::MissingOfForeign => "missing-",
                    _ => "",
                };
                thing(column, Subject::Subscription(topic_place(column, name), start), there)
            })
            .collect(),
        "user" => vec![
            thing(Column::Own, Subject::User(name.clone()), true),
            thing(Column::Foreign, Subject::User("stranger".to_owned()), true),
            thing(Column::Missing, Subject::User(format!("missing.{name}")), false),
        ],
        // The ids of the first two are drawn when they are needed.
        "token" => vec![
            thing(Column::Own, Subject::Token(0), true),
            thing(Column::Foreign, Subject::Token(0), true),
            thing(Column::Missing, Subject::Token(u64::MAX), false),
        ],
        "namespace" => vec![
            thing(Column::Foreign, Subject::Namespace(ELSEWHERE.to_owned()), true),
            thing(Column::Missing, Subject::Namespace(format!("missing.{name}")), false),
        ],
        "broker" => vec![thing(Column::Broker, Subject::Broker, true)],
        other => panic!("{other} stands in no column"),
    }
}
