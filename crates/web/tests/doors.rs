//! What every answer has in common: headers, credentials, where a caller comes from, health, metrics, pages.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use common::{Asked, door, door_with};
use model::node::Readiness;
use tokio::time::Instant;
use web::Settings;
use web::limits::{REQUEST, WAIT};

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let door = door();
    for line in ["GET /v1/queues", "GET /nowhere", "PUT /health/live", "GET /health/live", "GET /errors/fault"] {
        let answer = door.ask(line, &[("origin", "https://evil.example")], "").await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{line}");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'", "{line}");
        assert_eq!(answer.header("cache-control"), "no-store", "{line}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{line}");
        assert_eq!(answer.header("recado-insecure"), "", "{line}");
    }
}

#[tokio::test]
async fn plaintext_beyond_this_machine_is_visible_everywhere() {
    let settings = Settings { insecure_plaintext_visible: true, ..Settings::default() };
    let door = door_with(settings, Readiness::Ready);
    for line in ["GET /v1/queues", "GET /nowhere", "GET /health/live"] {
        assert_eq!(door.ask(line, &[], "").await.header("recado-insecure"), "plaintext", "{line}");
    }
}

#[tokio::test]
async fn credentials_that_are_missing_or_wrong_look_the_same() {
    let door = door();
    let bare = door.ask("GET /v1/queues", &[], "").await;
    assert_eq!(bare.line(), "401 unauthenticated");
    for header in ["Bearer bad", "Bearer", "Basic !", "Basic YW5uOmJhZA==", "Digest x"] {
        let answer = door.ask("GET /v1/queues", &[("authorization", header)], "").await;
        assert_eq!((answer.line(), &answer.body), (bare.line(), &bare.body), "{header}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"recado\", Bearer");
    }
    let right = door.ask("GET /v1/queues", &[("authorization", "Basic YW5uOmdvb2Q=")], "").await;
    assert_eq!(right.line(), "503 unreachable", "past the gate");
}

#[tokio::test]
async fn credentials_are_proved_before_anything_else_is_read() {
    let door = door();
    for line in ["GET /v1/queues/%3Cscript%3E", "GET /v1/queues?limit=0", "PUT /v1/queues/q"] {
        assert_eq!(door.ask(line, &[], "not json").await.line(), "401 unauthenticated", "{line}");
    }
}

async fn claims(door: &Asked, address: Option<&str>, extra: &[(&str, &str)]) -> bool {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(extra);
    *door.gate.origin_slot() = None;
    let body = r#"{"token":"t","username":"root","password":"long enough"}"#;
    let answer = door.ask_from(address, "POST /v1/claim", &headers, body).await;
    assert_eq!(answer.line(), "403 claim_invalid");
    door.origin().is_some()
}

#[tokio::test]
async fn only_this_machine_can_claim() {
    let door = door();
    for local in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        assert!(claims(&door, Some(local), &[]).await, "{local} reaches the gate");
    }
    for remote in ["10.0.0.1", "::", "0.0.0.0", "::ffff:10.0.0.1"] {
        assert!(!claims(&door, Some(remote), &[]).await, "{remote} is refused at the door");
    }
    assert!(!claims(&door, None, &[]).await, "an unknown peer is not local");
    for proxy in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        assert!(!claims(&door, Some("127.0.0.1"), &[(proxy, "127.0.0.1")]).await, "{proxy}");
        assert!(!claims(&door, Some("10.0.0.1"), &[(proxy, "127.0.0.1")]).await, "{proxy} lends no trust");
    }
}

#[tokio::test]
async fn health_says_a_word_and_no_more() {
    for (readiness, expected) in [
        (Readiness::Ready, r#"200 {"status":"ready"}"#),
        (Readiness::DiskNearlyFull, r#"200 {"status":"disk_nearly_full"}"#),
        (Readiness::Starting, "503 starting"),
        (Readiness::Draining, "503 draining"),
        (Readiness::Stopped { fault: "secret/path".to_owned() }, "503 fault"),
    ] {
        let door = door_with(Settings::default(), readiness);
        let answer = door.ask("GET /health/ready", &[], "").await;
        assert!(!answer.text().contains("secret"), "{}", answer.text());
        let said = if answer.status.is_success() { format!("200 {}", answer.text()) } else { answer.line() };
        assert_eq!(said, expected);
        assert_eq!(door.ask("GET /health/live", &[], "").await.text(), r#"{"live":true}"#);
    }
}

#[tokio::test]
async fn metrics_are_for_those_who_may_monitor() {
    let closed = door();
    assert_eq!(closed.ask("GET /metrics", &[], "").await.line(), "401 unauthenticated");
    assert_eq!(closed.get("/metrics").await.line(), "503 unreachable");
    assert_eq!(closed.seen(), "DescribeNode(DescribeNode)");

    let open = door_with(Settings { metrics_open: true, ..Settings::default() }, Readiness::Ready);
    open.ask("GET /v1/queues/one", &[], "").await;
    open.ask("GET /v1/queues/two", &[], "").await;
    open.ask("GET /nowhere/at/all", &[], "").await;
    let answer = open.ask("GET /metrics", &[], "").await;
    let lines: Vec<_> = answer.text().lines().collect();
    for line in [
        "recado_queues 0",
        "recado_http_requests_total{route=\"/v1/queues/{queue}\",method=\"GET\",status=\"4xx\"} 2",
        "recado_http_requests_total{route=\"none\",method=\"GET\",status=\"4xx\"} 1",
        "recado_http_request_duration_seconds_count{route=\"/v1/queues/{queue}\",method=\"GET\"} 2",
    ] {
        assert!(lines.contains(&line), "no {line} in\n{}", answer.text());
    }
}

#[tokio::test]
async fn the_page_of_the_document_is_served_from_the_binary() {
    let door = door();
    let page = door.ask("GET /ui/", &[], "").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("script-src 'self';"));
    assert!(!page.text().contains("://"), "nothing is fetched from elsewhere");
    let setup = door.ask("GET /ui/swagger-initializer.js", &[], "").await;
    assert!(setup.text().contains("/openapi.json"), "{}", setup.text());
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_has_an_unknown_outcome() {
    let door = door();
    door.gate.hang();
    for (line, limit, expected) in [
        ("GET /v1/queues", REQUEST, "503 busy"),
        ("PUT /v1/queues/q", REQUEST, "503 outcome_unknown"),
        ("DELETE /v1/queues/q", REQUEST, "503 outcome_unknown"),
        ("GET /read_from_queue/q", REQUEST, "503 outcome_unknown"),
        ("GET /read_from_topic/t", REQUEST, "503 busy"),
        ("POST /v1/queues/q/receive", REQUEST + WAIT, "503 outcome_unknown"),
        ("POST /v1/namespaces/eu/queues/q/receive", REQUEST + WAIT, "503 outcome_unknown"),
        ("GET /v1/topics/t/partitions/0/messages", REQUEST + WAIT, "503 busy"),
    ] {
        let started = Instant::now();
        assert_eq!(door.json(line, "").await.line(), expected, "{line}");
        let took = started.elapsed();
        assert!(took >= limit && took < limit * 2, "{line} took {took:?}");
        assert_eq!(door.gate.waiting(), 0, "{line} leaves nothing behind");
    }
}

#[tokio::test]
async fn a_wait_ends_when_its_client_goes() {
    let door = door();
    door.gate.hang();
    {
        let mut asking = pin!(door.json("POST /v1/queues/q/receive", r#"{"wait_ms":60000}"#));
        poll_fn(|context| Poll::Ready(asking.as_mut().poll(context).is_pending())).await;
        assert_eq!(door.gate.waiting(), 1);
    }
    assert_eq!(door.gate.waiting(), 0);
}

#[tokio::test]
async fn a_head_takes_nothing() {
    let door = door();
    for path in ["/read_from_queue/q", "/v1/queues/q/stream"] {
        assert_eq!(door.json(&format!("HEAD {path}"), "").await.status, 405, "{path}");
        assert_eq!(door.seen(), "nothing", "{path}");
    }
    assert_eq!(door.json("HEAD /health/live", "").await.status, 200);
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let door = door();
    let token = ("authorization", "Bearer good");
    for (line, from, expected) in [
        ("POST /delete_queue/q", ("sec-fetch-site", "cross-site"), "403 forbidden"),
        ("POST /delete_queue/q", ("sec-fetch-site", "same-site"), "403 forbidden"),
        ("POST /v1/queues/q/purge", ("origin", "https://evil.example"), "403 forbidden"),
        ("POST /v1/queues/q/purge", ("origin", "null"), "403 forbidden"),
        ("GET /read_from_queue/q", ("sec-fetch-site", "cross-site"), "403 forbidden"),
        ("POST /delete_queue/q", ("sec-fetch-site", "same-origin"), "503 unreachable"),
        ("POST /delete_queue/q", ("sec-fetch-site", "none"), "503 unreachable"),
        ("POST /delete_queue/q", ("origin", "https://recado.example:7171"), "503 unreachable"),
        ("POST https://h2.example/delete_queue/q", ("origin", "https://h2.example"), "503 unreachable"),
        ("POST https://h2.example/delete_queue/q", ("origin", "https://evil.example"), "403 forbidden"),
        ("POST /delete_queue/q", ("accept", "*/*"), "503 unreachable"),
        ("GET /v1/queues", ("sec-fetch-site", "cross-site"), "503 unreachable"),
    ] {
        let headers = [token, ("host", "recado.example:7171"), from];
        assert_eq!(door.ask(line, &headers, "").await.line(), expected, "{line} {from:?}");
    }
}
