//! A running Recado for tests: the real binary with a folder of its own, and clients of its doors.
//! Invariants: processes end with the world; names from `World::name` are never used twice, so tests share one.
//! Used by every suite of this folder.

#![allow(clippy::unwrap_used, dead_code, unused_imports, reason = "each test uses a part, and stops at the impossible")]

mod amqp;
mod grpc;
mod http;
mod node;
mod nodes;
mod process;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use amqp::{Amqp, Came, Closed, Confirmed, connect, short};
pub(crate) use grpc::{Grpc, Stream};
pub(crate) use http::{Answer, Client, Event, Events};
pub(crate) use node::Node;
use nodes::Nodes;
pub(crate) use process::Process;

/// Longest wait for anything that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The administrator's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// What stands between clients and the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One process with all doors.
    Serve,
    /// A gateway in front of a broker.
    Gateway,
    /// A gateway in front of three nodes, of which one that does not lead is killed and started again every ten seconds.
    Harmed,
}

/// What keeps the messages.
enum Brokers {
    One(Process),
    Three(Nodes),
}

/// A running system.
pub(crate) struct World {
    gateway: Option<Process>,
    brokers: Brokers,
    shape: Shape,
    http: SocketAddr,
    admin: Client,
    // Last: the folder goes after the processes.
    home: TempDir,
}

static SHARED: Mutex<Vec<(Shape, Weak<World>)>> = Mutex::new(Vec::new());
static NAMES: AtomicU64 = AtomicU64::new(1);

impl World {
    /// A world of one's own.
    pub(crate) fn new(shape: Shape) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        let mut world = Self::of(home, shape);
        world.admin = world.login("admin");
        world
    }

    /// What starts in a folder; its administrator is not logged in.
    fn of(home: TempDir, shape: Shape) -> Self {
        let (brokers, gateway) = start(&home, shape);
        let mut world = Self { gateway, brokers, shape, http: NOWHERE, admin: Client::nobody(NOWHERE), home };
        world.http = world.front().http.unwrap();
        world.admin = world.nobody();
        world
    }

    /// A broker without administrator, and its claim token.
    pub(crate) fn unclaimed() -> (Self, String) {
        let world = Self::of(tempfile::tempdir().unwrap(), Shape::Serve);
        let claim = world.broker().claim.clone().unwrap();
        (world, claim)
    }

    /// The only broker.
    fn broker(&self) -> &Process {
        match &self.brokers {
            Brokers::One(broker) => broker,
            Brokers::Three(_) => panic!("there are three"),
        }
    }

    fn broker_mut(&mut self) -> &mut Process {
        match &mut self.brokers {
            Brokers::One(broker) => broker,
            Brokers::Three(_) => panic!("there are three"),
        }
    }

    /// Where clients go.
    fn front(&self) -> &Process {
        self.gateway.as_ref().unwrap_or_else(|| self.broker())
    }

    /// The world that tests running at the same time share.
    pub(crate) fn shared(shape: Shape) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = shared.iter().find(|(known, _)| *known == shape).and_then(|(_, world)| world.upgrade()) {
            return world;
        }
        let world = Arc::new(Self::new(shape));
        shared.retain(|(known, _)| *known != shape);
        shared.push((shape, Arc::downgrade(&world)));
        world
    }

    /// What stands between clients and the broker.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// A name that nobody else uses.
    pub(crate) fn name(&self, about: &str) -> String {
        format!("{about}-{}", NAMES.fetch_add(1, Ordering::Relaxed))
    }

    /// The administrator.
    pub(crate) fn admin(&self) -> Client {
        self.admin.clone()
    }

    /// Somebody without credentials.
    pub(crate) fn nobody(&self) -> Client {
        Client::nobody(self.http)
    }

    /// A new user with these roles, logged in; and its name.
    pub(crate) fn user(&self, roles: &[&str]) -> (Client, String) {
        let name = self.name("user");
        self.admin().put(&format!("/v1/users/{name}"), &json!({"password": PASSWORD, "roles": roles})).ok(201);
        (self.login(&name), name)
    }

    /// A session of a user.
    pub(crate) fn login(&self, name: &str) -> Client {
        self.nobody().with_token(&login(&self.nobody(), name, PASSWORD))
    }

    /// Gives a user rights by a grant over things that start with `name`, or are it.
    pub(crate) fn grant(&self, user: &str, kind: &str, pattern: &str, name: &str, rights: &[&str]) {
        let resource = json!({"kind": kind, "name": name, "pattern": pattern});
        self.admin().post("/v1/grants", &json!({"user": user, "resource": resource, "rights": rights})).ok(200);
    }

    /// The gRPC door that clients use.
    pub(crate) fn grpc_door(&self) -> String {
        format!("http://{}", self.front().grpc.unwrap())
    }

    /// The AMQP door that clients use.
    pub(crate) fn amqp_door(&self) -> SocketAddr {
        self.front().amqp.unwrap()
    }

    /// The same client at the management API.
    pub(crate) fn management(&self, client: &Client) -> Client {
        client.at(self.front().management.unwrap())
    }

    /// A connection of a user to the AMQP door.
    pub(crate) fn through_amqp(&self, user: &str) -> Amqp {
        Amqp::open(self.amqp_door(), user, PASSWORD).unwrap()
    }

    /// The gRPC door of the broker itself.
    pub(crate) fn grpc(&self) -> String {
        format!("http://{}", self.broker().grpc.unwrap())
    }

    /// A client of the gRPC door that shows the token of another client.
    pub(crate) fn through_grpc(&self, client: &Client) -> Grpc {
        Grpc::new(&self.grpc_door(), client.token())
    }

    /// Where the broker keeps its files.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Asks every process to end; each must, with success.
    pub(crate) fn stop(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            gateway.terminate();
            gateway.ended_well();
        }
        self.broker().terminate();
        self.broker_mut().ended_well();
    }

    /// Asks the broker to end, without waiting for it.
    pub(crate) fn terminate(&self) {
        self.broker().terminate();
    }

    /// Waits for the end of the broker, which must be a success.
    pub(crate) fn ended_well(&mut self) {
        self.broker_mut().ended_well();
    }

    /// Takes the broker's life at once.
    pub(crate) fn kill(&mut self) {
        self.broker_mut().kill();
    }

    /// Starts again on the same folder; how long it took until it serves.
    pub(crate) fn start_again(&mut self) -> Duration {
        let started = Instant::now();
        (self.brokers, self.gateway) = start(&self.home, self.shape);
        self.http = self.front().http.unwrap();
        let took = started.elapsed();
        self.admin = self.admin.at(self.http);
        took
    }

    /// What the processes said on standard error.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.home.path().join(name)).unwrap_or_default();
        ["broker.log", "node-0.log", "node-1.log", "node-2.log", "gateway.log"].map(read).concat()
    }
}

/// Says what the processes said, when the test that holds it fails.
pub(crate) struct Report<'a>(pub(crate) &'a World);

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::io::Write::write_all(&mut std::io::stderr(), self.0.log().as_bytes()).unwrap();
        }
    }
}

/// No address yet.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn start(home: &TempDir, shape: Shape) -> (Brokers, Option<Process>) {
    let brokers = match shape {
        Shape::Harmed => Brokers::Three(Nodes::start(home.path())),
        Shape::Serve | Shape::Gateway => Brokers::One(start_broker(home, shape)),
    };
    let urls = match &brokers {
        Brokers::One(_) if shape == Shape::Serve => return (brokers, None),
        Brokers::One(broker) => format!("http://{}", broker.grpc.unwrap()),
        Brokers::Three(nodes) => nodes.brokers.clone(),
    };
    let free = "127.0.0.1:0";
    let mut words = vec!["gateway", "--brokers", &urls, "--http", free, "--grpc", free, "--amqp", free];
    words.extend(["--management", free, "--log", "warn"]);
    let gateway = Process::start(home.path(), "gateway.log", &words);
    (brokers, Some(gateway))
}

fn start_broker(home: &TempDir, shape: Shape) -> Process {
    let data = home.path().join("data");
    let password = home.path().join("password");
    let (data, password) = (data.to_str().unwrap(), password.to_str().unwrap());
    let role = if shape == Shape::Serve { "serve" } else { "broker" };
    let door = if shape == Shape::Serve { "127.0.0.1:0" } else { "none" };
    let mut words =
        vec![role, "--data", data, "--grpc", "127.0.0.1:0", "--http", door, "--amqp", door, "--management", door];
    words.extend(["--log", "warn"]);
    if home.path().join("password").exists() {
        words.extend(["--admin-password-file", password]);
    }
    Process::start(home.path(), "broker.log", &words)
}

fn login(nobody: &Client, user: &str, password: &str) -> String {
    let session = nobody.clone().post("/v1/session", &json!({"username": user, "password": password})).ok(201);
    session["token"].as_str().unwrap().to_owned()
}

/// Asks again until something is seen; fails when it never is.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = seen() {
            return found;
        }
        assert!(Instant::now() < deadline, "never seen: {what}");
    }
}

/// The field of each item.
pub(crate) fn fields(items: &Value, field: &str) -> Vec<Value> {
    items.as_array().unwrap().iter().map(|item| item[field].clone()).collect()
}

/// The text field of each item.
pub(crate) fn texts(items: &Value, field: &str) -> Vec<String> {
    fields(items, field).iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}
