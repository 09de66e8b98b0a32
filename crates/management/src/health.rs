//! The checks of load balancers and monitoring.
//! Invariant: a check that fails answers 503, and says why.
//! Routed by `door`.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use model::node::Readiness;
use serde_json::{Value, json};

use crate::answer::{Answer, document, failed};
use crate::caller::Authenticated;
use crate::door::Door;

pub(crate) fn routes() -> Router<Door> {
    let checks = Router::new()
        .route("/alarms", get(alarms))
        .route("/local-alarms", get(alarms))
        .route("/ready-to-serve-clients", get(ready))
        .route("/is-in-service", get(ready))
        .route("/virtual-hosts", get(ready))
        .route("/port-listener/{port}", get(port_listener))
        .route("/protocol-listener/{protocol}", get(protocol_listener))
        .route("/below-node-connection-limit", get(fine))
        .route("/certificate-expiration/{within}/{unit}", get(fine))
        .route("/metadata-store/initialized", get(ready))
        .route("/metadata-store/initialized/with-data", get(ready))
        .route("/node-is-mirror-sync-critical", get(fine))
        .route("/node-is-quorum-critical", get(fine))
        .route("/quorum-queues-without-elected-leaders/all-vhosts", get(fine))
        .route("/quorum-queues-without-elected-leaders/all-vhosts/pattern/{pattern}", get(fine))
        .route("/quorum-queues-without-elected-leaders/vhost/{vhost}", get(fine))
        .route("/quorum-queues-without-elected-leaders/vhost/{vhost}/pattern/{pattern}", get(fine));
    Router::new().nest("/health/checks", checks).route("/healthchecks/node", get(ready))
}

fn passed() -> Value {
    json!({"status": "ok"})
}

async fn fine(Authenticated(_): Authenticated) -> Answer {
    Ok(document(&passed()))
}

async fn alarms(State(door): State<Door>, Authenticated(_): Authenticated) -> Answer {
    if door.readiness() == Readiness::DiskNearlyFull {
        let alarms = json!([{"node": door.settings().node, "resource": "disk"}]);
        let reason = "There are alarms in effect in the cluster";
        return Ok(failed(&json!({"status": "failed", "reason": reason, "alarms": alarms})));
    }
    Ok(document(&passed()))
}

async fn ready(State(door): State<Door>, Authenticated(_): Authenticated) -> Answer {
    let reason = match door.readiness() {
        // Publishes wait; everything else goes on.
        Readiness::Ready | Readiness::DiskNearlyFull => return Ok(document(&passed())),
        Readiness::Starting => "the node is starting",
        Readiness::Draining => "the node is shutting down",
        Readiness::Stopped { .. } => "a fault stopped the shard; the broker's log says what happened",
    };
    Ok(failed(&json!({"status": "failed", "reason": reason})))
}

async fn port_listener(State(door): State<Door>, Authenticated(_): Authenticated, Path(port): Path<u16>) -> Answer {
    let ports: Vec<u16> = door.settings().listeners.iter().map(|listener| listener.address.port()).collect();
    if ports.contains(&port) {
        return Ok(document(&json!({"status": "ok", "port": port})));
    }
    Ok(failed(&json!({"status": "failed", "reason": "No active listener", "missing": port, "ports": ports})))
}

/// Whether one word means the protocol of a listener, by any of RabbitMQ's words for it.
fn means(asked: &str, protocol: &str) -> bool {
    let plain = match asked {
        "amqp091" | "amqp" | "amqp0.9.1" | "amqp0" | "0.9.1" => "amqp",
        "amqps" | "amqp091s" | "amqp/ssl" => "amqp/ssl",
        other => other,
    };
    plain == protocol
}

async fn protocol_listener(
    State(door): State<Door>,
    Authenticated(_): Authenticated,
    Path(asked): Path<String>,
) -> Answer {
    let words: Vec<&str> = door.settings().listeners.iter().map(|listener| listener.protocol).collect();
    if asked.split(',').any(|asked| words.iter().any(|word| means(asked, word))) {
        return Ok(document(&json!({"status": "ok", "protocol": asked})));
    }
    let reason = "No active listener";
    Ok(failed(&json!({"status": "failed", "reason": reason, "missing": [asked], "protocols": words})))
}
