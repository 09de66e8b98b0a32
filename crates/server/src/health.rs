//! `recado health`: asks the readiness check of a server, for containers and scripts.
//! Invariant: ends with 0 only when the server says that it can do its work.
//! Called by `main`.

use std::time::Duration;

use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_client::client::legacy::Client;
use hyper_client::rt::TokioExecutor;

use crate::args::serve::HealthArguments;
use crate::exit::{Complaint, Exit};
use crate::output;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Asks once.
pub(crate) async fn run(arguments: &HealthArguments) -> Result<(), Complaint> {
    let timeout = Duration::from_millis(arguments.timeout.get());
    let text = format!("{}/health/ready", arguments.url.trim_end_matches('/'));
    let address: Uri = text.parse().ok().filter(|uri: &Uri| uri.scheme_str() == Some("http")).ok_or_else(|| {
        Complaint::usage(
            format!("{text} is not an http address"),
            "give --url http://HOST:PORT; behind TLS, ask over loopback",
        )
    })?;
    let asked = tokio::time::timeout(timeout, ask(address)).await;
    let (status, body) = asked.map_err(|_| away("no answer in time"))??;
    if status == StatusCode::OK {
        return output::line(body.trim());
    }
    Err(away(&format!("it answers {status}: {}", body.trim())))
}

fn away(what: &str) -> Complaint {
    Complaint::here(Exit::Unavailable, "not_ready", what, "read the server's log, or run recado doctor")
}

async fn ask(address: Uri) -> Result<(StatusCode, String), Complaint> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let request = Request::get(address).body(Empty::new()).map_err(|error| away(&error.to_string()))?;
    let answer = client.request(request).await.map_err(|error| away(&error.to_string()))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| away(&error.to_string()))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
