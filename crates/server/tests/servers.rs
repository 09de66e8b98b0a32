//! The command line against real servers: this broker, the benchmark's, and a gateway from banner to drain.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{Server, recado, run, stderr, stdout};

/// Runs a command that must succeed and answers with its document.
fn document(home: &Path, words: &[&str]) -> Value {
    let words: Vec<&str> = words.iter().copied().chain(["--output", "json"]).collect();
    let ended = run(home, &words);
    assert!(ended.status.success(), "{words:?}: {}", stderr(&ended));
    serde_json::from_slice(&ended.stdout).unwrap()
}

fn publish_lines(home: &Path, queue: &str, text: &[u8]) -> Output {
    let mut publish = recado(home, &["queue", "publish", queue, "--lines"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    publish.stdin.take().unwrap().write_all(text).unwrap();
    publish.wait_with_output().unwrap()
}

#[test]
fn a_queue_lives_from_create_to_delete() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (_server, _) = Server::bench(home, "product");
    document(home, &["queue", "create", "orders.dead"]);
    let created = document(home, &["queue", "create", "orders", "--lease", "2m", "--dead-letter", "orders.dead"]);
    assert_eq!((&created["owner"], &created["settings"]["lease_ms"]), (&"admin".into(), &120_000.into()));

    let published = publish_lines(home, "orders", b"one\ntwo\nthree\n");
    let heads: Vec<String> = stdout(&published).lines().next().unwrap().split_whitespace().map(str::to_owned).collect();
    assert_eq!((stdout(&published).lines().count(), heads.join(" ").as_str()), (4, "ID PLACE DUPLICATE"));

    let first = run(home, &["queue", "receive", "orders", "--ack", "--body"]);
    assert_eq!(stdout(&first), "one\n");
    let taken = document(home, &["queue", "receive", "orders"]);
    let receipt = taken["messages"][0]["receipt"].as_str().unwrap();
    document(home, &["queue", "nack", "orders", receipt, "--reject"]);
    let again = run(home, &["queue", "ack", "orders", receipt]);
    assert_eq!((again.status.code(), stdout(&again).contains("lease_lost")), (Some(1), true));

    let dead = document(home, &["queue", "peek", "orders.dead"]);
    assert_eq!(
        (&dead["messages"][0]["body"], &dead["messages"][0]["dead_letter"]["reason"]),
        (&"two".into(), &"rejected".into())
    );
    assert_eq!(document(home, &["queue", "redrive", "orders.dead"])["moved"], 1);
    assert_eq!(document(home, &["queue", "describe", "orders"])["counts"]["ready"], 2);

    let kept = run(home, &["queue", "delete", "orders"]);
    assert_eq!(kept.status.code(), Some(73), "{}", stderr(&kept));
    assert_eq!(document(home, &["queue", "delete", "orders", "--force"])["messages"], 2);
    let gone = run(home, &["queue", "describe", "orders"]);
    assert_eq!(
        (gone.status.code(), stderr(&gone).lines().next().unwrap()),
        (Some(66), "error[queue_not_found]: there is no queue default/orders")
    );
}

#[test]
fn a_topic_is_read_tailed_and_subscribed_to() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (_server, _) = Server::bench(home, "product");
    document(home, &["topic", "create", "flights", "--partitions", "2"]);
    document(home, &["subscription", "create", "flights", "all", "--kind", "stream"]);
    for number in ["1", "2", "3"] {
        document(home, &["topic", "publish", "flights", number, "--partition", "1"]);
    }
    let read = run(home, &["topic", "read", "flights", "--partition", "1", "--from", "1", "--body"]);
    assert_eq!(stdout(&read), "2\n3\n");
    let tail = run(home, &["topic", "tail", "flights", "--from", "earliest", "--count", "3", "--output", "json"]);
    let offsets: Vec<Value> =
        stdout(&tail).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["offset"].clone()).collect();
    assert_eq!(offsets, [0, 1, 2]);

    let taken = document(home, &["subscription", "receive", "flights", "all", "--max", "10", "--wait", "5s"]);
    assert_eq!(taken["messages"].as_array().unwrap().len(), 3);
    let committed = document(home, &["subscription", "commit", "flights", "all", "1-3"]);
    assert_eq!(committed["offsets"][0]["offset"], 3);
    assert_eq!(document(home, &["subscription", "describe", "flights", "all"])["lag"], 0);
}

#[test]
fn users_have_what_they_are_granted() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (_server, address) = Server::bench(home, "product");
    let password = home.join("ada.password");
    std::fs::write(&password, "a long secret\n").unwrap();
    let file = password.to_str().unwrap();
    document(home, &["user", "create", "ada", "--new-password-file", file]);
    document(home, &["queue", "create", "orders"]);
    let ada = |words: &[&str]| {
        let way = ["--url", &address, "--user", "ada", "--password-file", file];
        run(home, &words.iter().copied().chain(way).collect::<Vec<_>>())
    };
    assert_eq!(ada(&["queue", "publish", "orders", "x"]).status.code(), Some(77));
    document(home, &["grant", "add", "ada", "--right", "publish", "--queue", "orders"]);
    assert_eq!(ada(&["queue", "publish", "orders", "x"]).status.code(), Some(0));
    assert_eq!(ada(&["queue", "delete", "orders", "--force"]).status.code(), Some(77));

    let token = run(home, &["token", "create", "reader", "--right", "describe"]);
    let tokened = |words: &[&str]| recado(home, words).env("RECADO_TOKEN", stdout(&token).trim()).output().unwrap();
    assert_eq!(tokened(&["queue", "describe", "orders"]).status.code(), Some(0));
    assert_eq!(tokened(&["queue", "purge", "orders"]).status.code(), Some(77));
    assert!(run(home, &["logout"]).status.success());
    assert_eq!(run(home, &["queue", "list"]).status.code(), Some(77));
}

#[test]
fn what_comes_from_outside_is_refused_with_its_code() {
    let home = tempfile::tempdir().unwrap();
    let (_server, _) = Server::bench(home.path(), "null");
    let refused = run(home.path(), &["queue", "create", "<script>"]);
    assert_eq!(refused.status.code(), Some(65), "{}", stderr(&refused));
    assert!(stderr(&refused).starts_with("error[name_invalid]: "));
}

#[test]
fn the_demonstration_ends_equal() {
    let home = tempfile::tempdir().unwrap();
    let ended = run(home.path(), &["demo"]);
    assert!(ended.status.success(), "{}", stderr(&ended));
    assert_eq!(stdout(&ended).lines().last(), Some("equal"));
    assert!(!stdout(&ended).contains('\u{1b}') && !stderr(&ended).contains('\u{1b}'));
}

#[test]
fn the_benchmark_of_amqp_stands_beside_another_broker() {
    let home = tempfile::tempdir().unwrap();
    let (server, _) = Server::bench(home.path(), "product");
    let greeting: Value = serde_json::from_str(&server.lines[0]).unwrap();
    let (address, password) = (greeting["amqp"].as_str().unwrap(), greeting["password"].as_str().unwrap());
    let other = format!("amqp://admin:{password}@{address}/%2f");
    let report = document(home.path(), &["bench", "--quick", "--amqp-url", &other]);
    let rows = report["rows"].as_array().unwrap();
    let targets: Vec<&str> = rows.iter().map(|row| row["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["product", "classic", "quorum"].repeat(4));
    assert!(rows.iter().all(|row| row["missing"] == 0 && row["doubled"] == 0), "{report}");
    assert!(rows[0]["times_classic"].is_f64() && rows[6]["p99_of_quorum"].is_f64(), "{report}");
}

#[test]
fn a_gateway_serves_and_drains() {
    let home = tempfile::tempdir().unwrap();
    let (_server, address) = Server::bench(home.path(), "null");
    let any = "127.0.0.1:0";
    let words = ["gateway", "--brokers", &address, "--http", any, "--amqp", any, "--log", "error"];
    let mut gateway = Server::start(home.path(), &words, 8);
    let banner = gateway.lines.join("\n");
    assert!(banner.starts_with("recado ") && banner.contains(&address) && !banner.contains('\u{1b}'), "{banner}");
    let rest = banner.lines().find_map(|line| line.trim().strip_prefix("REST")).unwrap().trim();
    let base = rest.strip_suffix("/v1").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let health = run(home.path(), &["health", "--url", base]);
        if health.status.success() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the gateway never got ready: {}", stderr(&health));
    }
    assert!(Command::new("kill").arg(gateway.process.id().to_string()).status().unwrap().success());
    assert!(gateway.process.wait().unwrap().success());
}
