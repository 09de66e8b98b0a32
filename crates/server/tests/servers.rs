//! The command line against a real gRPC server, and a gateway in front of it, from banner to drain.
//! The server is the benchmark's: it confirms after a flush and keeps nothing.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::{Server, recado, run, stderr, stdout};

#[test]
fn a_session_is_kept_and_used() {
    let home = tempfile::tempdir().unwrap();
    let (_server, address) = Server::null(home.path());
    let password = home.path().join("password");
    std::fs::write(&password, "null\n").unwrap();
    let login = ["login", "--url", &address, "--user", "admin", "--password-file", password.to_str().unwrap()];
    let ended = run(home.path(), &login);
    assert!(ended.status.success() && stdout(&ended).is_empty(), "{}", stderr(&ended));

    let created = run(home.path(), &["queue", "create", "orders", "--lease", "2m", "--output", "json"]);
    let document: serde_json::Value = serde_json::from_slice(&created.stdout).unwrap();
    assert_eq!((&document["name"], &document["settings"]["lease_ms"]), (&"orders".into(), &120_000.into()));

    let mut publish = recado(home.path(), &["queue", "publish", "orders", "--lines"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    publish.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    let published = publish.wait_with_output().unwrap();
    assert_eq!(stdout(&published).lines().count(), 3, "{}", stdout(&published));
    assert_eq!(
        stdout(&published).lines().next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["ID", "PLACE", "DUPLICATE"]
    );

    let refused = run(home.path(), &["queue", "create", "<script>"]);
    assert_eq!(refused.status.code(), Some(65), "{}", stderr(&refused));
    assert!(stderr(&refused).starts_with("error[name_invalid]: "));
}

#[test]
fn a_gateway_serves_and_drains() {
    let home = tempfile::tempdir().unwrap();
    let (_server, address) = Server::null(home.path());
    let words = ["gateway", "--brokers", &address, "--http", "127.0.0.1:0", "--log", "error"];
    let mut gateway = Server::start(home.path(), &words, 6);
    let banner = gateway.lines.join("\n");
    assert!(banner.starts_with("recado ") && banner.contains(&address) && !banner.contains('\u{1b}'), "{banner}");
    let rest = banner.lines().find_map(|line| line.trim().strip_prefix("REST")).unwrap().trim();
    let base = rest.strip_suffix("/v1").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !run(home.path(), &["health", "--url", base]).status.success() {
        assert!(std::time::Instant::now() < deadline, "the gateway never got ready");
    }
    assert!(Command::new("kill").arg(gateway.process.id().to_string()).status().unwrap().success());
    assert!(gateway.process.wait().unwrap().success());
}
