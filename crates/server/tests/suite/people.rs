//! People of `/v1`: users, sessions, tokens, grants, the audit log.
//! Invariant: as in `queues`; no answer here ever holds a password.
//! Run by `people.rs` and `gateway.rs`; the claim of a new broker stands in `people.rs`.

use serde_json::{Value, json};

use crate::world::{Client, PASSWORD, World, eventually, texts};

/// Every test of this file.
macro_rules! people_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, people:
            an_administrator_manages_users,
            a_user_manages_itself_only,
            the_last_administrator_stays,
            a_recreated_user_inherits_nothing,
            a_logout_ends_the_session,
            a_new_password_ends_all_sessions,
            a_disabled_user_is_out_at_once,
            an_api_token_only_narrows,
            an_api_token_expires_and_is_revoked,
            guessing_is_slowed_down,
            a_literal_grant_fits_one_name,
            a_prefix_grant_fits_many,
            a_deny_beats_everything,
            grants_are_replaced_listed_and_removed,
            the_audit_log_is_for_auditors,
            the_node_is_for_monitors,
            codes_explain_themselves,
        );
    };
}

pub(crate) use people_suite;

fn publish(client: &mut Client, queue: &str) -> u16 {
    client.post(&format!("/v1/queues/{queue}/messages"), &json!({"messages": [{"body": "x"}]})).status
}

fn receive(client: &mut Client, queue: &str) -> u16 {
    client.post(&format!("/v1/queues/{queue}/receive"), &Value::Null).status
}

pub(crate) fn an_administrator_manages_users(world: &World) {
    let mut admin = world.admin();
    let name = world.name("managed");
    let path = format!("/v1/users/{name}");
    let made = admin.put(&path, &json!({"password": PASSWORD, "roles": ["publisher"]})).ok(201);
    assert_eq!(
        (&made["name"], &made["roles"], &made["disabled"]),
        (&json!(name), &json!(["publisher"]), &json!(false))
    );
    admin.put(&path, &json!({"password": PASSWORD})).refused(409, "user_exists");
    assert_eq!(admin.get(&path).ok(200), made);
    let altered = admin.patch(&path, &json!({"roles": ["consumer", "monitor"]})).ok(200);
    assert_eq!(altered["roles"], json!(["consumer", "monitor"]));
    let page = admin.get(&format!("/v1/users?prefix={name}&limit=1")).ok(200);
    assert_eq!(page["items"], json!([altered]));
    assert!(!page.to_string().contains("argon2"), "no hash is shown");
    assert_eq!(admin.delete(&path).status, 204);
    admin.delete(&path).refused(404, "user_not_found");
    admin.get(&path).refused(404, "user_not_found");
    admin.patch(&path, &json!({"disabled": true})).refused(404, "user_not_found");
    admin.put(&path, &json!({"password": "short"})).refused(400, "argument_invalid");
    admin.put(&path, &json!({"password": "p".repeat(1025)})).refused(400, "argument_invalid");
    admin.put(&path, &json!({"password": PASSWORD, "roles": ["king"]})).refused(400, "body_invalid");
    admin.put("/v1/users/%3Cscript%3E", &json!({"password": PASSWORD})).refused(400, "name_invalid");
}

pub(crate) fn a_user_manages_itself_only(world: &World) {
    let (mut user, name) = world.user(&["developer"]);
    let (_, other) = world.user(&[]);
    assert_eq!(user.get("/v1/whoami").ok(200)["name"], name.as_str());
    user.get(&format!("/v1/users/{name}")).ok(200);
    user.get(&format!("/v1/users/{other}")).refused(403, "forbidden");
    user.get("/v1/users").refused(403, "forbidden");
    user.put(&format!("/v1/users/{other}"), &json!({"password": PASSWORD})).refused(403, "forbidden");
    user.patch(&format!("/v1/users/{name}"), &json!({"roles": ["admin"]})).refused(403, "forbidden");
    user.patch(&format!("/v1/users/{other}"), &json!({"password": "taken over"})).refused(403, "forbidden");
    user.delete(&format!("/v1/users/{other}")).refused(403, "forbidden");
    user.delete(&format!("/v1/users/{name}")).refused(403, "forbidden");
    user.get(&format!("/v1/tokens?user={other}")).refused(403, "forbidden");
    user.get(&format!("/v1/grants?user={other}")).refused(403, "forbidden");
    assert_eq!(user.get(&format!("/v1/grants?user={name}")).ok(200), json!({"grants": []}));
    let grant = json!({"user": name, "resource": {"kind": "broker", "name": ""}, "rights": ["administer"]});
    user.post("/v1/grants", &grant).refused(403, "forbidden");
}

pub(crate) fn the_last_administrator_stays(world: &World) {
    let mut admin = world.admin();
    admin.delete("/v1/users/admin").refused(409, "last_administrator");
    admin.patch("/v1/users/admin", &json!({"disabled": true})).refused(409, "last_administrator");
    admin.patch("/v1/users/admin", &json!({"roles": ["operator"]})).refused(409, "last_administrator");
    admin.get("/v1/whoami").ok(200);
}

pub(crate) fn a_recreated_user_inherits_nothing(world: &World) {
    let (mut first, name) = world.user(&["developer"]);
    let queue = world.name("orphan");
    first.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201);
    world.grant(&name, "queue", "prefix", "", &["publish", "consume"]);
    let path = format!("/v1/users/{name}");
    world.admin().delete(&path);
    first.get("/v1/whoami").refused(401, "unauthenticated");
    world.admin().put(&path, &json!({"password": PASSWORD, "roles": []})).ok(201);
    let mut second = world.login(&name);
    first.get("/v1/whoami").refused(401, "unauthenticated");
    assert_eq!(publish(&mut second, &queue), 403);
    second.delete(&format!("/v1/queues/{queue}")).refused(403, "forbidden");
    let described = world.admin().get(&format!("/v1/queues/{queue}")).ok(200);
    assert_eq!(described["owner"], Value::Null);
    world.admin().delete(&format!("/v1/queues/{queue}")).ok(200);
}

pub(crate) fn a_logout_ends_the_session(world: &World) {
    let (mut user, name) = world.user(&["developer"]);
    let mut other = world.login(&name);
    assert_eq!(user.get("/v1/tokens").ok(200)["tokens"].as_array().unwrap().len(), 2);
    assert_eq!(user.delete("/v1/session").status, 204);
    user.get("/v1/whoami").refused(401, "unauthenticated");
    user.delete("/v1/session").refused(401, "unauthenticated");
    other.get("/v1/whoami").ok(200);
    let basic = |password: &str| world.nobody().with_authorization(&format!("Basic {}", base64(&name, password)));
    basic(PASSWORD).get("/v1/whoami").ok(200);
    basic("wrong password").get("/v1/whoami").refused(401, "unauthenticated");
    let wrong = json!({"username": name, "password": "wrong password"});
    world.nobody().post("/v1/session", &wrong).refused(401, "unauthenticated");
    let unknown = json!({"username": world.name("ghost"), "password": PASSWORD});
    world.nobody().post("/v1/session", &unknown).refused(401, "unauthenticated");
    world.nobody().post("/v1/session", &json!({"user": name})).refused(400, "body_invalid");
}

/// Basic credentials (RFC 7617).
fn base64(user: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{user}:{password}");
    let encode = |bytes: &[u8]| {
        let bits = bytes.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - bytes.len()));
        let digit = |at: usize| char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
        (0..4).map(|at| if at <= bytes.len() { digit(at) } else { '=' }).collect::<String>()
    };
    text.as_bytes().chunks(3).map(encode).collect()
}

pub(crate) fn a_new_password_ends_all_sessions(world: &World) {
    let (mut user, name) = world.user(&[]);
    let api = user.post("/v1/tokens", &json!({"label": "job", "lifetime_ms": 600_000})).ok(201);
    user.patch(&format!("/v1/users/{name}"), &json!({"password": "another good one"})).ok(200);
    user.get("/v1/whoami").refused(401, "unauthenticated");
    world.nobody().with_token(api["token"].as_str().unwrap()).get("/v1/whoami").ok(200);
    let old = json!({"username": name, "password": PASSWORD});
    world.nobody().post("/v1/session", &old).refused(401, "unauthenticated");
    world.nobody().post("/v1/session", &json!({"username": name, "password": "another good one"})).ok(201);
}

pub(crate) fn a_disabled_user_is_out_at_once(world: &World) {
    let (mut user, name) = world.user(&["developer"]);
    let queue = world.name("frozen");
    user.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201);
    let api = user.post("/v1/tokens", &json!({"label": "job", "lifetime_ms": 600_000})).ok(201);
    let mut job = world.nobody().with_token(api["token"].as_str().unwrap());
    let path = format!("/v1/users/{name}");
    world.admin().patch(&path, &json!({"disabled": true})).ok(200);
    for mut client in [user, job.clone()] {
        client.get("/v1/whoami").refused(401, "unauthenticated");
        assert_eq!(publish(&mut client, &queue), 401);
    }
    let login = json!({"username": name, "password": PASSWORD});
    world.nobody().post("/v1/session", &login).refused(401, "unauthenticated");
    world.admin().patch(&path, &json!({"disabled": false})).ok(200);
    world.login(&name).get("/v1/whoami").ok(200);
    assert_eq!(publish(&mut job, &queue), 201);
}

pub(crate) fn an_api_token_only_narrows(world: &World) {
    let (mut user, _) = world.user(&["developer"]);
    let (mine, other) = (world.name("mine"), world.name("other"));
    for queue in [&mine, &other] {
        user.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201);
    }
    let mut make = |request: Value| {
        let made = user.post("/v1/tokens", &request).ok(201);
        assert!(made["token"].as_str().unwrap().starts_with("recado_"));
        world.nobody().with_token(made["token"].as_str().unwrap())
    };
    let mut producer = make(json!({"label": "producer", "rights": ["publish"], "lifetime_ms": 600_000}));
    assert_eq!((publish(&mut producer, &mine), receive(&mut producer, &mine)), (201, 403));
    let resource = json!({"kind": "queue", "name": mine});
    let mut narrow = make(json!({"label": "one queue", "resource": resource, "lifetime_ms": 600_000}));
    assert_eq!((publish(&mut narrow, &mine), publish(&mut narrow, &other)), (201, 403));
    let mut greedy = make(json!({"label": "greedy", "rights": ["administer", "monitor"], "lifetime_ms": 600_000}));
    greedy.get("/v1/users").refused(403, "forbidden");
    // A token cannot make a wider one.
    let wider = producer.post("/v1/tokens", &json!({"label": "wider", "lifetime_ms": 600_000})).ok(201);
    let mut wider = world.nobody().with_token(wider["token"].as_str().unwrap());
    assert_eq!((publish(&mut wider, &mine), receive(&mut wider, &mine)), (201, 403));
}

pub(crate) fn an_api_token_expires_and_is_revoked(world: &World) {
    let (mut user, name) = world.user(&[]);
    let short = user.post("/v1/tokens", &json!({"label": "short", "lifetime_ms": 1500})).ok(201);
    let mut short = world.nobody().with_token(short["token"].as_str().unwrap());
    short.get("/v1/whoami").ok(200);
    eventually("the end of the token", || (short.get("/v1/whoami").status == 401).then_some(()));
    let made = user.post("/v1/tokens", &json!({"label": "long", "lifetime_ms": 600_000})).ok(201);
    let mut long = world.nobody().with_token(made["token"].as_str().unwrap());
    let listed = user.get("/v1/tokens").ok(200);
    assert!(texts(&listed["tokens"], "label").contains(&"long".to_owned()));
    assert!(!listed.to_string().contains(made["token"].as_str().unwrap()), "the secret is shown once");
    let path = format!("/v1/tokens/{}", made["description"]["id"]);
    let (mut stranger, _) = world.user(&[]);
    stranger.delete(&path).refused(404, "token_not_found");
    assert_eq!(user.delete(&path).status, 204);
    long.get("/v1/whoami").refused(401, "unauthenticated");
    user.delete(&path).refused(404, "token_not_found");
    let again = user.post("/v1/tokens", &json!({"label": "third", "lifetime_ms": 600_000})).ok(201);
    assert_eq!(world.admin().delete(&format!("/v1/tokens/{}", again["description"]["id"])).status, 204);
    assert!(world.admin().get(&format!("/v1/tokens?user={name}")).ok(200)["tokens"].is_array());
    for lifetime in [0, 316_224_000_001_u64] {
        let request = json!({"label": "x", "lifetime_ms": lifetime});
        user.post("/v1/tokens", &request).refused(400, "argument_invalid");
    }
    let long_label = json!({"label": "l".repeat(256), "lifetime_ms": 1000});
    user.post("/v1/tokens", &long_label).refused(400, "argument_invalid");
}

pub(crate) fn guessing_is_slowed_down(world: &World) {
    let (_, name) = world.user(&[]);
    let wrong = json!({"username": name, "password": "a wrong guess"});
    let mut guesser = world.nobody();
    let mut refused = 0;
    let throttled = loop {
        let answer = guesser.post("/v1/session", &wrong);
        if answer.status == 429 {
            break answer;
        }
        answer.refused(401, "unauthenticated");
        refused += 1;
        assert!(refused < 20, "nobody slows the guesses");
    };
    let problem = throttled.refused(429, "login_throttled");
    let wait = problem["retry_after_ms"].as_u64().unwrap();
    assert_eq!(throttled.header("retry-after"), Some(wait.div_ceil(1000).to_string().as_str()));
    let right = json!({"username": name, "password": PASSWORD});
    guesser.post("/v1/session", &right).refused(429, "login_throttled");
    let (mut neighbour, _) = world.user(&[]);
    neighbour.get("/v1/whoami").ok(200);
    eventually("the end of the wait", || (guesser.post("/v1/session", &right).status == 201).then_some(()));
}

pub(crate) fn a_literal_grant_fits_one_name(world: &World) {
    let (mut owner, _) = world.user(&["developer"]);
    let (mut user, name) = world.user(&[]);
    let queue = world.name("literal");
    let longer = format!("{queue}.more");
    for queue in [&queue, &longer] {
        owner.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201);
    }
    assert_eq!(publish(&mut user, &queue), 403);
    world.grant(&name, "queue", "literal", &queue, &["publish"]);
    assert_eq!((publish(&mut user, &queue), publish(&mut user, &longer)), (201, 403));
    assert_eq!(receive(&mut user, &queue), 403, "only what was granted");
    user.put(&format!("/v1/topics/{queue}"), &Value::Null).refused(403, "forbidden");
}

pub(crate) fn a_prefix_grant_fits_many(world: &World) {
    let (mut owner, _) = world.user(&["developer"]);
    let (mut user, name) = world.user(&[]);
    let prefix = world.name("prefix");
    let names = [format!("{prefix}.a"), format!("{prefix}.b")];
    for queue in &names {
        owner.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201);
    }
    world.grant(&name, "queue", "prefix", &format!("{prefix}."), &["consume", "describe", "create"]);
    assert!(names.iter().all(|queue| receive(&mut user, queue) == 200));
    let listed = user.get("/v1/queues").ok(200);
    assert_eq!(texts(&listed["items"], "name"), names, "a list shows what may be seen");
    user.put(&format!("/v1/queues/{prefix}.c"), &Value::Null).ok(201);
    user.put(&format!("/v1/queues/{prefix}"), &Value::Null).refused(403, "forbidden");
    user.delete(&format!("/v1/queues/{prefix}.c")).ok(200);
    user.delete(&format!("/v1/queues/{prefix}.a")).refused(403, "forbidden");
}

pub(crate) fn a_deny_beats_everything(world: &World) {
    let (mut owner, name) = world.user(&["developer", "publisher"]);
    let queue = world.name("denied");
    owner.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201);
    world.grant(&name, "queue", "literal", &queue, &["publish", "delete"]);
    assert_eq!(publish(&mut owner, &queue), 201);
    let resource = json!({"kind": "queue", "name": queue});
    let deny = json!({"user": name, "resource": resource, "rights": ["publish", "delete"], "effect": "deny"});
    world.admin().post("/v1/grants", &deny).ok(200);
    assert_eq!(publish(&mut owner, &queue), 403, "owner, role and grant");
    assert_eq!(receive(&mut owner, &queue), 200);
    let query = format!("user={name}&kind=queue&name={queue}&effect=deny");
    assert_eq!(world.admin().delete(&format!("/v1/grants?{query}")).status, 204);
    assert_eq!(publish(&mut owner, &queue), 201);
}

pub(crate) fn grants_are_replaced_listed_and_removed(world: &World) {
    let (mut user, name) = world.user(&[]);
    let mut admin = world.admin();
    let queue = world.name("grants");
    world.grant(&name, "queue", "literal", &queue, &["publish"]);
    world.grant(&name, "queue", "literal", &queue, &["consume", "describe"]);
    let expected = json!({"grants": [{
        "user": name, "effect": "allow", "rights": ["describe", "consume"],
        "resource": {"kind": "queue", "namespace": "default", "name": queue, "pattern": "literal"},
    }]});
    let listed = admin.get(&format!("/v1/grants?user={name}")).ok(200);
    assert_eq!(listed, expected);
    assert_eq!(user.get(&format!("/v1/grants?user={name}")).ok(200), expected, "everybody sees its own");
    user.get("/v1/grants").refused(403, "forbidden");
    let query = format!("/v1/grants?user={name}&kind=queue&name={queue}");
    user.delete(&query).refused(403, "forbidden");
    assert_eq!(admin.delete(&query).status, 204);
    admin.delete(&query).refused(404, "grant_not_found");
    admin.get("/v1/grants?user=nobody-such").refused(404, "user_not_found");
    let resource = json!({"kind": "queue", "name": queue});
    let mut refused = |request: Value, status, code: &str| {
        admin.post("/v1/grants", &request).refused(status, code);
    };
    refused(json!({"user": "nobody-such", "resource": resource, "rights": ["publish"]}), 404, "user_not_found");
    refused(json!({"user": name, "resource": resource, "rights": []}), 400, "argument_invalid");
    refused(json!({"user": name, "resource": resource, "rights": ["fly"]}), 400, "body_invalid");
    refused(
        json!({"user": name, "resource": {"kind": "shoe", "name": ""}, "rights": ["publish"]}),
        400,
        "body_invalid",
    );
}

pub(crate) fn the_audit_log_is_for_auditors(world: &World) {
    let (mut auditor, _) = world.user(&["auditor"]);
    let (mut user, name) = world.user(&["developer", "consumer"]);
    let queue = world.name("audited");
    user.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201);
    user.get("/v1/users").refused(403, "forbidden");
    let wrong = json!({"username": name, "password": "a wrong guess"});
    world.nobody().post("/v1/session", &wrong).refused(401, "unauthenticated");
    let path = "/v1/namespaces/$system/topics/$audit/partitions/0/messages";
    let (mut next, mut seen) = (0, Vec::<Value>::new());
    let found = |seen: &[Value], what: &str, outcome: &str| {
        seen.iter().any(|entry| {
            entry["who"] == name.as_str()
                && entry["what"].as_str().unwrap().contains(what)
                && entry["outcome"].as_str().unwrap().contains(outcome)
        })
    };
    eventually("the entries", || {
        let read = auditor.get(&format!("{path}?offset={next}&limit=1000")).ok(200);
        next = read["next"].as_u64().unwrap();
        seen.extend(texts(&read["messages"], "body").iter().map(|line| serde_json::from_str(line).unwrap()));
        let all = found(&seen, "CreateQueue", "done")
            && found(&seen, "ListUsers", "forbidden")
            && found(&seen, "Authenticate", "unauthenticated");
        all.then_some(())
    });
    assert!(seen.iter().any(|entry| entry["on"].as_str().unwrap().contains(&queue)));
    let whole = serde_json::to_string(&seen).unwrap();
    assert!(!whole.contains(PASSWORD) && !whole.contains("a wrong guess") && !whole.contains("recado_"));
    user.get(path).refused(403, "forbidden");
    user.put("/v1/namespaces/$system/topics/$audit/subscriptions/spy", &Value::Null).refused(403, "forbidden");
    let entry = json!({"messages": [{"body": "forged"}]});
    let audit = "/v1/namespaces/$system/topics/$audit";
    for client in [&mut auditor, &mut world.admin()] {
        client.post(&format!("{audit}/messages"), &entry).refused(403, "forbidden");
        client.delete(&format!("{audit}?force=true")).refused(403, "forbidden");
    }
}

pub(crate) fn the_node_is_for_monitors(world: &World) {
    let (mut monitor, _) = world.user(&["monitor"]);
    let (mut user, _) = world.user(&["developer"]);
    let node = monitor.get("/v1/node").ok(200);
    assert_eq!((&node["readiness"], &node["durability"]), (&json!("ready"), &json!("fsync")));
    let metrics = monitor.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().lines().any(|line| line.starts_with("recado_")), "{}", metrics.text());
    for path in ["/v1/node", "/metrics"] {
        user.get(path).refused(403, "forbidden");
        world.nobody().get(path).refused(401, "unauthenticated");
    }
    assert_eq!(world.nobody().get("/health/live").ok(200), json!({"live": true}));
    let ready = eventually("readiness", || {
        let answer = world.nobody().get("/health/ready");
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(ready, json!({"status": "ready"}));
    monitor.get("/v1/queues").ok(200);
}

pub(crate) fn codes_explain_themselves(world: &World) {
    let mut nobody = world.nobody();
    let problem = nobody.get("/v1/queues").refused(401, "unauthenticated");
    let explained = nobody.get(problem["type"].as_str().unwrap()).ok(200);
    assert_eq!((&explained["code"], &explained["status"]), (&problem["code"], &problem["status"]));
    nobody.get("/nowhere").refused(404, "path_not_found");
    nobody.send("PATCH", "/v1/session", &[], &[]).refused(405, "method_not_allowed");
    let document = nobody.get("/openapi.json").ok(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1") && document["paths"]["/v1/queues"].is_object());
}
