//! Deadlines that callers set by the metadata `grpc-timeout`. Past one, the work is dropped and with it every wait.
//! Done here and not by a layer, so that it holds on every listener that the routes are mounted on.

use std::future::Future;
use std::time::Duration;

use model::failure::{Failure, Unavailable};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::status::{status, status_with};

/// The deadline of a call; `None` when it has none or one that cannot be read.
pub(crate) fn of(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    parse(text)
}

/// Up to eight digits and a unit, as the gRPC protocol writes it.
fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(number * 60 * 60)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Does the work unless the deadline passes first.
pub(crate) async fn within<T>(
    deadline: Option<Duration>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Status> {
    let result = match deadline {
        None => work.await,
        Some(deadline) => tokio::time::timeout(deadline, work)
            .await
            .map_err(|_| status_with(Code::DeadlineExceeded, &Unavailable::Unknown.into()))?,
    };
    result.map_err(|failure| status(&failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn past_the_deadline_the_outcome_is_unknown() {
        let status = within(Some(Duration::ZERO), std::future::pending::<Result<(), Failure>>()).await.err();
        let status = status.map(|status| (status.code(), crate::status::problem_of(&status).map(|it| it.code)));
        assert_eq!(status, Some((Code::DeadlineExceeded, Some("outcome_unknown".to_owned()))));
        assert_eq!(within(None, std::future::ready(Ok(7))).await.ok(), Some(7));
    }

    #[test]
    fn deadlines_are_read_as_the_protocol_writes_them() {
        for (text, deadline) in [
            ("2H", Some(Duration::from_secs(7200))),
            ("99999999M", Some(Duration::from_secs(5_999_999_940))),
            ("5S", Some(Duration::from_secs(5))),
            ("100m", Some(Duration::from_millis(100))),
            ("7u", Some(Duration::from_micros(7))),
            ("8n", Some(Duration::from_nanos(8))),
            ("", None),
            ("S", None),
            ("123456789S", None),
            ("-1S", None),
            ("1é", None),
            ("1h", None),
        ] {
            assert_eq!(parse(text), deadline, "{text}");
        }
    }
}
