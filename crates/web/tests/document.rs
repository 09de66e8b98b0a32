//! The OpenAPI document: valid, complete, and the same as the golden list of operations.
//! Set `BLESS=1` to write the golden file anew after a change on purpose.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeSet;

use common::{door, golden};
use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&web::Door::document()).unwrap()
}

/// Every operation as method, path and itself.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all.sort_by(|(a_method, a_path, _), (b_method, b_path, _)| (a_path, a_method).cmp(&(b_path, b_method)));
    all
}

#[test]
fn operations_and_statuses_are_those_of_the_golden_list() {
    let mut list = String::new();
    for (method, path, operation) in operations(&document()) {
        let statuses: Vec<_> = operation["responses"].as_object().unwrap().keys().cloned().collect();
        let id = operation["operationId"].as_str().unwrap();
        list.push_str(&format!("{method} {path} {id} {}\n", statuses.join(" ")));
    }
    golden("operations.txt", &list);
}

#[test]
fn ids_do_not_repeat_and_references_lead_somewhere() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id.clone()), "{id} repeats");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{method} {path} has no summary");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{id} {status} has no description");
        }
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                references.push(reference.clone());
            }
            map.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn each_path_declares_its_parameters_once() {
    for (method, path, operation) in operations(&document()) {
        let empty = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&empty);
        let named = |place: &str| -> Vec<String> {
            let of_place = parameters.iter().filter(|parameter| parameter["in"] == place);
            of_place.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
        };
        let mut declared = named("path");
        declared.sort();
        let mut in_path: Vec<_> =
            path.split('/').filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned())).collect();
        in_path.sort();
        assert_eq!(declared, in_path, "{method} {path}");
        let mut queries = named("query");
        let count = queries.len();
        queries.sort();
        queries.dedup();
        assert_eq!(queries.len(), count, "{method} {path} declares a query parameter twice");
    }
}

#[test]
fn every_failure_is_a_problem() {
    for (method, path, operation) in operations(&document()) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let problem = response["content"].get("application/problem+json").is_some();
            assert_eq!(problem, status.starts_with(['4', '5']), "{method} {path} {status}");
        }
        let open = operation.get("security").is_some();
        assert_eq!(
            operation["responses"].get("401").is_none(),
            open && !path.ends_with("/session") && path != "/v1/claim",
            "{method} {path}: who needs no caller answers no 401"
        );
    }
}

#[tokio::test]
async fn every_route_is_documented_and_every_document_routed() {
    let door = door();
    for (method, path, operation) in operations(&document()) {
        let path = path.replace("{partition}", "0").replace("{token}", "1").replace("{code}", "fault");
        let path = path.replace(['{', '}'], "");
        let answer = door.ask(&format!("{method} {path}"), &[], "").await;
        let known = answer.status.as_u16().to_string();
        assert!(operation["responses"].get(&known).is_some(), "{method} {path} answers {known}");
        if operation.get("security").is_none() {
            assert_eq!(answer.line(), "401 unauthenticated", "{method} {path}");
            assert_eq!(answer.header("www-authenticate"), "Basic realm=\"recado\", Bearer");
        }
    }
    let served = door.get("/openapi.json").await;
    assert_eq!(served.json(), document());
}
