//! RabbitMQ's HTTP API: what its tools do with it, and that it allows nothing that another door would not.
//! Invariant: what is made here is seen over AMQP and REST, and the other way round.
//! Run by `doors.rs` and `gateway.rs`; the tools themselves run in the suites of `.ci`.

use amqp::codec::class::queue;
use amqp::codec::{Table, Value as Field};
use serde_json::{Value, json};

use crate::world::{Amqp, Client, PASSWORD, World, eventually, short, texts};

/// Every test of this file.
macro_rules! management_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, management:
            what_is_declared_here_is_there_over_amqp,
            a_slash_at_the_end_of_a_path_says_nothing,
            lists_have_pages_names_and_an_end,
            lists_stand_while_virtual_hosts_come_and_go,
            bindings_are_named_by_their_properties_key,
            messages_are_published_and_got,
            permissions_are_grants,
            nobody_does_more_here_than_elsewhere,
            definitions_come_back_as_they_went_out,
            what_cannot_be_had_stops_an_import,
            a_password_that_rabbitmq_hashed_logs_in,
            the_broker_is_told_of_in_rabbitmqs_names,
            checks_say_what_is_open,
            a_stream_is_a_topic,
            connections_are_seen_and_closed,
            a_policy_stands_beside_what_queues_say,
            a_policy_lets_queues_expire_and_catches_what_no_binding_fits,
        );
    };
}

pub(crate) use management_suite;

/// RabbitMQ's own example: the hash of `test12`.
const RABBIT_HASH: &str = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";

fn admin(world: &World) -> Client {
    world.management(&world.admin())
}

/// A virtual host of one's own.
fn host(world: &World) -> String {
    let name = world.name("host");
    admin(world).put(&format!("/api/vhosts/{name}"), &json!({})).ok(201);
    name
}

fn names(list: &Value) -> Vec<String> {
    texts(list, "name")
}

pub(crate) fn what_is_declared_here_is_there_over_amqp(world: &World) {
    let mut api = admin(world);
    let name = world.name("jobs/of all");
    let path = format!("/api/queues/%2F/{}", name.replace('/', "%2F").replace(' ', "%20"));
    let body =
        json!({"durable": true, "auto_delete": false, "arguments": {"x-max-length": 7, "x-queue-type": "quorum"}});
    api.put(&path, &body).ok(201);
    api.put(&path, &body).ok(204);
    let differs = api.put(&path, &json!({"durable": true, "arguments": {"x-max-length": 8}})).ok(400);
    assert_eq!(differs["error"], "bad_request");
    let shown = api.get(&path).ok(200);
    assert_eq!((&shown["type"], &shown["vhost"], &shown["state"]), (&json!("quorum"), &json!("/"), &json!("running")));
    assert_eq!(shown["arguments"]["x-max-length"], 7);
    // A client chooses the width of its numbers; it is the same queue.
    let mut amqp = world.through_amqp("admin");
    let arguments: Table =
        [("x-max-length", Field::U8(7)), ("x-queue-type", Field::text("quorum"))].into_iter().collect();
    let declare = queue::Declare { queue: short(&name), durable: true, arguments, ..queue::Declare::default() };
    assert!(amqp.call(declare).is_ok());
    api.delete(&format!("{path}?if-empty=true")).ok(204);
    api.delete(&path).ok(404);
    api.get(&path).ok(404);
    api.put("/api/queues/%2F/amq.mine", &json!({})).ok(400);
    api.put(&path, &json!({"arguments": {"x-overflow": "spill"}})).ok(400);
    assert_eq!(api.put("/api/queues/nowhere/q", &json!({})).ok(404)["error"], "Object Not Found");
}

pub(crate) fn a_slash_at_the_end_of_a_path_says_nothing(world: &World) {
    let mut api = admin(world);
    assert_eq!(api.get("/api/whoami/").ok(200), api.get("/api/whoami").ok(200));
    assert_eq!(api.get("/api/vhosts/?page=1&page_size=1").ok(200)["page_size"], 1);
    assert_eq!(api.get("/api/vhosts/%2F/").ok(200)["name"], "/");
    api.get("/").ok(404);
}

pub(crate) fn lists_have_pages_names_and_an_end(world: &World) {
    let (mut api, host) = (admin(world), host(world));
    for number in 1..=5 {
        api.put(&format!("/api/queues/{host}/q{number}"), &json!({})).ok(201);
    }
    assert_eq!(names(&api.get(&format!("/api/queues/{host}")).ok(200)), ["q1", "q2", "q3", "q4", "q5"]);
    let page = api.get(&format!("/api/queues/{host}?page=2&page_size=2")).ok(200);
    assert_eq!(
        (&page["page_count"], &page["total_count"], names(&page["items"])),
        (&json!(3), &json!(5), vec!["q3".to_owned(), "q4".to_owned()])
    );
    let fitting = api.get(&format!("/api/queues/{host}?page=1&name=%5Eq%5B12%5D%24&use_regex=true")).ok(200);
    assert_eq!((&fitting["filtered_count"], &fitting["total_count"]), (&json!(2), &json!(5)));
    assert_eq!(names(&api.get(&format!("/api/queues/{host}?name=Q5")).ok(200)), ["q5"]);
    api.get(&format!("/api/queues/{host}?page=4&page_size=2")).ok(400);
    api.get(&format!("/api/queues/{host}?page=1&page_size=501")).ok(400);
    api.get("/api/queues/nowhere").ok(404);
    api.delete(&format!("/api/vhosts/{host}")).ok(204);
    api.get(&format!("/api/vhosts/{host}")).ok(404);
}

pub(crate) fn lists_stand_while_virtual_hosts_come_and_go(world: &World) {
    const ROUNDS: usize = 25;
    let names: Vec<String> = (0..ROUNDS).map(|_| world.name("passing")).collect();
    std::thread::scope(|scope| {
        let passing = scope.spawn(|| {
            let mut api = admin(world);
            for name in &names {
                api.put(&format!("/api/vhosts/{name}"), &json!({})).ok(201);
                api.put(&format!("/api/queues/{name}/inbox"), &json!({})).ok(201);
                api.delete(&format!("/api/vhosts/{name}")).ok(204);
            }
        });
        let mut api = admin(world);
        while !passing.is_finished() {
            for list in ["definitions", "policies", "queues", "exchanges", "bindings", "permissions", "overview"] {
                api.get(&format!("/api/{list}")).ok(200);
            }
        }
    });
}

pub(crate) fn bindings_are_named_by_their_properties_key(world: &World) {
    let (mut api, host) = (admin(world), host(world));
    api.put(&format!("/api/exchanges/{host}/events"), &json!({"type": "topic"})).ok(201);
    api.put(&format!("/api/exchanges/{host}/all"), &json!({"type": "fanout"})).ok(201);
    api.put(&format!("/api/queues/{host}/inbox"), &json!({})).ok(201);
    let path = format!("/api/bindings/{host}/e/events/q/inbox");
    let made = api.post(&path, &json!({"routing_key": "a.#"}));
    assert_eq!((made.status, made.header("location")), (201, Some("inbox/a.%2523")));
    api.post(&path, &json!({"arguments": {"n": 1}})).ok(201);
    api.post(&format!("/api/bindings/{host}/e/events/e/all"), &json!({"routing_key": "b"})).ok(201);
    let keys = texts(&api.get(&path).ok(200), "properties_key");
    assert_eq!(keys.len(), 2);
    let with_arguments = keys.iter().find(|key| key.starts_with('~')).unwrap();
    let shown = api.get(&format!("{path}/{with_arguments}")).ok(200);
    assert_eq!((&shown["arguments"], &shown["destination_type"]), (&json!({"n": 1}), &json!("queue")));
    let of_queue = api.get(&format!("/api/queues/{host}/inbox/bindings")).ok(200);
    assert_eq!(texts(&of_queue, "source"), ["", "events", "events"], "the default exchange's is among them");
    let from = api.get(&format!("/api/exchanges/{host}/events/bindings/source")).ok(200);
    assert_eq!(from.as_array().unwrap().len(), 3);
    let to = api.get(&format!("/api/exchanges/{host}/all/bindings/destination")).ok(200);
    assert_eq!(texts(&to, "routing_key"), ["b"]);
    // As it is shown, encoded once more on its way.
    api.delete(&format!("{path}/a.%2523")).ok(204);
    api.delete(&format!("{path}/a.%2523")).ok(404);
    api.delete(&format!("{path}/{with_arguments}")).ok(204);
    assert_eq!(api.get(&path).ok(200), json!([]));
    api.post(&format!("/api/bindings/{host}/e/nothing/q/inbox"), &json!({})).ok(404);
    api.post(&format!("/api/bindings/{host}/e/events/q/nothing"), &json!({})).ok(404);
    api.delete(&format!("/api/exchanges/{host}/events?if-unused=true")).ok(400);
    api.delete(&format!("/api/exchanges/{host}/events")).ok(204);
}

pub(crate) fn messages_are_published_and_got(world: &World) {
    let (mut api, host) = (admin(world), host(world));
    api.put(&format!("/api/queues/{host}/inbox"), &json!({})).ok(201);
    let publish = format!("/api/exchanges/{host}/amq.default/publish");
    let properties = json!({"delivery_mode": 2, "headers": {"n": 1}, "type": "order", "priority": 0});
    let text =
        json!({"routing_key": "inbox", "payload": "one", "payload_encoding": "string", "properties": properties});
    assert_eq!(api.post(&publish, &text).ok(200), json!({"routed": true}));
    let bytes = json!({"routing_key": "inbox", "payload": "/w==", "payload_encoding": "base64", "properties": {}});
    assert_eq!(api.post(&publish, &bytes).ok(200), json!({"routed": true}));
    let nowhere = json!({"routing_key": "nothing", "payload": "", "payload_encoding": "string", "properties": {}});
    assert_eq!(api.post(&publish, &nowhere).ok(200), json!({"routed": false}));
    let get = format!("/api/queues/{host}/inbox/get");
    let ask = |count: u32, mode: &str| json!({"count": count, "ackmode": mode, "encoding": "auto", "truncate": 2});
    let looked = api.post(&get, &ask(1, "ack_requeue_true")).ok(200);
    assert_eq!((&looked[0]["payload"], &looked[0]["payload_bytes"]), (&json!("on"), &json!(3)));
    let got = api.post(&get, &ask(5, "ack_requeue_false")).ok(200);
    assert_eq!(texts(&got, "payload_encoding"), ["string", "base64"]);
    assert_eq!((&got[0]["redelivered"], &got[1]["redelivered"]), (&json!(true), &json!(false)));
    assert_eq!((&got[0]["message_count"], &got[1]["message_count"]), (&json!(1), &json!(0)));
    let kept = &got[0]["properties"];
    assert_eq!((&kept["headers"]["n"], &kept["type"], &kept["delivery_mode"]), (&json!(1), &json!("order"), &json!(2)));
    assert_eq!(api.post(&get, &ask(1, "ack_requeue_false")).ok(200), json!([]));
    api.post(&publish, &text).ok(200);
    api.delete(&format!("/api/queues/{host}/inbox/contents")).ok(204);
    assert_eq!(api.get(&format!("/api/queues/{host}/inbox")).ok(200)["messages"], 0);
    api.post(&get, &json!({"count": 0})).ok(400);
    api.post(&get, &json!({"count": 1, "ackmode": "keep"})).ok(400);
    api.post(&format!("/api/exchanges/{host}/nothing/publish"), &text).ok(404);
    assert_eq!(api.get(&format!("/api/aliveness-test/{host}")).ok(200), json!({"status": "ok"}));
}

pub(crate) fn permissions_are_grants(world: &World) {
    let (mut api, host) = (admin(world), host(world));
    let (mut person, name) = world.user(&[]);
    let path = format!("/api/permissions/{host}/{name}");
    api.get(&path).ok(404);
    let all = json!({"configure": "^mine.*$", "write": ".*", "read": "^(shared|mine.*)$"});
    api.put(&path, &all).ok(201);
    api.put(&path, &all).ok(204);
    let shown = api.get(&path).ok(200);
    assert_eq!(
        (&shown["configure"], &shown["write"], &shown["read"]),
        (&all["configure"], &all["write"], &all["read"])
    );
    assert_eq!(api.get(&format!("/api/users/{name}/permissions")).ok(200), json!([shown]));
    assert_eq!(api.get(&format!("/api/vhosts/{host}/permissions")).ok(200), json!([shown]));
    let queues = format!("/v1/namespaces/{host}/queues");
    person.put(&format!("{queues}/mine-1"), &Value::Null).ok(201);
    person.put(&format!("{queues}/shared"), &Value::Null).refused(403, "forbidden");
    world.admin().put(&format!("{queues}/shared"), &Value::Null).ok(201);
    person.get(&format!("{queues}/shared")).ok(200);
    let none = json!({"configure": "^$", "write": "", "read": "^shared$"});
    api.put(&path, &none).ok(204);
    person.put(&format!("{queues}/mine-2"), &Value::Null).refused(403, "forbidden");
    for wrong in ["[a-z]+", "^a|b$", "orders"] {
        let refused = json!({"configure": wrong, "write": "", "read": ""});
        assert!(api.put(&path, &refused).ok(400)["reason"].as_str().unwrap().contains("configure"));
    }
    assert_eq!(api.get(&path).ok(200)["read"], "^shared$", "what is refused changes nothing");
    api.delete(&path).ok(204);
    api.delete(&path).ok(404);
    person.get(&format!("{queues}/shared")).refused(403, "forbidden");
}

pub(crate) fn nobody_does_more_here_than_elsewhere(world: &World) {
    let (person, name) = world.user(&[]);
    let mut person = world.management(&person);
    let mut nobody = world.management(&world.nobody());
    let asked = nobody.get("/api/overview");
    assert_eq!((asked.status, asked.header("www-authenticate").is_some()), (401, true));
    assert_eq!(nobody.get("/api/definitions").ok(401)["error"], "not_authorized");
    assert_eq!(person.get("/api/whoami").ok(200), json!({"name": name, "tags": [], "is_internal_user": true}));
    for path in ["/api/users", "/api/definitions", "/api/nodes", "/metrics", "/api/users/admin"] {
        assert_eq!(person.get(path).ok(401)["error"], "not_authorized", "{path}");
    }
    assert_eq!(person.put("/api/queues/%2F/theirs", &json!({})).ok(401)["error"], "not_authorized");
    person.put("/api/users/other", &json!({"password": PASSWORD, "tags": ""})).ok(401);
    person.put("/api/vhosts/other", &json!({})).ok(401);
    person
        .put(&format!("/api/permissions/%2F/{name}"), &json!({"configure": ".*", "write": ".*", "read": ".*"}))
        .ok(401);
    person.post("/api/definitions", &json!({"vhosts": [{"name": "other"}]})).ok(400);
    assert_eq!(person.get("/api/queues").ok(200), json!([]), "who may see nothing sees an empty list");
    // A page of another site asks with the password that the browser remembers.
    let foreign = [("origin", "https://elsewhere.example"), ("content-type", "text/plain")];
    let mut api = admin(world);
    assert_eq!(api.send("POST", "/api/definitions", &foreign, b"{}").status, 401);
    assert_eq!(api.send("GET", "/api/whoami", &foreign, b"").status, 200);
    let basic = "Basic YWRtaW46Y29ycmVjdCBob3JzZSBiYXR0ZXJ5";
    nobody.with_authorization(basic).get("/api/whoami").ok(200);
    nobody.with_authorization("Basic YWRtaW46d3Jvbmc=").get("/api/whoami").ok(401);
}

pub(crate) fn definitions_come_back_as_they_went_out(world: &World) {
    let (mut api, host) = (admin(world), host(world));
    api.put(
        &format!("/api/exchanges/{host}/events"),
        &json!({"type": "topic", "arguments": {"alternate-exchange": "x"}}),
    )
    .ok(201);
    api.put(
        &format!("/api/queues/{host}/inbox"),
        &json!({"arguments": {"x-message-ttl": 60000, "x-dead-letter-exchange": "events"}}),
    )
    .ok(201);
    api.put(&format!("/api/queues/{host}/log"), &json!({"arguments": {"x-queue-type": "stream", "x-max-age": "7D"}}))
        .ok(201);
    api.post(&format!("/api/bindings/{host}/e/events/q/inbox"), &json!({"routing_key": "a.#", "arguments": {"n": 1}}))
        .ok(201);
    api.post(&format!("/api/bindings/{host}/e/events/q/log"), &json!({"routing_key": "#"})).ok(201);
    let name = world.name("worker");
    api.put(&format!("/api/users/{name}"), &json!({"password": PASSWORD, "tags": "monitoring"})).ok(201);
    api.put(&format!("/api/permissions/{host}/{name}"), &json!({"configure": "", "write": "", "read": "^inbox$"}))
        .ok(201);
    let whole = api.get("/api/definitions").ok(200);
    let part = api.get(&format!("/api/definitions/{host}")).ok(200);
    assert_eq!((part["queues"].as_array().unwrap().len(), part["bindings"].as_array().unwrap().len()), (2, 2));
    assert!(part["queues"][0].get("vhost").is_none());
    // Into another virtual host, and then the whole after all of it is gone.
    let other = self::host(world);
    api.post(&format!("/api/definitions/{other}"), &part).ok(204);
    api.post(&format!("/api/definitions/{other}"), &part).ok(204);
    assert_eq!(api.get(&format!("/api/definitions/{other}")).ok(200), part);
    api.delete(&format!("/api/vhosts/{host}")).ok(204);
    api.delete(&format!("/api/users/{name}")).ok(204);
    let pick = |whole: &Value| {
        let mine = |list: &str, field: &str, value: &str| -> Vec<Value> {
            whole[list].as_array().unwrap().iter().filter(|item| item[field] == value).cloned().collect()
        };
        let mut mine = json!({
            "users": mine("users", "name", &name),
            "vhosts": mine("vhosts", "name", &host),
            "permissions": mine("permissions", "vhost", &host),
            "queues": mine("queues", "vhost", &host),
            "exchanges": mine("exchanges", "vhost", &host),
            "bindings": mine("bindings", "vhost", &host),
        });
        mine["rabbit_version"] = whole["rabbit_version"].clone();
        mine
    };
    let before = pick(&whole);
    assert_eq!(before["users"][0]["password_hash"], "", "no hash leaves the broker");
    api.post("/api/definitions", &before).ok(204);
    assert_eq!(pick(&api.get("/api/definitions").ok(200)), before);
}

pub(crate) fn what_cannot_be_had_stops_an_import(world: &World) {
    let (mut api, host) = (admin(world), host(world));
    for (definitions, named) in [
        (
            json!({"policies": [{"name": "p", "vhost": "/", "pattern": "", "definition": {"max-age": "7D"}}]}),
            "policy 'p'",
        ),
        (json!({"parameters": [{"name": "p"}]}), "parameters"),
        (json!({"topic_permissions": [{"user": "u"}]}), "topic permissions"),
        (json!({"queues": [{"name": "q", "vhost": "nowhere", "durable": true, "arguments": {}}]}), "queue 'q'"),
        (json!({"queues": [{"name": "q", "vhost": host, "arguments": {"x-overflow": "spill"}}]}), "x-overflow"),
        (json!({"users": [{"name": "u", "tags": [], "password_hash": "kI3G"}]}), "user 'u'"),
        (
            json!({"users": [{"name": "u", "tags": [], "password_hash": "kI3G", "hashing_algorithm": "rabbit_password_hashing_md5"}]}),
            "md5",
        ),
        (
            json!({"bindings": [{"source": "x", "vhost": host, "destination": "q", "destination_type": "queue"}]}),
            "binding to 'q'",
        ),
        (json!({"queues": "all"}), "queues must be a list"),
    ] {
        let refused = api.post("/api/definitions", &definitions).ok(400);
        assert!(refused["reason"].as_str().unwrap().contains(named), "{refused}");
    }
    assert_eq!(api.send("POST", "/api/definitions", &[], b"[]").status, 400);
    assert_eq!(api.send("POST", "/api/definitions", &[], b"{").status, 400);
    // What is there stays as it is.
    api.put(&format!("/api/queues/{host}/q"), &json!({"arguments": {"x-max-length": 1}})).ok(201);
    let other =
        json!({"queues": [{"name": "q", "durable": true, "auto_delete": false, "arguments": {"x-max-length": 2}}]});
    api.post(&format!("/api/definitions/{host}"), &other).ok(204);
    assert_eq!(api.get(&format!("/api/queues/{host}/q")).ok(200)["arguments"], json!({"x-max-length": 1}));
}

pub(crate) fn a_password_that_rabbitmq_hashed_logs_in(world: &World) {
    let mut api = admin(world);
    let name = world.name("migrated");
    let user = json!({
        "name": name,
        "password_hash": RABBIT_HASH,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["management"],
    });
    api.post(
        "/api/definitions",
        &json!({"users": [user], "permissions": [
            {"user": name, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
        ]}),
    )
    .ok(204);
    assert_eq!(Amqp::open(world.amqp_door(), &name, "test13").err().map(|closed| closed.code), Some(403));
    // Once by RabbitMQ's hash, which is replaced, and once by the broker's own.
    for _ in 0..2 {
        assert!(Amqp::open(world.amqp_door(), &name, "test12").is_ok());
    }
    let unknown = world.name("nobody");
    api.put(&format!("/api/users/{unknown}"), &json!({"password_hash": "", "tags": ""})).ok(201);
    assert!(Amqp::open(world.amqp_door(), &unknown, "").is_err());
    assert!(Amqp::open(world.amqp_door(), &unknown, "!").is_err());
    api.put(&format!("/api/users/{unknown}"), &json!({"password": PASSWORD, "tags": "administrator"})).ok(204);
    assert!(Amqp::open(world.amqp_door(), &unknown, PASSWORD).is_ok());
    assert_eq!(api.get(&format!("/api/users/{unknown}")).ok(200)["tags"], json!(["administrator"]));
    api.post("/api/users/bulk-delete", &json!({"users": [name, unknown, "never.was"]})).ok(204);
    api.get(&format!("/api/users/{unknown}")).ok(404);
}

pub(crate) fn the_broker_is_told_of_in_rabbitmqs_names(world: &World) {
    let mut api = admin(world);
    let overview = api.get("/api/overview").ok(200);
    assert_eq!((&overview["product_name"], &overview["rabbitmq_version"]), (&json!("RabbitMQ"), &json!("4.1.0")));
    for field in ["queue_totals", "object_totals", "message_stats", "listeners", "churn_rates", "exchange_types"] {
        assert!(!overview[field].is_null(), "{field}");
    }
    let node = overview["node"].as_str().unwrap();
    assert_eq!(api.get("/api/nodes").ok(200)[0]["name"], node);
    assert_eq!(api.get(&format!("/api/nodes/{node}")).ok(200)["running"], true);
    api.get("/api/nodes/rabbit@elsewhere").ok(404);
    let exchanges = names(&api.get("/api/exchanges/%2F").ok(200));
    for name in ["", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.topic"] {
        assert!(exchanges.iter().any(|known| known == name), "{name:?}");
    }
    api.put("/api/exchanges/%2F/amq.direct", &json!({"type": "direct"})).ok(204);
    let metrics = api.get("/metrics");
    assert_eq!(metrics.status, 200);
    for name in
        ["rabbitmq_identity_info{", "rabbitmq_build_info{", "rabbitmq_queues ", "rabbitmq_queue_messages_ready "]
    {
        assert!(metrics.text().lines().any(|line| line.starts_with(name)), "{name}");
    }
    let queue = world.name("measured");
    api.put(&format!("/api/queues/%2F/{queue}"), &json!({})).ok(201);
    let row = format!("rabbitmq_queue_messages_ready{{vhost=\"/\",queue=\"{queue}\"}} 0");
    assert!(api.get("/metrics/per-object").text().lines().any(|line| line == row));
}

pub(crate) fn checks_say_what_is_open(world: &World) {
    let mut api = admin(world);
    for check in [
        "alarms",
        "local-alarms",
        "virtual-hosts",
        "ready-to-serve-clients",
        "is-in-service",
        "node-is-quorum-critical",
    ] {
        assert_eq!(api.get(&format!("/api/health/checks/{check}")).ok(200)["status"], "ok", "{check}");
    }
    let port = world.amqp_door().port();
    assert_eq!(api.get(&format!("/api/health/checks/port-listener/{port}")).ok(200)["port"], port);
    assert_eq!(api.get("/api/health/checks/port-listener/1").ok(503)["missing"], 1);
    for protocol in ["amqp091", "amqp", "http"] {
        assert_eq!(api.get(&format!("/api/health/checks/protocol-listener/{protocol}")).ok(200)["status"], "ok");
    }
    assert_eq!(api.get("/api/health/checks/protocol-listener/mqtt").ok(503)["status"], "failed");
    api.get("/api/nothing").ok(404);
    api.put("/api/overview", &json!({})).ok(405);
}

pub(crate) fn a_stream_is_a_topic(world: &World) {
    let (mut api, host) = (admin(world), host(world));
    let path = format!("/api/queues/{host}/log");
    let stream = json!({"arguments": {"x-queue-type": "stream", "x-max-length-bytes": 1000}});
    api.put(&path, &stream).ok(201);
    api.put(&path, &stream).ok(204);
    api.put(&path, &json!({"arguments": {"x-queue-type": "stream"}})).ok(400);
    api.put(&path, &json!({})).ok(400);
    let topic = world.admin().get(&format!("/v1/namespaces/{host}/topics/log")).ok(200);
    assert_eq!(topic["settings"]["retention_bytes"], 1000);
    assert_eq!(api.get(&path).ok(200)["type"], "stream");
    api.post(&format!("{path}/get"), &json!({"count": 1})).ok(400);
    api.delete(&format!("{path}/contents")).ok(400);
    api.post(&format!("/api/bindings/{host}/e/amq.topic/q/log"), &json!({"routing_key": "#"})).ok(201);
    let publish = json!({"routing_key": "a", "payload": "one", "payload_encoding": "string", "properties": {}});
    assert_eq!(api.post(&format!("/api/exchanges/{host}/amq.topic/publish"), &publish).ok(200)["routed"], true);
    assert_eq!(api.get(&path).ok(200)["messages"], 1);
    api.delete(&path).ok(204);
    api.delete(&path).ok(404);
}

pub(crate) fn connections_are_seen_and_closed(world: &World) {
    let mut api = admin(world);
    let (person, name) = world.user(&["consumer"]);
    let (stranger, _) = world.user(&["consumer"]);
    let (mut person, mut stranger) = (world.management(&person), world.management(&stranger));
    let queue = world.name("watched");
    api.put(&format!("/api/queues/%2F/{queue}"), &json!({})).ok(201);
    let mut amqp = world.through_amqp(&name);
    amqp.prefetch(7);
    amqp.consume(&queue, Table::default()).unwrap();
    let path = format!("/api/connections/username/{name}");
    let seen = eventually("the consumer among the connections", || {
        let consumers = api.get("/api/consumers/%2F").ok(200);
        consumers.as_array().unwrap().iter().find(|one| one["queue"]["name"] == queue).cloned()
    });
    assert_eq!((&seen["prefetch_count"], &seen["ack_required"]), (&json!(7), &json!(true)));
    let connection = person.get(&path).ok(200)[0].clone();
    let facts = [&connection["user"], &connection["vhost"], &connection["state"], &connection["channels"]];
    assert_eq!(facts, [&json!(name), &json!("/"), &json!("running"), &json!(1)]);
    assert_eq!(connection["client_properties"]["capabilities"]["authentication_failure_close"], true);
    let full = connection["name"].as_str().unwrap();
    let encoded = format!("/api/connections/{}", full.replace(' ', "%20").replace('>', "%3E"));
    let channel = api.get(&format!("{encoded}/channels")).ok(200)[0].clone();
    assert_eq!((&channel["confirm"], &channel["consumer_count"]), (&json!(true), &json!(1)));
    assert_eq!(
        api.get(&format!("/api/queues/%2F/{queue}")).ok(200)["consumer_details"][0]["consumer_tag"],
        seen["consumer_tag"]
    );
    assert_eq!(stranger.get(&path).ok(200), json!([]), "nobody sees the connections of others");
    stranger.get(&encoded).ok(404);
    stranger.delete(&encoded).ok(404);
    assert!(api.get("/api/overview").ok(200)["object_totals"]["connections"].as_u64().unwrap() >= 1);
    assert_eq!(api.send("DELETE", &encoded, &[("x-reason", "enough")], b"").status, 204);
    let closed = amqp.closed();
    assert_eq!((closed.code, closed.text.contains("enough")), (320, true), "{}", closed.text);
    eventually("the connection gone", || (api.get(&encoded).status == 404).then_some(()));
    // Whoever opened one may close it.
    let other = world.through_amqp(&name);
    let mine = eventually("another connection", || person.get(&path).ok(200)[0]["name"].as_str().map(str::to_owned));
    person.delete(&format!("/api/connections/{}", mine.replace(' ', "%20").replace('>', "%3E"))).ok(204);
    drop(other);
    api.delete("/api/connections/nothing").ok(404);
}

pub(crate) fn a_policy_stands_beside_what_queues_say(world: &World) {
    let (mut api, host) = (admin(world), host(world));
    let queue = |name: &str| format!("/api/queues/{host}/{name}");
    api.put(&queue("orders"), &json!({})).ok(201);
    api.put(&queue("orders.own"), &json!({"arguments": {"x-max-length": 1}})).ok(201);
    let policy = |name: &str| format!("/api/policies/{host}/{name}");
    let definition =
        json!({"max-length": 2, "overflow": "reject-publish", "message-ttl": 3_600_000, "queue-mode": "lazy"});
    let bounds = json!({"pattern": "^orders", "apply-to": "queues", "priority": 1, "definition": definition});
    api.put(&policy("bounds"), &bounds).ok(201);
    api.put(&policy("bounds"), &bounds).ok(204);
    let shown = api.get(&policy("bounds")).ok(200);
    assert_eq!(
        (&shown["definition"], &shown["apply-to"], &shown["priority"]),
        (&definition, &json!("queues"), &json!(1))
    );
    assert_eq!(api.get(&format!("/api/policies/{host}")).ok(200), json!([shown]));
    // One that was there, one that has a bound of its own, and one that is declared later.
    api.put(&queue("orders.later"), &json!({})).ok(201);
    api.put(&queue("bills"), &json!({})).ok(201);
    let fill = |api: &mut Client, name: &str| {
        let message = json!({"routing_key": name, "payload": "x", "payload_encoding": "string", "properties": {}});
        (0..4)
            .filter(|_| api.post(&format!("/api/exchanges/{host}/amq.default/publish"), &message).status == 200)
            .count()
    };
    assert_eq!(fill(&mut api, "orders"), 2);
    assert_eq!(fill(&mut api, "orders.later"), 2);
    assert_eq!(fill(&mut api, "bills"), 4);
    let described = api.get(&queue("orders")).ok(200);
    assert_eq!((&described["policy"], &described["arguments"]), (&json!("bounds"), &json!({})));
    assert_eq!(described["effective_policy_definition"]["max-length"], 2);
    assert_eq!(api.get(&queue("orders.own")).ok(200)["effective_policy_definition"]["message-ttl"], 3_600_000);
    assert_eq!(fill(&mut api, "orders.own"), 4, "its own bound drops the oldest");
    assert_eq!(api.get(&queue("orders.own")).ok(200)["messages"], 1);
    // Whoever declares it again says what it was made with.
    api.put(&queue("orders"), &json!({})).ok(204);
    let rest = world.admin().get(&format!("/v1/namespaces/{host}/queues/orders")).ok(200);
    assert_eq!((&rest["policy"]["name"], &rest["policy"]["settings"]["max_messages"]), (&json!("bounds"), &json!(2)));
    assert_eq!(rest["settings"]["max_messages"], Value::Null);
    // A higher one takes its place, and without any the queue is as it was made.
    let free = json!({"pattern": "^orders$", "priority": 2, "definition": {"max-length": 1000}});
    api.put(&policy("free"), &free).ok(201);
    assert_eq!(api.get(&queue("orders")).ok(200)["policy"], "free");
    let whole = api.get(&format!("/api/definitions/{host}")).ok(200);
    assert_eq!(names(&whole["policies"]), ["bounds", "free"]);
    api.delete(&policy("free")).ok(204);
    api.delete(&policy("bounds")).ok(204);
    api.delete(&policy("bounds")).ok(404);
    assert_eq!(api.get(&queue("orders")).ok(200)["policy"], Value::Null);
    assert_eq!(fill(&mut api, "orders"), 4);
    let other = self::host(world);
    api.post(&format!("/api/definitions/{other}"), &whole).ok(204);
    assert_eq!(api.get(&format!("/api/queues/{other}/orders")).ok(200)["policy"], "free");
    for wrong in [
        json!({"pattern": "(", "definition": {"max-length": 1}}),
        json!({"pattern": "", "definition": {}}),
        json!({"pattern": "", "definition": {"max-age": "7D"}}),
        json!({"pattern": "", "apply-to": "exchanges", "definition": {"max-length": 1}}),
        json!({"pattern": "", "priority": "high", "definition": {"max-length": 1}}),
        json!({"definition": {"max-length": 1}}),
    ] {
        api.put(&policy("wrong"), &wrong).ok(400);
    }
    let (person, _) = world.user(&["developer"]);
    world.management(&person).put(&policy("theirs"), &bounds).ok(401);
}

pub(crate) fn a_policy_lets_queues_expire_and_catches_what_no_binding_fits(world: &World) {
    let (mut api, host) = (admin(world), host(world));
    let policy = |name: &str| format!("/api/policies/{host}/{name}");
    let short = json!({"pattern": "^short", "apply-to": "queues", "definition": {"expires": 200}});
    api.put(&policy("short"), &short).ok(201);
    api.put(&format!("/api/queues/{host}/short"), &json!({})).ok(201);
    api.put(&format!("/api/queues/{host}/rest"), &json!({})).ok(201);
    eventually("the queue is gone", || (api.get(&format!("/api/queues/{host}/short")).status == 404).then_some(()));
    api.put(&format!("/api/exchanges/{host}/events"), &json!({"type": "topic"})).ok(201);
    api.post(&format!("/api/bindings/{host}/e/amq.fanout/q/rest"), &json!({})).ok(201);
    let publish = |api: &mut Client| {
        let message = json!({"routing_key": "a.b", "payload": "x", "payload_encoding": "string", "properties": {}});
        api.post(&format!("/api/exchanges/{host}/events/publish"), &message).ok(200)["routed"].clone()
    };
    assert_eq!(publish(&mut api), false);
    let catch =
        json!({"pattern": "^events$", "apply-to": "exchanges", "definition": {"alternate-exchange": "amq.fanout"}});
    api.put(&policy("catch"), &catch).ok(201);
    assert_eq!(api.get(&policy("catch")).ok(200)["definition"], catch["definition"]);
    assert_eq!(publish(&mut api), true);
    assert_eq!(api.get(&format!("/api/exchanges/{host}/events")).ok(200)["policy"], "catch");
    assert_eq!(world.admin().get(&format!("/v1/namespaces/{host}/exchanges/events")).ok(200)["policy"], "catch");
    let rest = world.admin().get(&format!("/v1/namespaces/{host}/policies")).ok(200)["policies"][0].clone();
    assert_eq!((&rest["target"], &rest["settings"]["alternate"]), (&json!("exchanges"), &json!("amq.fanout")));
    api.delete(&policy("catch")).ok(204);
    assert_eq!(publish(&mut api), false);
}
