//! People of `/v1` against the real binary, and the claim of a broker without administrator.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

mod suite;
mod world;

use serde_json::{Value, json};

use world::{PASSWORD, World};

suite::people::people_suite!(Serve);
suite::standing::standing_suite!(Serve);

#[test]
fn a_new_broker_is_claimed_once_from_this_machine() {
    let (mut world, token) = World::unclaimed();
    let mut nobody = world.nobody();
    for path in ["/list_queues", "/v1/queues", "/v1/whoami"] {
        let answer = nobody.get(path);
        assert!([401, 403].contains(&answer.status), "{}", answer.text());
    }
    let claim = |token: &str| json!({"token": token, "username": "root", "password": PASSWORD});
    nobody.post("/v1/claim", &claim("wrong")).refused(403, "claim_invalid");
    let passed_on = [("content-type", "application/json"), ("x-forwarded-for", "192.0.2.1")];
    let body = claim(&token).to_string();
    nobody.send("POST", "/v1/claim", &passed_on, body.as_bytes()).refused(403, "claim_invalid");
    let short = json!({"token": token, "username": "root", "password": "short"});
    nobody.post("/v1/claim", &short).refused(400, "argument_invalid");
    let session = nobody.post("/v1/claim", &claim(&token)).ok(201);
    let mut root = nobody.with_token(session["token"].as_str().unwrap());
    assert_eq!(root.get("/v1/whoami").ok(200)["roles"], json!(["admin"]));
    nobody.post("/v1/claim", &claim(&token)).refused(403, "claim_invalid");
    root.put("/v1/queues/first", &Value::Null).ok(201);
    world.stop();
    world.start_again();
    world.nobody().post("/v1/claim", &claim(&token)).refused(403, "claim_invalid");
    let mut root = world.nobody().with_token(root.token());
    assert_eq!(root.get("/v1/queues/first").ok(200)["owner"], "root");
}
