//! How commands end, and that standard output holds data only.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

mod support;

use support::{recado, run, stderr, stdout};

#[test]
fn each_kind_of_trouble_has_its_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let nobody = ["--url", "http://127.0.0.1:1"];
    let file = home.path().join("bad.toml");
    std::fs::write(&file, "\nhtpt = \"x\"\n").unwrap();
    let bad = file.to_str().unwrap();
    let cases: [(&[&str], i32, &str); 9] = [
        (&["queue", "list"], 77, "error[not_logged_in]: there is no session for http://127.0.0.1:8081"),
        (&["queue", "list", "--context", "x"], 66, "error[context_not_found]: there is no context x"),
        (&["queue", "lst"], 2, "unrecognized subcommand 'lst'"),
        (&["config", "--check", bad], 78, "did you mean http?"),
        (&["config", "--check", "no-such-file"], 74, "cannot read no-such-file"),
        (&["config", "--http", "0.0.0.0:80"], 78, "--insecure-plaintext"),
        (&["explain", "queue_ful"], 66, "did you mean queue_full?"),
        (&["gateway", "--http", "127.0.0.1:0"], 78, "a gateway needs brokers"),
        (&["health", "--url", "http://127.0.0.1:1"], 69, "error[not_ready]"),
    ];
    for (words, code, said) in cases {
        let ended = run(home.path(), words);
        assert_eq!(ended.status.code(), Some(code), "{words:?}: {}", stderr(&ended));
        assert!(stderr(&ended).contains(said), "{words:?}: {}", stderr(&ended));
    }
    let unreachable = recado(home.path(), &["queue", "list"]).args(nobody).env("RECADO_TOKEN", "t").output().unwrap();
    assert_eq!(unreachable.status.code(), Some(69));
    assert!(stdout(&unreachable).is_empty() && stderr(&unreachable).starts_with("error[unreachable]: "));
}

#[test]
fn a_port_in_use_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(home.path(), &["gateway", "--brokers", "http://127.0.0.1:1", "--http", &address]);
    assert_eq!(ended.status.code(), Some(74));
    assert!(stderr(&ended).contains("give --http another port"), "{}", stderr(&ended));
}

#[test]
fn settings_say_where_they_came_from() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("recado.toml");
    std::fs::write(&file, "# a broker\nlog = \"warn\"\n").unwrap();
    let shown = recado(home.path(), &["config", "--origin", "--output", "json", "--drain", "1s", "--config"])
        .arg(&file)
        .env("RECADO_HTTP", "127.0.0.1:9")
        .output()
        .unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&shown.stdout).unwrap();
    let origin = |key: &str| rows.iter().find(|row| row["key"] == key).unwrap()["origin"].as_str().unwrap().to_owned();
    assert_eq!(origin("data"), "default");
    assert_eq!(origin("http"), "environment RECADO_HTTP");
    assert_eq!(origin("drain"), "flag --drain");
    assert!(origin("log").ends_with("recado.toml:2"), "{}", origin("log"));
}

#[test]
fn contexts_are_kept_and_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let done = |words: &[&str]| run(home.path(), words).status.success();
    assert!(done(&["context", "add", "a", "--broker", "http://127.0.0.1:1"]));
    assert!(done(&["context", "add", "b", "--use"]));
    let list = stdout(&run(home.path(), &["context", "list"]));
    let row = |line: &str| line.split_whitespace().take(3).eq(["*", "b", "http://127.0.0.1:8081"]);
    assert!(list.lines().any(row), "{list}");
    assert!(done(&["context", "use", "a"]) && done(&["context", "remove", "b"]));
    assert_eq!(run(home.path(), &["context", "use", "b"]).status.code(), Some(66));
}
