//! The ten old operations with each of their codes.
//! Invariant: each row names one operation and what is sent to make it answer that.
//! Run by `seed.rs` and `gateway.rs`.

use serde_json::{Value, json};

use crate::world::{Answer, Client, World};

/// Every test of this file.
macro_rules! seed_codes_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, seed_codes:
            each_operation_answers_200,
            what_is_malformed_is_400,
            without_credentials_it_is_401,
            without_the_right_it_is_403,
            what_is_missing_is_404,
            what_stands_in_the_way_is_409,
            what_is_too_much_is_429,
        );
    };
}

pub(crate) use seed_codes_suite;

/// The operations: method, path and body, with the name in the path.
const TEN: [(&str, &str, Option<&str>); 10] = [
    ("GET", "/list_queues", None),
    ("GET", "/list_topics", None),
    ("POST", "/create_queue/", None),
    ("POST", "/create_topic/", None),
    ("POST", "/post_to_queue/", Some("text")),
    ("POST", "/post_to_topic/", Some("text")),
    ("GET", "/read_from_queue/", None),
    ("GET", "/read_from_topic/", None),
    ("POST", "/delete_queue/", None),
    ("POST", "/delete_topic/", None),
];

/// Asks one of the ten about a name.
fn ask(client: &mut Client, (method, path, data): (&str, &str, Option<&str>), name: &str) -> Answer {
    let path = if path.ends_with('/') { format!("{path}{name}") } else { path.to_owned() };
    client.document(method, &path, &data.map_or(Value::Null, |data| json!({"data": data})))
}

pub(crate) fn each_operation_answers_200(world: &World) {
    let (mut client, user) = world.user(&["developer"]);
    let name = world.name("ten");
    let answers: Vec<_> = TEN.iter().map(|one| ask(&mut client, *one, &name).ok(200)).collect();
    assert!(answers[0]["queues"].is_array() && answers[1]["topics"].is_array());
    assert_eq!((&answers[2], &answers[3]), (&json!({"name": name}), &json!({"name": name})));
    for (posted, read) in [(&answers[4], &answers[6]), (&answers[5], &answers[7])] {
        assert_eq!(*read, json!({"data": "text", "id": posted["id"], "sender": user}));
    }
    assert_eq!(answers[8], json!({"name": name, "messages": 0}));
    assert_eq!(answers[9], json!({"name": name, "messages": 1}));
    for kind in ["queue", "topic"] {
        assert!(client.get(&format!("/v1/{kind}s/{name}")).status == 404);
    }
}

pub(crate) fn what_is_malformed_is_400(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    for bad in ["%3Cscript%3E", "%2E%2E", "%20lead", "a%00b", "x".repeat(256).as_str()] {
        for one in TEN.iter().filter(|(_, path, _)| path.ends_with('/')) {
            ask(&mut client, *one, bad).refused(400, "name_invalid");
        }
    }
    let name = world.name("malformed");
    for kind in ["queue", "topic"] {
        client.post(&format!("/create_{kind}/$mine"), &Value::Null).refused(400, "argument_invalid");
        client.get(&format!("/list_{kind}s?limit=1")).refused(400, "argument_invalid");
        client.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
        let path = format!("/post_to_{kind}/{name}");
        for body in ["", "{", "[]", "\"data\"", r#"{"data": 7}"#, r#"{"data": "x", "more": 1}"#, r#"{"text": "x"}"#] {
            let answer = client.send("POST", &path, &[("content-type", "application/json")], body.as_bytes());
            answer.refused(400, "body_invalid");
        }
        client.send("POST", &path, &[], br#"{"data": "x"}"#).refused(415, "media_type_unsupported");
        assert_eq!(client.get(&format!("/read_from_{kind}/{name}")).ok(200), json!({"data": null}));
    }
}

pub(crate) fn without_credentials_it_is_401(world: &World) {
    let name = world.name("unknown");
    let nobody = world.nobody();
    let wrong = [
        nobody.clone(),
        nobody.with_token("recado_wrong"),
        nobody.with_authorization("Basic bm9ib2R5"),
        nobody.with_authorization("Digest x"),
        nobody.with_authorization("Bearer "),
    ];
    for mut client in wrong {
        for one in TEN {
            let answer = ask(&mut client, one, &name);
            answer.refused(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"recado\", Bearer"));
        }
    }
}

pub(crate) fn without_the_right_it_is_403(world: &World) {
    let (mut owner, _) = world.user(&["developer"]);
    let (mut other, _) = world.user(&[]);
    let name = world.name("foreign");
    for kind in ["queue", "topic"] {
        owner.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
    }
    for one in TEN {
        let answer = ask(&mut other, one, &name);
        if one.1.starts_with("/list") {
            // A list shows what the caller may see, which is nothing.
            let list = answer.ok(200);
            assert!(list.as_object().unwrap().values().all(|names| names == &json!([])), "{list}");
        } else {
            answer.refused(403, "forbidden");
        }
    }
}

pub(crate) fn what_is_missing_is_404(world: &World) {
    let (mut client, user) = world.user(&["developer"]);
    let name = world.name("nowhere");
    let all = ["publish", "consume", "delete"];
    for kind in ["queue", "topic"] {
        world.grant(&user, kind, "literal", &name, &all);
    }
    for one in TEN.iter().skip(4) {
        let kind = if one.1.contains("queue") { "queue" } else { "topic" };
        ask(&mut client, *one, &name).refused(404, &format!("{kind}_not_found"));
    }
    client.get("/list_nothing").refused(404, "path_not_found");
    client.get(&format!("/create_queue/{name}")).refused(405, "method_not_allowed");
}

pub(crate) fn what_stands_in_the_way_is_409(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let name = world.name("conflict");
    for kind in ["queue", "topic"] {
        client.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
        client.post(&format!("/create_{kind}/{name}"), &Value::Null).refused(409, &format!("{kind}_exists"));
    }
    let user = world.name("user-of");
    client.put(&format!("/v1/queues/{user}"), &json!({"dead_letter": name})).ok(201);
    client.post(&format!("/delete_queue/{name}"), &Value::Null).refused(409, "queue_in_use");
    client.post(&format!("/delete_queue/{user}"), &Value::Null).ok(200);
    client.post(&format!("/delete_queue/{name}"), &Value::Null).ok(200);
}

pub(crate) fn what_is_too_much_is_429(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let name = world.name("full");
    client.put(&format!("/v1/queues/{name}"), &json!({"max_messages": 1})).ok(201);
    let path = format!("/post_to_queue/{name}");
    client.post(&path, &json!({"data": "fits"})).ok(200);
    client.post(&path, &json!({"data": "does not"})).refused(429, "queue_full");
    assert_eq!(client.get(&format!("/read_from_queue/{name}")).ok(200)["data"], "fits");
    client.post(&path, &json!({"data": "fits again"})).ok(200);

    // Guessing a password slows the account, and every one of the ten says so.
    let mut guesser = world.nobody().with_authorization("Basic Z3Vlc3Nlcjp3cm9uZw==");
    while guesser.get("/list_queues").status == 401 {}
    for one in TEN {
        let answer = ask(&mut guesser, one, &name);
        // The wait grows with each guess that it lets through.
        if answer.status == 429 {
            let problem = answer.refused(429, "login_throttled");
            let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            let wait = problem["retry_after_ms"].as_u64().unwrap();
            assert!(wait > 0 && seconds == wait.div_ceil(1000), "{problem}");
        } else {
            answer.refused(401, "unauthenticated");
            ask(&mut guesser, one, &name).refused(429, "login_throttled");
        }
    }
}
