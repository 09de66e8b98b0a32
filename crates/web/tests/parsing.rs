//! What each request becomes on its way to the broker, and how what cannot be read is answered.
//! The tables read: what is asked → what reached the gate, or the status and code.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use axum::body::Body;
use common::{door, door_with};
use model::node::Readiness;
use web::Settings;

/// Asserts that a JSON request reaches the gate as a request whose debug text holds all of these parts.
macro_rules! reaches {
    ($door:expr, $line:expr, $body:expr, [$($part:expr),+ $(,)?]) => {{
        let answer = $door.json($line, $body).await;
        assert_eq!(answer.line(), "503 unreachable", "{}: {}", $line, answer.text());
        assert_eq!(answer.header("retry-after"), "1");
        let seen = $door.seen();
        $( assert!(seen.contains($part), "{} became {seen}, without {}", $line, $part); )+
    }};
}

#[tokio::test]
async fn queues_reach_the_broker() {
    let door = door();
    reaches!(door, "PUT /v1/queues/orders", "", ["CreateQueue", "\"default\"", "\"orders\"", "lease: Span(30000)"]);
    reaches!(
        door,
        "PUT /v1/namespaces/eu/queues/a%2Fb",
        r#"{"max_bytes":5,"order":"per_key","dead_letter":"dead"}"#,
        ["\"eu\"", "\"a/b\"", "max_bytes: Some(ByteSize(5))", "PerKey", "dead_letter: Some(QueueName(\"dead\"))"]
    );
    reaches!(
        door,
        "PATCH /v1/queues/q",
        r#"{"max_messages":null,"lease_ms":100}"#,
        ["AlterQueue", "max_messages: Some(None)", "max_bytes: None", "lease: Some(Span(100))"]
    );
    reaches!(door, "DELETE /v1/queues/q", "", ["DeleteQueue", "IfEmpty"]);
    reaches!(door, "DELETE /v1/queues/q?force=true", "", ["Force"]);
    reaches!(
        door,
        "GET /v1/queues?prefix=o&limit=5&cursor=order",
        "",
        ["ListQueues", "prefix: \"o\"", "limit: 5", "cursor: Some(\"order\")"]
    );
    reaches!(door, "POST /v1/queues/q/purge", "", ["PurgeQueue"]);
    reaches!(door, "POST /v1/queues/q/transfer", r#"{"owner":"bob"}"#, ["TransferQueue", "UserName(\"bob\")"]);
    reaches!(
        door,
        "POST /v1/queues/q/cancel",
        r#"{"places":[{"partition":1,"sequence":2}]}"#,
        ["CancelMessages", "Partition(1)", "Sequence(2)"]
    );
    reaches!(
        door,
        "POST /v1/namespaces/eu/queues/q/redrive",
        r#"{"reason":"expired","target":"t","rate":9}"#,
        [
            "Redrive",
            "Some(Expired)",
            "target: Some(QueueRef { namespace: NamespaceName(\"eu\"), name: QueueName(\"t\") })"
        ]
    );
    reaches!(
        door,
        "GET /v1/queues/q/messages?state=delayed&cursor=3-17",
        "",
        ["Peek", "Delayed", "limit: 100", "Partition(3), sequence: Sequence(17)"]
    );
    reaches!(door, "GET /v1/queues/q/stream?credit=5&lease_ms=1000", "", ["Consume", "credit: 5", "Some(Span(1000))"]);
}

#[tokio::test]
async fn messages_reach_the_broker() {
    let door = door();
    reaches!(
        door,
        "POST /v1/queues/q/messages",
        r#"{"messages":[{"body":"é","headers":{"a":1,"b":[1.0,"x",true],"c":{"base64":"/w=="}},"key":"k","priority":9}]}"#,
        [
            "Publish",
            r#"body: b"\xc3\xa9""#,
            "(\"a\", Integer(1))",
            "(\"b\", Real(1.0)), (\"b\", Text(\"x\")), (\"b\", Boolean(true))",
            r#"("c", Binary(b"\xff"))"#,
            "Some(b\"k\")",
            "Priority(9)",
            "availability: Now",
            "id: None"
        ]
    );
    reaches!(
        door,
        "POST /v1/queues/q/messages",
        r#"{"messages":[{"body_base64":"//8=","ttl_ms":5,"delay_ms":7,"id":"x"},{"deliver_at":8}]}"#,
        [r#"body: b"\xff\xff""#, "After(Span(7))", "ttl: Some(Span(5))", "MessageId(\"x\")", "At(Timestamp(8))"]
    );
    reaches!(
        door,
        "POST /v1/topics/t/messages",
        r#"{"messages":[{"body":"x","partition":3}]}"#,
        ["PublishTopic", "partition: Some(Partition(3))"]
    );
    reaches!(door, "POST /v1/queues/q/receive", "", ["Receive", "max: 10", "wait: Span(0)", "lease: None"]);
    reaches!(
        door,
        "POST /v1/queues/q/receive",
        r#"{"max":1000,"wait_ms":60000,"lease_ms":100}"#,
        ["max: 1000", "Span(60000)", "Some(Span(100))"]
    );
    reaches!(
        door,
        "POST /v1/topics/t/subscriptions/s/receive",
        r#"{"member":"m1"}"#,
        ["Subscription(SubscriptionRef", "MemberName(\"m1\")"]
    );
    reaches!(
        door,
        "GET /v1/topics/t/partitions/2/messages?time=99&wait_ms=5",
        "",
        ["ReadPartition", "Partition(2)", "Time(Timestamp(99))", "Span(5)"]
    );
}

#[tokio::test]
async fn one_raw_message_carries_its_properties_beside_it() {
    let door = door();
    let headers = [
        ("authorization", "Bearer good"),
        ("content-type", "application/octet-stream"),
        ("recado-key", "k"),
        ("recado-header-trace", "a1"),
        ("recado-content-type", "image/png"),
        ("idempotency-key", "\"once\""),
    ];
    let line = "POST /v1/queues/q/messages?priority=3&delay_ms=5";
    assert_eq!(door.ask(line, &headers, Body::from(vec![0, 255])).await.line(), "503 unreachable");
    let seen = door.seen();
    for part in
        [r#"b"\0\xff""#, "Some(b\"k\")", "(\"trace\", Text(\"a1\"))", "image/png", "Priority(3)", "Span(5)", "7:once:0"]
    {
        assert!(seen.contains(part), "{seen} lacks {part}");
    }
    let twice = door.ask("POST /v1/queues/q/messages?key=a", &headers, "x").await;
    assert_eq!(twice.line(), "400 argument_invalid");
    assert!(twice.text().contains("recado-key is not valid: it is given twice"), "{}", twice.text());
}

#[tokio::test]
async fn an_idempotency_key_gives_ids_to_messages_that_have_none() {
    let door = door();
    let headers =
        [("authorization", "Bearer good"), ("content-type", "application/json"), ("idempotency-key", "job 1")];
    let body = r#"{"messages":[{"body":"a"},{"body":"b","id":"mine"},{"body":"c"}]}"#;
    assert_eq!(door.ask("POST /v1/queues/q/messages", &headers, body).await.line(), "503 unreachable");
    let seen = door.seen();
    for part in ["MessageId(\"7:job 1:0\")", "MessageId(\"mine\")", "MessageId(\"7:job 1:2\")"] {
        assert!(seen.contains(part), "{seen} lacks {part}");
    }
    let long = "x".repeat(97);
    let headers = [("authorization", "Bearer good"), ("content-type", "application/json"), ("idempotency-key", &long)];
    assert_eq!(door.ask("POST /v1/queues/q/messages", &headers, body).await.line(), "400 argument_invalid");
}

#[tokio::test]
async fn the_rest_reaches_the_broker() {
    let door = door();
    let receipt = format!("01{}{}", "0".repeat(58), "01");
    let receipts = format!(r#"{{"receipts":["{receipt}","no"]}}"#);
    reaches!(door, "POST /v1/queues/q/ack", receipts, ["Ack", "attempt: Attempt(1) }] }"]);
    reaches!(
        door,
        "POST /v1/queues/q/nack",
        format!(r#"{{"receipts":["{receipt}"],"delay_ms":5}}"#),
        ["Retry(Span(5))"]
    );
    reaches!(door, "POST /v1/queues/q/nack", format!(r#"{{"receipts":["{receipt}"],"reject":true}}"#), ["Reject"]);
    reaches!(
        door,
        "POST /v1/queues/q/extend",
        format!(r#"{{"receipts":["{receipt}"],"lease_ms":500}}"#),
        ["Span(500)"]
    );
    reaches!(door, "PUT /v1/topics/t", r#"{"partitions":3,"retention_ms":null}"#, ["partitions: 3", "retention: None"]);
    reaches!(door, "PATCH /v1/topics/t", r#"{"retention_bytes":null}"#, ["retention_bytes: Some(None)"]);
    reaches!(
        door,
        "PUT /v1/topics/t/subscriptions/s",
        r#"{"kind":"stream","start":{"offset":4}}"#,
        ["Stream { session: Span(30000) }", "Offset(Offset(4))"]
    );
    reaches!(door, "PUT /v1/topics/t/subscriptions/s", "", ["Shared { lease: Span(30000)", "Latest"]);
    reaches!(
        door,
        "POST /v1/topics/t/subscriptions/s/commit",
        r#"{"offsets":[{"partition":0,"offset":9}]}"#,
        ["Commit", "Offset(9)"]
    );
    reaches!(
        door,
        "POST /v1/topics/t/subscriptions/s/seek",
        r#"{"to":{"time":5},"partition":1}"#,
        ["Time(Timestamp(5))"]
    );
    reaches!(door, "POST /v1/topics/t/subscriptions/s/leave", r#"{"member":"m"}"#, ["LeaveSubscription"]);
    reaches!(
        door,
        "PUT /v1/users/bob",
        r#"{"password":"long enough","roles":["developer"]}"#,
        ["Secret(…)", "[Developer]"]
    );
    reaches!(door, "PATCH /v1/users/bob", r#"{"disabled":true}"#, ["AlterUser", "disabled: Some(true)"]);
    reaches!(door, "POST /v1/tokens", r#"{"label":"ci","rights":["publish"],"lifetime_ms":5}"#, ["{\"publish\"}"]);
    reaches!(door, "DELETE /v1/tokens/12", "", ["RevokeToken", "TokenId(12)"]);
    reaches!(
        door,
        "POST /v1/grants",
        r#"{"user":"bob","resource":{"kind":"queue","name":"","pattern":"prefix"},"rights":["consume"]}"#,
        ["AddGrant", "Prefix(\"\")", "Allow"]
    );
    reaches!(
        door,
        "DELETE /v1/grants?user=bob&kind=topic&name=t&effect=deny",
        "",
        ["RemoveGrant", "Topic", "Literal(\"t\")", "Deny"]
    );
    reaches!(door, "PUT /v1/namespaces/eu", "", ["CreateNamespace"]);
    reaches!(door, "DELETE /v1/session", "", ["Logout"]);
    reaches!(door, "POST /post_to_queue/q", r#"{"data":"\ud83d\ude00"}"#, [r#"body: b"\xf0\x9f\x98\x80""#]);
    reaches!(door, "GET /read_from_queue/q", "", ["Receive", "max: 1"]);
    reaches!(door, "GET /read_from_topic/t", "", ["DescribeTopic"]);
    reaches!(door, "POST /delete_queue/q", "", ["DeleteQueue", "Force"]);
}

const UNREADABLE: &[(&str, &str, &str)] = &[
    ("PUT /v1/queues/%3Cscript%3E", "", "400 name_invalid"),
    ("GET /v1/queues/%FF", "", "400 name_invalid"),
    ("GET /v1/queues/a%zz", "", "400 name_invalid"),
    ("GET /v1/queues/%2E%2E", "", "400 name_invalid"),
    ("GET /v1/namespaces/%00/queues/q", "", "400 name_invalid"),
    ("GET /v1/queues?limit=0", "", "400 argument_invalid"),
    ("GET /v1/queues?limit=-1", "", "400 argument_invalid"),
    ("GET /v1/queues?limit=1&limit=2", "", "400 argument_invalid"),
    ("GET /v1/queues?colour=red", "", "400 argument_invalid"),
    ("GET /v1/queues/q/messages?cursor=1", "", "400 argument_invalid"),
    ("GET /v1/queues/q/messages?state=gone", "", "400 argument_invalid"),
    ("DELETE /v1/queues/q?force=maybe", "", "400 argument_invalid"),
    ("GET /v1/topics/t/partitions/x/messages", "", "400 argument_invalid"),
    ("GET /v1/topics/t/partitions/0/messages?offset=1&time=2", "", "400 argument_invalid"),
    ("GET /v1/topics/t/stream?offset=1", "", "400 argument_invalid"),
    ("GET /v1/topics/t/stream?partition=0&offset=1&from=latest", "", "400 argument_invalid"),
    ("GET /v1/queues/q/stream?credit=1001", "", "400 argument_invalid"),
    ("DELETE /v1/tokens/abc", "", "400 argument_invalid"),
    ("PUT /v1/queues/q", "{", "400 body_invalid"),
    ("PUT /v1/queues/q", "[]", "400 body_invalid"),
    ("PUT /v1/queues/q", "null", "400 body_invalid"),
    ("POST /v1/session", r#"["ann","good"]"#, "400 body_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[["text"]]}"#, "400 body_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"headers":{"a":["x",["/w=="]]}}]}"#, "400 body_invalid"),
    ("POST /v1/queues/q/cancel", r#"{"places":[[0,1]]}"#, "400 body_invalid"),
    ("POST /v1/grants", r#"{"user":"b","resource":["queue"],"rights":["peek"]}"#, "400 body_invalid"),
    ("PUT /v1/queues/q", r#"{"lease_ms":99}"#, "400 argument_invalid"),
    ("PUT /v1/queues/q", r#"{"lease_ms":-1}"#, "400 body_invalid"),
    ("PUT /v1/queues/q", r#"{"lease_ms":1e3}"#, "400 body_invalid"),
    ("PUT /v1/queues/q", r#"{"lease_ms":30000,"lease_ms":30000}"#, "400 body_invalid"),
    ("PUT /v1/queues/q", r#"{"color":1}"#, "400 body_invalid"),
    ("PUT /v1/queues/q", r#"{"dead_letter":"<b>"}"#, "400 name_invalid"),
    ("PATCH /v1/queues/q", "", "400 body_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[]}"#, "400 batch_size"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"body":"a","body_base64":"YQ=="}]}"#, "400 argument_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"body_base64":"a"}]}"#, "400 argument_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"priority":256}]}"#, "400 body_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"priority":300}]}"#, "400 body_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"partition":1}]}"#, "400 argument_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"delay_ms":1,"deliver_at":1}]}"#, "400 argument_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"headers":{"a":{"int8":128}}}]}"#, "400 body_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"headers":{"a":{"b":1}}}]}"#, "400 body_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"headers":{"a":9223372036854775808}}]}"#, "400 body_invalid"),
    ("POST /v1/queues/q/messages", r#"{"messages":[{"headers":{"":1}}]}"#, "400 argument_invalid"),
    ("POST /v1/queues/q/messages", "{\"messages\":[{\"body\":\"\\ud800\"}]}", "400 body_invalid"),
    ("POST /v1/queues/q/messages?key=k", r#"{"messages":[{"body":"a"}]}"#, "400 argument_invalid"),
    ("POST /v1/queues/q/receive", r#"{"max":1001}"#, "400 argument_invalid"),
    ("POST /v1/queues/q/receive", r#"{"wait_ms":60001}"#, "400 argument_invalid"),
    ("POST /v1/queues/q/ack", r#"{"receipts":["x"]}"#, "400 receipt_invalid"),
    ("POST /v1/queues/q/ack", r#"{"receipts":[]}"#, "400 batch_size"),
    ("POST /v1/queues/q/nack", r#"{"receipts":["x"],"reject":true,"delay_ms":1}"#, "400 argument_invalid"),
    ("PUT /v1/topics/t/subscriptions/s", r#"{"kind":"stream","lease_ms":500}"#, "400 argument_invalid"),
    ("PUT /v1/users/bob", r#"{"password":"short"}"#, "400 argument_invalid"),
    ("POST /v1/grants", r#"{"user":"b","resource":{"kind":"queue","name":"q"},"rights":[]}"#, "400 argument_invalid"),
    ("POST /v1/grants", r#"{"user":"b","resource":{"kind":"queue","name":"q"},"rights":["fly"]}"#, "400 body_invalid"),
    ("GET /nowhere", "", "404 path_not_found"),
    ("GET /v1/queues/a/b/c", "", "404 path_not_found"),
    ("GET /v1/queues/", "", "404 path_not_found"),
    ("BREW /v1/queues/q", "", "405 method_not_allowed"),
    ("POST /v1/queues/q", "", "405 method_not_allowed"),
];

#[tokio::test]
async fn what_cannot_be_read_is_a_problem() {
    let door = door();
    for (line, body, expected) in UNREADABLE {
        let answer = door.json(line, *body).await;
        assert_eq!(answer.line(), *expected, "{line} {body}: {}", answer.text());
        assert_eq!(door.seen(), "nothing", "{line} {body}");
    }
    assert_eq!(door.json("POST /v1/queues/q", "").await.header("allow"), "PUT,GET,HEAD,PATCH,DELETE");
}

#[tokio::test]
async fn media_types_and_sizes_are_checked_before_anything_is_parsed() {
    let settings = Settings { body_bytes_max: 100, publish_body_bytes_max: 200, ..Settings::default() };
    let door = door_with(settings, Readiness::Ready);
    let token = ("authorization", "Bearer good");
    for (line, kind, length, expected) in [
        ("PUT /v1/queues/q", "text/plain", 5, "415 media_type_unsupported"),
        ("PUT /v1/queues/q", "application/x-www-form-urlencoded", 5, "415 media_type_unsupported"),
        ("PUT /v1/queues/q", "application/json; charset=utf-8", 100, "400 body_invalid"),
        ("PUT /v1/queues/q", "application/json", 101, "413 message_too_large"),
        ("PATCH /v1/queues/q", "application/merge-patch+json", 5, "400 body_invalid"),
        ("POST /v1/queues/q/messages", "text/plain", 5, "415 media_type_unsupported"),
        ("POST /v1/queues/q/messages", "application/json", 200, "400 body_invalid"),
        ("POST /v1/queues/q/messages", "application/json", 201, "413 message_too_large"),
        ("POST /v1/queues/q/messages", "application/octet-stream", 200, "503 unreachable"),
        ("POST /v1/queues/q/messages", "application/octet-stream", 201, "413 message_too_large"),
    ] {
        // Once with its length announced, once found out while reading.
        let text = "x".repeat(length);
        let digits = length.to_string();
        let headers = [token, ("content-type", kind), ("content-length", digits.as_str())];
        let announced = door.ask(line, &headers, text.clone()).await;
        assert_eq!(announced.line(), expected, "{line} {kind} {length}");
        let chunks = futures_util::stream::iter(vec![Ok::<_, std::io::Error>(text)]);
        let streamed = door.ask(line, &[token, ("content-type", kind)], Body::from_stream(chunks)).await;
        assert_eq!(streamed.line(), expected, "{line} {kind} {length}");
    }
    // What announces too much is refused before any of it comes.
    let never = Body::from_stream(futures_util::stream::pending::<Result<&str, std::io::Error>>());
    let headers = [token, ("content-type", "application/json"), ("content-length", "101")];
    assert_eq!(door.ask("PUT /v1/queues/q", &headers, never).await.line(), "413 message_too_large");
    assert_eq!(door.ask("PUT /v1/queues/q", &[token], "{}").await.line(), "415 media_type_unsupported");
}

#[tokio::test]
async fn deep_json_is_refused_not_followed() {
    let door = door();
    for depth in [10, 127, 128, 129, 100_000] {
        let deep = format!(r#"{{"messages":[{{"headers":{{"a":{}1{}}}}}]}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(door.json("POST /v1/queues/q/messages", deep).await.line(), "400 body_invalid", "{depth}");
    }
}

#[tokio::test]
async fn a_broken_body_is_a_problem() {
    let door = door();
    let chunks = vec![Ok("{"), Err(std::io::Error::other("gone"))];
    let answer = door.json("PUT /v1/queues/q", Body::from_stream(futures_util::stream::iter(chunks))).await;
    assert_eq!(answer.line(), "400 body_invalid");
}
