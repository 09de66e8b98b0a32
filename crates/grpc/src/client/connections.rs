//! Connections to the brokers: one endpoint is preferred until it fails, then the next one.
//! Each endpoint has lanes: connections that are opened when those before carry as many streams as a broker allows.
//! An endpoint that passes calls on to another broker is left for the next one, until one answers by itself.
//! Invariants: connections are made when first needed and remade by themselves; after a round in which no endpoint
//! could be reached, calls fail at once for a pause that doubles up to a bound.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::failure::{Failure, Unavailable};
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Status;
use tonic::client::Grpc;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::{Effect, RemoteSettings, answer};
use crate::limits::{
    BACKOFF_FIRST, BACKOFF_MAX, CONNECT_TIMEOUT, CONNECT_TIMEOUT_AMONG, CONNECTION_WINDOW_BYTES,
    GRPC_MESSAGE_BYTES_MAX, KEEPALIVE_INTERVAL, KEEPALIVE_INTERVAL_AMONG, KEEPALIVE_TIMEOUT, KEEPALIVE_TIMEOUT_AMONG,
    LANE_STREAMS_MAX, LANES_MAX, LOOK_FURTHER_AFTER, STREAM_WINDOW_BYTES,
};

/// An endpoint or its authority cannot be used as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointInvalid {
    /// The endpoint as it was given.
    pub endpoint: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for EndpointInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the endpoint {:?} is not valid: {}", self.endpoint, self.why)
    }
}

impl std::error::Error for EndpointInvalid {}

/// A connection that may be used. Clones are the same.
#[derive(Clone)]
struct Open {
    channel: Channel,
    streams: Arc<AtomicUsize>,
    /// Told when this connection could not be made.
    missed: Arc<Notify>,
}

/// One connection, counted while it is used.
pub(crate) struct Lane {
    open: Open,
    passed_on: AtomicBool,
}

impl Lane {
    /// Says that what was asked over it was passed on to another broker.
    pub(crate) fn note_passed_on(&self) {
        self.passed_on.store(true, Ordering::Relaxed);
    }

    pub(crate) fn client(&self) -> Grpc<Channel> {
        Grpc::new(self.open.channel.clone())
            .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.open.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections to one endpoint.
struct Target {
    endpoint: Endpoint,
    lanes: Mutex<Vec<Open>>,
}

impl Target {
    /// The first lane with room, a new one, or the least used when there are enough.
    fn lane(&self) -> Arc<Lane> {
        let mut lanes = locked(&self.lanes);
        let free = lanes.iter().position(|open| open.streams.load(Ordering::Relaxed) < LANE_STREAMS_MAX);
        let at = match free {
            Some(at) => at,
            None if lanes.len() < LANES_MAX => {
                let (channel, streams, missed) = (self.endpoint.connect_lazy(), Arc::default(), Arc::default());
                lanes.push(Open { channel, streams, missed });
                lanes.len() - 1
            }
            None => {
                let used = lanes.iter().enumerate().min_by_key(|(_, open)| open.streams.load(Ordering::Relaxed));
                used.map_or(0, |(at, _)| at)
            }
        };
        lanes[at].streams.fetch_add(1, Ordering::Relaxed);
        Arc::new(Lane { open: lanes[at].clone(), passed_on: AtomicBool::new(false) })
    }
}

#[derive(Default)]
struct Pause {
    rounds: u32,
    until: Option<Instant>,
}

/// The connections to all endpoints.
pub(crate) struct Connections {
    targets: Vec<Target>,
    preferred: AtomicUsize,
    pause: Mutex<Pause>,
    /// When the endpoint was last changed because it passed a call on.
    moved_on: Mutex<Option<Instant>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connections {
    pub(crate) fn new(settings: &RemoteSettings) -> Result<Self, EndpointInvalid> {
        if settings.endpoints.is_empty() {
            let why = "name at least one broker, for instance http://127.0.0.1:7070".to_owned();
            return Err(EndpointInvalid { endpoint: String::new(), why });
        }
        let targets: Result<_, _> = settings.endpoints.iter().map(|text| target(text, settings)).collect();
        Ok(Self {
            targets: targets?,
            preferred: AtomicUsize::new(0),
            pause: Mutex::default(),
            moved_on: Mutex::default(),
        })
    }

    /// Makes a call, on the next endpoint when this one certainly did nothing, each once.
    pub(crate) async fn attempt<T, F>(
        &self,
        effect: Effect,
        call: impl Fn(Arc<Lane>) -> F + Send + Sync,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Status>> + Send,
    {
        if locked(&self.pause).until.is_some_and(|until| Instant::now() < until) {
            return Err(Unavailable::Unreachable.into());
        }
        let unreachable = Failure::Unavailable(Unavailable::Unreachable);
        let mut last = unreachable.clone();
        for _ in &self.targets {
            let at = self.preferred.load(Ordering::Relaxed) % self.targets.len();
            let lane = self.targets[at].lane();
            // Who waits for a connection is told of its failure with the first, not after a try for each. What was sent
            // went over a connection before that one, and has heard of its end.
            let missed = lane.open.missed.notified();
            let outcome = tokio::select! {
                biased;
                outcome = call(Arc::clone(&lane)) => Some(outcome),
                () = missed => None,
            };
            let failure = match outcome {
                Some(Ok(answer)) => {
                    self.reached();
                    if lane.passed_on.load(Ordering::Relaxed) {
                        self.look_further(at);
                    }
                    return Ok(answer);
                }
                Some(Err(status)) => {
                    if answer::never_sent(&status) {
                        lane.open.missed.notify_waiters();
                    }
                    answer::failure_of(&status, effect)
                }
                None => unreachable.clone(),
            };
            if !moves_on(&failure) {
                self.reached();
                return Err(failure);
            }
            self.prefer_after(at);
            if !certainly_not_done(&failure) {
                return Err(failure);
            }
            // What a broker said is worth more than the silence of one that is gone.
            if failure != unreachable {
                last = failure;
            }
        }
        // A broker that answers that it cannot serve now may serve at any moment: then calls go on without a pause.
        if last == unreachable {
            self.missed();
        }
        Err(last)
    }

    /// Calls go to the endpoint after this one, unless another call has moved on already.
    fn prefer_after(&self, at: usize) {
        let next = (at + 1) % self.targets.len();
        // When it has moved already there is nothing to do.
        let _ = self.preferred.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The endpoint passed a call on: the next one may be where it went. Bounded, for there may be none.
    fn look_further(&self, at: usize) {
        let mut moved_on = locked(&self.moved_on);
        let now = Instant::now();
        if self.targets.len() > 1 && moved_on.is_none_or(|moved| now.duration_since(moved) >= LOOK_FURTHER_AFTER) {
            *moved_on = Some(now);
            self.prefer_after(at);
        }
    }

    fn reached(&self) {
        *locked(&self.pause) = Pause::default();
    }

    fn missed(&self) {
        let mut pause = locked(&self.pause);
        let now = Instant::now();
        if pause.until.is_some_and(|until| now < until) {
            return;
        }
        pause.until = Some(now + pause_after(pause.rounds));
        pause.rounds = pause.rounds.saturating_add(1);
    }
}

/// The pause after so many rounds in which nothing was reached.
fn pause_after(rounds: u32) -> Duration {
    BACKOFF_FIRST.saturating_mul(1_u32.checked_shl(rounds).unwrap_or(u32::MAX)).min(BACKOFF_MAX)
}

/// Whether the next call had better go elsewhere.
fn moves_on(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(_) | Failure::Fault(_) => false,
        Failure::Unavailable(
            Unavailable::Starting
            | Unavailable::Draining
            | Unavailable::NoLeader
            | Unavailable::Unreachable
            | Unavailable::Unknown,
        ) => true,
        Failure::Unavailable(Unavailable::Busy | Unavailable::DiskNearlyFull | Unavailable::MemoryFull) => false,
    }
}

/// Whether the same call may be made again at once.
fn certainly_not_done(failure: &Failure) -> bool {
    moves_on(failure) && *failure != Failure::Unavailable(Unavailable::Unknown)
}

fn target(text: &str, settings: &RemoteSettings) -> Result<Target, EndpointInvalid> {
    let invalid = |why: String| EndpointInvalid { endpoint: text.to_owned(), why };
    if !["http://", "https://", "unix:"].iter().any(|scheme| text.starts_with(scheme)) {
        return Err(invalid("it must start with http://, https:// or unix:".to_owned()));
    }
    // Who asks for a certificate is a node of a cluster.
    let has_others = settings.endpoints.len() > 1 || settings.identity_pem.is_some();
    let (interval, timeout, connect) = match has_others {
        true => (KEEPALIVE_INTERVAL_AMONG, KEEPALIVE_TIMEOUT_AMONG, CONNECT_TIMEOUT_AMONG),
        false => (KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, CONNECT_TIMEOUT),
    };
    let mut endpoint = Endpoint::from_shared(text.to_owned())
        .map_err(|error| invalid(error.to_string()))?
        .connect_timeout(connect)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(interval)
        .keep_alive_timeout(timeout)
        .keep_alive_while_idle(true);
    if text.starts_with("https://") {
        // A process that stands still takes a connection and never shakes hands.
        let mut tls = ClientTlsConfig::new().timeout(connect);
        if let Some(pem) = &settings.authority_pem {
            tls = tls.ca_certificate(Certificate::from_pem(pem));
        }
        if let Some(name) = &settings.server_name {
            tls = tls.domain_name(name);
        }
        if let Some((chain, key)) = &settings.identity_pem {
            tls = tls.identity(Identity::from_pem(chain, key));
        }
        endpoint = endpoint.tls_config(tls).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(Target { endpoint, lanes: Mutex::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        let pauses: Vec<_> = (0..8).map(|rounds| pause_after(rounds).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(pause_after(u32::MAX), BACKOFF_MAX);
    }

    #[test]
    fn endpoints_are_checked_when_they_are_given() {
        let with = |endpoint: &str| {
            let settings = RemoteSettings { endpoints: vec![endpoint.to_owned()], ..RemoteSettings::default() };
            Connections::new(&settings).map(|_| ())
        };
        assert!(Connections::new(&RemoteSettings::default()).is_err());
        assert!(with("localhost:7070").is_err());
        assert!(with("http://").is_err());
        assert!(with("http://localhost:7070").is_ok());
    }
}
