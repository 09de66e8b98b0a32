//! Names and numbers in the path, checked.
//! Invariant: a path without a namespace means `default`; a name that passed is within the grammar.
//! Used by `rest`; tests in `tests/parsing.rs`.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use model::Code;
use model::name::{
    ExchangeName, ExchangeRef, NamespaceName, PolicyName, QueueName, QueueRef, SubscriptionName, SubscriptionRef,
    TopicName, TopicRef, UserName,
};
use model::number::{Partition, TokenId};
use model::refusal::Refusal;

use crate::door::Door;
use crate::translate::problem::Problem;

struct Segments(RawPathParams);

impl Segments {
    async fn of(parts: &mut Parts, door: &Door) -> Result<Self, Problem> {
        RawPathParams::from_request_parts(parts, door)
            .await
            .map(Self)
            .map_err(|_| Problem::new(Code::NameInvalid, "the path is not UTF-8"))
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    fn namespace(&self) -> Result<NamespaceName, Refusal> {
        self.find("namespace").map_or_else(|| Ok(NamespaceName::default()), NamespaceName::parse)
    }

    fn queue(&self) -> Result<QueueRef, Refusal> {
        Ok(QueueRef { namespace: self.namespace()?, name: QueueName::parse(self.text("queue"))? })
    }

    fn topic(&self) -> Result<TopicRef, Refusal> {
        Ok(TopicRef { namespace: self.namespace()?, name: TopicName::parse(self.text("topic"))? })
    }

    fn exchange(&self) -> Result<ExchangeRef, Refusal> {
        Ok(ExchangeRef { namespace: self.namespace()?, name: ExchangeName::parse_word(self.text("exchange"))? })
    }

    fn policy(&self) -> Result<(NamespaceName, PolicyName), Refusal> {
        Ok((self.namespace()?, PolicyName::parse(self.text("policy"))?))
    }

    fn subscription(&self) -> Result<SubscriptionRef, Refusal> {
        Ok(SubscriptionRef { topic: self.topic()?, name: SubscriptionName::parse(self.text("subscription"))? })
    }

    fn partition(&self) -> Result<(TopicRef, Partition), Refusal> {
        let number = self.text("partition").parse::<u32>();
        let number = number.map_err(|_| Refusal::invalid("partition", "it must be a whole number from 0"))?;
        Ok((self.topic()?, Partition::new(number)))
    }

    fn token(&self) -> Result<TokenId, Refusal> {
        let number = self.text("token").parse::<u64>();
        number.map(TokenId::new).map_err(|_| Refusal::invalid("token", "it must be the number of a token"))
    }
}

macro_rules! in_path {
    ($(#[$doc:meta])* $name:ident($holds:ty), $read:expr) => {
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) $holds);

        impl FromRequestParts<Door> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Problem> {
                let segments = Segments::of(parts, door).await?;
                let read: fn(&Segments) -> Result<$holds, Refusal> = $read;
                Ok(Self(read(&segments)?))
            }
        }
    };
}

in_path!(
    /// The namespace of the path, or `default`.
    InNamespace(NamespaceName),
    Segments::namespace
);
in_path!(
    /// The exchange of the path.
    ExchangePath(ExchangeRef),
    Segments::exchange
);
in_path!(
    /// The namespace and policy of the path.
    PolicyPath((NamespaceName, PolicyName)),
    Segments::policy
);
in_path!(
    /// The namespace that the path names.
    NamespacePath(NamespaceName),
    |segments| NamespaceName::parse(segments.text("namespace"))
);
in_path!(
    /// The queue of the path.
    QueuePath(QueueRef),
    Segments::queue
);
in_path!(
    /// The topic of the path.
    TopicPath(TopicRef),
    Segments::topic
);
in_path!(
    /// The topic and partition of the path.
    PartitionPath((TopicRef, Partition)),
    Segments::partition
);
in_path!(
    /// The subscription of the path.
    SubscriptionPath(SubscriptionRef),
    Segments::subscription
);
in_path!(
    /// The user of the path.
    UserPath(UserName),
    |segments| UserName::parse(segments.text("user"))
);
in_path!(
    /// The token of the path.
    TokenPath(TokenId),
    Segments::token
);
in_path!(
    /// The queue or topic of an old path: the text, not yet checked.
    SeedPath(String),
    |segments| Ok(segments.text("name").to_owned())
);
in_path!(
    /// The code of an error page.
    Word(String),
    |segments| Ok(segments.text("code").to_owned())
);
