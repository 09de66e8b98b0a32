//! What campaigns ask the broker for, over its REST door.
//! Invariant: an answer is a success, a refusal with its code, or unknown: nothing is guessed.
//! Used by every campaign.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{Answer, Client, basic};
use super::process::PASSWORD;

/// How long a token works: longer than any campaign.
const TOKEN_MS: u64 = 24 * 60 * 60 * 1000;

/// Why an operation has no result.
#[derive(Clone, Debug)]
pub(super) enum Failed {
    /// The broker said no, with this code.
    Refused(String),
    /// No answer: it may have been done.
    Unknown(String),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "refused with {code}"),
            Self::Unknown(error) => write!(f, "no answer: {error}"),
        }
    }
}

/// One delivery.
pub(super) struct Delivery {
    pub(super) body: String,
    pub(super) receipt: String,
}

impl Delivery {
    /// The leadership that gave the receipt, as its text form has it.
    pub(super) fn epoch(&self) -> Option<u64> {
        u64::from_str_radix(self.receipt.get(42..54)?, 16).ok()
    }
}

/// A connection of the administrator.
pub(super) struct Door {
    client: Client,
}

impl Door {
    /// Shows a token.
    pub(super) fn with_token(address: SocketAddr, token: &str) -> Self {
        Self { client: Client::new(address, &format!("Bearer {token}")) }
    }

    /// A token that outlives the process of the broker.
    pub(super) fn log_in(address: SocketAddr) -> Result<String, String> {
        let request = json!({"label": "faults", "lifetime_ms": TOKEN_MS}).to_string();
        let answer = Client::new(address, &basic("admin", PASSWORD)).send("POST", "/v1/tokens", &request);
        let answer = answer.map_err(|error| format!("cannot log in: {error}"))?;
        answer.json()["token"].as_str().map(str::to_owned).ok_or_else(|| format!("cannot log in: {}", answer.code()))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.client.address()
    }

    pub(super) fn ask(&mut self, method: &str, path: &str, body: &Value) -> Result<Value, Failed> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, path, &text).map(|answer| answer.json())
    }

    /// The text of a document.
    pub(super) fn text(&mut self, path: &str) -> Result<String, Failed> {
        let answer = self.raw("GET", path, "")?;
        String::from_utf8(answer.body).map_err(|error| Failed::Unknown(error.to_string()))
    }

    fn raw(&mut self, method: &str, path: &str, body: &str) -> Result<Answer, Failed> {
        let answer = self.client.send(method, path, body).map_err(|error| Failed::Unknown(error.to_string()))?;
        if answer.ok() { Ok(answer) } else { Err(Failed::Refused(answer.code())) }
    }

    pub(super) fn create(&mut self, queue: &str, settings: &Value) -> Result<(), String> {
        let done = self.ask("PUT", &format!("/v1/queues/{queue}"), settings);
        done.map(drop).map_err(|failed| format!("cannot create {queue}: {failed}"))
    }

    /// Publishes messages whose JSON is given; the number that was confirmed.
    pub(super) fn publish(&mut self, queue: &str, messages: &[String]) -> Result<(), Failed> {
        let text = format!("{{\"messages\":[{}]}}", messages.join(","));
        let answer = self.raw("POST", &format!("/v1/queues/{queue}/messages"), &text)?.json();
        let confirmed = answer["messages"].as_array().map_or(0, Vec::len);
        if confirmed == messages.len() {
            Ok(())
        } else {
            Err(Failed::Refused(format!("a confirmation of {confirmed} instead of {}", messages.len())))
        }
    }

    pub(super) fn receive(&mut self, queue: &str, request: &Value) -> Result<Vec<Delivery>, Failed> {
        let answer = self.ask("POST", &format!("/v1/queues/{queue}/receive"), request)?;
        let Value::Array(messages) = &answer["messages"] else {
            return Err(Failed::Unknown(format!("a receive without messages: {answer}")));
        };
        let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
        Ok(messages.iter().map(|one| Delivery { body: text(&one["body"]), receipt: text(&one["receipt"]) }).collect())
    }

    /// Settles deliveries; of each, whether it was.
    pub(super) fn settle(&mut self, queue: &str, deliveries: &[Delivery]) -> Result<Vec<bool>, Failed> {
        let receipts: Vec<&str> = deliveries.iter().map(|one| one.receipt.as_str()).collect();
        let request = json!({"receipts": receipts}).to_string();
        let answer = self.client.send("POST", &format!("/v1/queues/{queue}/ack"), &request);
        let answer = answer.map_err(|error| Failed::Unknown(error.to_string()))?;
        let document = answer.json();
        // When no receipt counts the answer is a conflict, and says so of each.
        if !answer.ok() && !document["results"].is_array() {
            return Err(Failed::Refused(answer.code()));
        }
        let results = document["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(results.iter().map(|result| result["status"] == "settled").collect())
    }

    /// Messages that wait, now or later, and messages that are with consumers.
    pub(super) fn counts(&mut self, queue: &str) -> Result<(u64, u64), String> {
        let answer = self.ask("GET", &format!("/v1/queues/{queue}"), &Value::Null);
        let counts = answer.map_err(|failed| format!("cannot describe {queue}: {failed}"))?["counts"].clone();
        let number = |name: &str| counts[name].as_u64().ok_or_else(|| format!("no count of {name}: {counts}"));
        Ok((number("ready")? + number("delayed")?, number("leased")?))
    }
}

/// A message with a body and nothing else, as JSON. Bodies of campaigns need no escapes.
pub(super) fn message(body: &str) -> String {
    format!("{{\"body\":\"{body}\"}}")
}
