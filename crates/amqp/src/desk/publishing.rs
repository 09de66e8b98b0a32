//! Publishing a batch: one request an exchange, all begun in order before any is waited for.
//!
//! Invariants: publications of a connection reach the broker in the order in which they came; a message that cannot be
//! published does not hold up others; while the broker has no room a batch waits, and its connection is not read.

use std::sync::atomic::Ordering;
use std::time::Duration;

use model::binding::{self, PublishExchange, RoutedMessage, RoutedPlaces, RoutingKey, Unroutable};
use model::failure::{Failure, Retry, Unavailable};
use model::{Call, Reply, Response};
use tokio::time::sleep;

use super::{Errand, all};
use crate::codec::ShortText;
use crate::session::{Answer, Close, Fate, Publication};
use crate::translate;

/// Publications to one exchange, with their places in the batch.
struct Run {
    exchange: ShortText,
    places: Vec<usize>,
    request: PublishExchange,
}

impl Errand {
    pub(super) async fn publish(&self, publications: Vec<Publication>) -> Result<Answer, Close> {
        let mut fates = vec![Fate::Kept; publications.len()];
        let runs = self.runs(publications, &mut fates);
        let begun: Vec<Reply<Response>> = runs.iter().map(|run| self.begin(&run.request)).collect();
        for (run, answer) in runs.into_iter().zip(all(begun).await) {
            let answer = match answer {
                Err(Failure::Unavailable(unavailable)) => self.again(&run, unavailable).await,
                answer => answer,
            };
            self.tell(run, answer, &mut fates);
        }
        Ok(Answer::Published(fates))
    }

    fn begin(&self, request: &PublishExchange) -> Reply<Response> {
        self.shared.backend.submit(&self.caller, request.clone().into())
    }

    /// Puts neighbours with the same exchange together; what cannot be sent gets its fate here.
    fn runs(&self, publications: Vec<Publication>, fates: &mut [Fate]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let count = publications.len();
        for (place, publication) in publications.into_iter().enumerate() {
            let known = runs.last().is_some_and(|run| run.exchange == publication.exchange);
            let exchange = (!known).then(|| publication.exchange.clone());
            let target = exchange.map(|exchange| self.exchange_of(&exchange).map(|target| (exchange, target)));
            let (target, message) = match (target.transpose(), message(publication)) {
                (Ok(target), Ok(message)) => (target, message),
                (Err(close), _) | (_, Err(close)) => {
                    fates[place] = Fate::Failed(close);
                    continue;
                }
            };
            if let Some((exchange, target)) = target {
                // Most batches are one run; others grow as they need.
                let room = if runs.is_empty() { count } else { 0 };
                let request = PublishExchange { exchange: target, messages: Vec::with_capacity(room) };
                runs.push(Run { exchange, places: Vec::with_capacity(room), request });
            }
            if let Some(run) = runs.last_mut() {
                run.places.push(place);
                run.request.messages.push(message);
            }
        }
        runs
    }

    /// Tries again for as long as the broker has no room; only the client's patience ends that, as with RabbitMQ's
    /// alarms. What may have been done is not done again.
    async fn again(&self, run: &Run, mut unavailable: Unavailable) -> Result<Response, Failure> {
        loop {
            let full = match unavailable {
                Unavailable::DiskNearlyFull | Unavailable::MemoryFull => true,
                Unavailable::Busy | Unavailable::NoLeader => false,
                Unavailable::Starting | Unavailable::Draining | Unavailable::Unreachable | Unavailable::Unknown => {
                    return Err(unavailable.into());
                }
            };
            self.alarm.store(full, Ordering::Relaxed);
            if let Retry::After(wait) = unavailable.retry() {
                sleep(Duration::from_millis(wait.get())).await;
            }
            let answer = self.begin(&run.request).await;
            let Err(Failure::Unavailable(still)) = answer else {
                self.alarm.store(false, Ordering::Relaxed);
                return answer;
            };
            unavailable = still;
        }
    }

    /// Turns the answer about a run into the fates of its messages.
    fn tell(&self, run: Run, answer: Result<Response, Failure>, fates: &mut [Fate]) {
        let places = answer.map(|response| {
            PublishExchange::reply(response).expect("a backend answers each request with its own response")
        });
        match places {
            Ok(RoutedPlaces { messages, .. }) => {
                for (place, routed) in run.places.into_iter().zip(messages) {
                    fates[place] = match routed.fate {
                        binding::Fate::Taken => Fate::Kept,
                        binding::Fate::Dropped | binding::Fate::Returned => Fate::Unroutable,
                        binding::Fate::Refused => Fate::Refused,
                    };
                }
            }
            Err(failure) => {
                let fate = match &failure {
                    // Not known to be kept is not confirmed: the producer sends it again.
                    Failure::Unavailable(_) => Fate::Refused,
                    Failure::Refused(_) | Failure::Fault(_) => {
                        Fate::Failed(self.exchange_failure(&run.exchange, &failure))
                    }
                };
                for place in run.places {
                    fates[place] = fate.clone();
                }
            }
        }
    }
}

fn message(publication: Publication) -> Result<RoutedMessage, Close> {
    let mut properties = publication.properties;
    let extra_keys = translate::extra_keys(&mut properties)?;
    let routing_key = RoutingKey::parse(publication.routing_key.as_str());
    let message = RoutedMessage {
        message: translate::new_message(properties, publication.body),
        routing_key: routing_key.map_err(|refusal| translate::close(&refusal.into()))?,
        extra_keys,
        unroutable: if publication.mandatory { Unroutable::Return } else { Unroutable::Drop },
    };
    message.check().map_err(|refusal| translate::close(&refusal.into()))?;
    Ok(message)
}
