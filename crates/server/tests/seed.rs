//! The defects of the system that Recado grows from, against the real binary; and what a restart brings back.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

mod suite;
mod world;

use serde_json::{Value, json};

use suite::seed::Way;
use world::{Report, Shape, World};

suite::seed::seed_suite!(Serve);
suite::seed_codes::seed_codes_suite!(Serve);

#[test]
fn a_restart_brings_names_and_messages_back() {
    let mut world = World::new(Shape::Serve);
    let (mut client, user) = world.user(&["developer"]);
    for kind in ["queue", "topic"] {
        for name in ["first", "second"] {
            client.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
        }
        for number in 0..10 {
            client.post(&format!("/post_to_{kind}/first"), &json!({"data": format!("{number} 🦜")})).ok(200);
        }
    }
    assert_eq!(Way::Old.take(&mut client, "first").as_deref(), Some("0 🦜"));
    let before = ["queues", "topics"].map(|kind| client.get(&format!("/list_{kind}")).ok(200));
    world.stop();
    world.start_again();
    let _report = Report(&world);
    // The session outlives the restart too.
    let mut client = world.nobody().with_token(client.token());
    assert_eq!(client.get("/v1/whoami").ok(200)["name"], user.as_str());
    assert_eq!(before, ["queues", "topics"].map(|kind| client.get(&format!("/list_{kind}")).ok(200)));
    for number in 1..10 {
        assert_eq!(Way::Old.take(&mut client, "first"), Some(format!("{number} 🦜")));
    }
    assert_eq!(Way::Old.take(&mut client, "first"), None);
    let kept = client.get("/v1/topics/first/partitions/0/messages").ok(200);
    assert_eq!(kept["messages"].as_array().unwrap().len(), 10);
    assert_eq!(client.get("/read_from_topic/first").ok(200)["data"], "9 🦜");
}
