//! Declaring and deleting exchanges, and binding queues and exchanges to them.
//! Invariant: what is not there is named in RabbitMQ's words.

use model::binding::{Bind, Binding, Destination, RoutingKey, Unbind};
use model::exchange::{CreateExchange, DeleteExchange, DeleteExchangeMode, DescribeExchange};
use model::name::{ExchangeName, ExchangeRef, QueueName, TopicName};
use model::{Call, Failure, Refusal};

use super::Errand;
use crate::codec::class::{exchange, queue};
use crate::codec::{ReplyCode, ShortText, Table};
use crate::session::{Answer, Close};
use crate::translate;

/// What only the broker's names begin with.
const RESERVED: &str = "amq.";

impl Errand {
    pub(super) fn no_exchange(&self, name: &ShortText) -> Close {
        Close::new(ReplyCode::NotFound, format!("no exchange '{name}' in vhost '{}'", self.host()))
    }

    pub(super) fn exchange_of(&self, name: &ShortText) -> Result<ExchangeRef, Close> {
        let exchange = ExchangeName::parse(name.as_str()).map_err(|_| self.no_exchange(name))?;
        Ok(ExchangeRef { namespace: self.namespace.clone(), name: exchange })
    }

    fn not_on_the_default() -> Close {
        Close::new(ReplyCode::AccessRefused, "operation not permitted on the default exchange")
    }

    pub(super) fn exchange_failure(&self, name: &ShortText, failure: &Failure) -> Close {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the rest has no words of RabbitMQ")]
        match failure {
            Failure::Refused(Refusal::ExchangeNotFound { .. }) => self.no_exchange(name),
            Failure::Refused(Refusal::Forbidden { right }) => self.forbidden(*right, "exchange", name),
            Failure::Refused(Refusal::ExchangeInUse { .. }) => {
                let text = format!("exchange '{name}' in vhost '{}' in use", self.host());
                Close::new(ReplyCode::PreconditionFailed, text)
            }
            Failure::Refused(Refusal::ExchangeInternal { .. }) => {
                let text = format!("cannot publish to internal exchange '{name}' in vhost '{}'", self.host());
                Close::new(ReplyCode::AccessRefused, text)
            }
            Failure::Refused(Refusal::ExchangeReserved { .. }) if name.is_empty() => Self::not_on_the_default(),
            Failure::Refused(Refusal::ExchangeReserved { .. }) => {
                let text = format!("exchange name '{name}' contains reserved prefix '{RESERVED}*'");
                Close::new(ReplyCode::AccessRefused, text)
            }
            failure => translate::close(failure),
        }
    }

    pub(super) async fn declare_exchange(&self, declare: exchange::Declare) -> Result<Answer, Close> {
        let name = declare.exchange.clone();
        if name.is_empty() {
            return Err(Self::not_on_the_default());
        }
        let failed = |failure: Failure| self.exchange_failure(&name, &failure);
        if declare.passive {
            let exchange = self.exchange_of(&name)?;
            return self.call(DescribeExchange { exchange }).await.map(|_| Answer::Done).map_err(failed);
        }
        let parsed = ExchangeName::parse(name.as_str()).map_err(|refusal| translate::close(&refusal.into()))?;
        let exchange = ExchangeRef { namespace: self.namespace.clone(), name: parsed };
        let settings = translate::exchange_settings(&declare)?;
        let created = self.call(CreateExchange { exchange: exchange.clone(), settings: settings.clone() }).await;
        #[allow(clippy::wildcard_enum_match_arm, reason = "the rest is a failure like any other")]
        match created {
            Ok(_) => Ok(Answer::Done),
            Err(Failure::Refused(Refusal::ExchangeExists { .. } | Refusal::ExchangeReserved { .. })) => {
                let there = self.call(DescribeExchange { exchange }).await;
                let there = match there {
                    Ok(there) => there.settings,
                    // A reserved name that is not there.
                    Err(_) => return Err(failed(Refusal::ExchangeReserved { name: name.to_string() }.into())),
                };
                // Those that are always there may be declared as they are.
                if there == settings {
                    return Ok(Answer::Done);
                }
                Err(translate::exchange_inequivalence(&declare, &settings, &there, &self.namespace))
            }
            Err(failure) => Err(failed(failure)),
        }
    }

    pub(super) async fn delete_exchange(&self, delete: exchange::Delete) -> Result<Answer, Close> {
        let name = delete.exchange;
        if name.is_empty() {
            return Err(Self::not_on_the_default());
        }
        let Ok(exchange) = self.exchange_of(&name) else { return Ok(Answer::Done) };
        let mode = if delete.if_unused { DeleteExchangeMode::IfUnused } else { DeleteExchangeMode::Force };
        match self.call(DeleteExchange { exchange, mode }).await {
            Ok(_) | Err(Failure::Refused(Refusal::ExchangeNotFound { .. })) => Ok(Answer::Done),
            Err(failure) => Err(self.exchange_failure(&name, &failure)),
        }
    }

    pub(super) async fn bind_exchange(&self, bind: exchange::Bind) -> Result<Answer, Close> {
        let end = self.exchange_end(&bind.destination)?;
        self.change_binding(&bind.source, end, &bind.routing_key, bind.arguments, |binding| Bind { binding }).await
    }

    pub(super) async fn unbind_exchange(&self, unbind: exchange::Unbind) -> Result<Answer, Close> {
        let end = self.exchange_end(&unbind.destination)?;
        self.change_binding(&unbind.source, end, &unbind.routing_key, unbind.arguments, |binding| Unbind { binding })
            .await
    }

    pub(super) async fn bind_queue(&self, bind: queue::Bind) -> Result<Answer, Close> {
        let end = self.queue_end(&bind.queue)?;
        self.change_binding(&bind.exchange, end, &bind.routing_key, bind.arguments, |binding| Bind { binding }).await
    }

    pub(super) async fn unbind_queue(&self, unbind: queue::Unbind) -> Result<Answer, Close> {
        let end = self.queue_end(&unbind.queue)?;
        self.change_binding(&unbind.exchange, end, &unbind.routing_key, unbind.arguments, |binding| Unbind { binding })
            .await
    }

    fn exchange_end(&self, name: &ShortText) -> Result<(ShortText, Destination), Close> {
        if name.is_empty() {
            return Err(Self::not_on_the_default());
        }
        let exchange: ExchangeName = self.exchange_of(name)?.name;
        Ok((name.clone(), Destination::Exchange(exchange)))
    }

    fn queue_end(&self, name: &ShortText) -> Result<(ShortText, Destination), Close> {
        let queue: QueueName = self.queue(name)?.name;
        Ok((name.clone(), Destination::Queue(queue)))
    }

    fn binding(
        &self,
        source: &ShortText,
        destination: Destination,
        routing_key: &ShortText,
        arguments: Table,
    ) -> Result<Binding, Close> {
        if source.is_empty() {
            return Err(Self::not_on_the_default());
        }
        let routing_key =
            RoutingKey::parse(routing_key.as_str()).map_err(|refusal| translate::close(&refusal.into()))?;
        let source = self.exchange_of(source)?;
        Ok(Binding { source, destination, routing_key, arguments: translate::binding_arguments(arguments) })
    }

    fn binding_failure(&self, source: &ShortText, end: &(ShortText, Destination), failure: &Failure) -> Close {
        let (name, destination) = end;
        #[allow(clippy::wildcard_enum_match_arm, reason = "the rest is about the source")]
        match failure {
            Failure::Refused(Refusal::QueueNotFound { .. }) => self.no_queue(name),
            Failure::Refused(Refusal::ExchangeNotFound { name: missing })
                if matches!(destination, Destination::Exchange(_)) && missing.ends_with(name.as_str()) =>
            {
                self.no_exchange(name)
            }
            failure => self.exchange_failure(source, failure),
        }
    }

    /// Binds or unbinds, as `request` makes of the binding.
    async fn change_binding<C: Call>(
        &self,
        source: &ShortText,
        end: (ShortText, Destination),
        routing_key: &ShortText,
        arguments: Table,
        request: impl Fn(Binding) -> C,
    ) -> Result<Answer, Close> {
        let binding = self.binding(source, end.1.clone(), routing_key, arguments)?;
        let mut changed = self.call(request(binding.clone())).await;
        if let (Err(Failure::Refused(Refusal::QueueNotFound { .. })), Destination::Queue(queue)) = (&changed, &end.1)
            && let Ok(topic) = TopicName::parse(queue.as_str())
        {
            let binding = Binding { destination: Destination::Topic(topic), ..binding };
            let stream = self.call(request(binding)).await;
            if !matches!(stream, Err(Failure::Refused(Refusal::TopicNotFound { .. }))) {
                changed = stream;
            }
        }
        changed.map(|_| Answer::Done).map_err(|failure| self.binding_failure(source, &end, &failure))
    }
}
