//! The one door of a node: every protocol's requests come through here, and nothing of the protocols.

use std::sync::Arc;

use broker::command::{Action, Command};
use broker::outcome::{Outcome, Placed, Tally};
use model::Backend;
use model::backend::{Consume, Deliveries, Reply};
use model::binding::{PublishExchange, RoutedPlace, RoutedPlaces};
use model::caller::{Caller, Credentials, Origin, Secret};
use model::failure::{Failure, Unavailable};
use model::message::MessageId;
use model::name::{SubscriptionRef, UserName};
use model::number::{Offset, Sequence};
use model::operation::{Access, OperationKind, Request, Response};
use model::queue::{Durability, Publish, Published, PublishedMessage};
use model::receipt::Receipt;
use model::refusal::Refusal;
use model::topic::{PublishTopic, PublishedRecord, PublishedRecords};

use crate::authenticate::{Known, KnownToken, by_certificate, by_token, check_password, hash_of, is_imported};
use crate::node::{Core, Node};
use crate::reads::subject;
use crate::standing::while_standing;
use crate::translate::{self, Prepared, principal};

impl Backend for Node {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        let core = self.core();
        Box::pin(async move { core.authenticate(credentials, origin).await })
    }

    fn submit(&self, caller: &Caller, request: Request) -> Reply<Response> {
        let (core, caller) = (self.core(), caller.clone());
        Box::pin(async move { core.submit(caller, request).await })
    }

    fn consume(&self, caller: &Caller, request: Consume) -> Reply<Box<dyn Deliveries>> {
        let (core, caller) = (self.core(), caller.clone());
        Box::pin(core.consume(caller, request))
    }
}

impl Core {
    async fn authenticate(&self, credentials: Credentials, origin: Origin) -> Result<Caller, Failure> {
        match credentials {
            Credentials::Token(secret) => {
                let hash = hash_of(&secret);
                by_token(self.known_token(&hash)?, secret, origin)
            }
            Credentials::Password { user, password } => {
                let known = self.known_user(&user)?;
                if known.is_none() && !self.log.read(|machine| machine.access().is_claimed())? {
                    return Err(Refusal::NotClaimed.into());
                }
                let imported = known.as_ref().map(|known| known.password_hash.clone()).filter(|hash| is_imported(hash));
                let caller = self.authenticator.by_password(&user, &password, known, origin).await;
                if let (Ok(caller), Some(hash)) = (&caller, imported) {
                    self.take_over_password(&caller.name, &hash, &password).await;
                }
                if let Err(failure) = &caller {
                    self.audit.note(&user, origin, "Authenticate", "", failure.code().word());
                }
                caller
            }
            Credentials::Certificate { user } => {
                let caller = by_certificate(user.as_str(), self.known_user(&user)?, origin);
                if let Err(failure) = &caller {
                    self.audit.note(&user, origin, "Authenticate", "", failure.code().word());
                }
                caller
            }
            Credentials::Claim { token, user, password } => self.claim(&token, &user, password, origin).await,
        }
    }

    fn known_user(&self, name: &str) -> Result<Option<Known>, Failure> {
        self.log.read(|machine| {
            let (id, user) = machine.access().user_named(name)?;
            Some(Known {
                user: id,
                name: user.name().clone(),
                password_hash: user.password_hash().to_owned(),
                disabled: user.is_disabled(),
            })
        })
    }

    fn known_token(&self, hash: &[u8; 32]) -> Result<Option<KnownToken>, Failure> {
        let now = self.log.now();
        self.log.read(|machine| {
            let (token, known) = machine.access().token_by_hash(hash, now.max(machine.now()))?;
            let user = machine.access().user(known.user()).filter(|user| !user.is_disabled())?;
            Some(KnownToken { token, user: known.user(), name: user.name().clone(), scope: known.scope().clone() })
        })
    }

    /// Makes the first administrator.
    async fn claim(&self, token: &Secret, user: &str, password: Secret, origin: Origin) -> Result<Caller, Failure> {
        self.authenticator.claim.check(token, origin, std::time::Instant::now())?;
        self.create_first_administrator(user, password.clone()).await?;
        self.audit.note(user, origin, "Claim", user, "done");
        let known = self.known_user(user)?;
        self.authenticator.by_password(user, &password, known, origin).await
    }

    /// Makes the first administrator; refused once there is one.
    pub(crate) async fn create_first_administrator(&self, user: &str, password: Secret) -> Result<(), Failure> {
        let name = UserName::parse(user)?;
        check_password(&password)?;
        let password_hash = self.authenticator.passwords.hash(password).await?;
        self.respond(broker::command::Principal::System, Action::Claim { name, password_hash }).await?;
        self.authenticator.claim.close();
        Ok(())
    }

    pub(crate) fn refuse_when_draining(&self) -> Result<(), Unavailable> {
        if self.admission.is_draining() { Err(Unavailable::Draining) } else { Ok(()) }
    }

    async fn submit(self: Arc<Self>, caller: Caller, request: Request) -> Result<Response, Failure> {
        let kind = request.kind();
        self.metrics.operation(kind);
        let about = is_audited(kind).then(|| subject(&request));
        let outcome = Arc::clone(&self).perform(&caller, request).await;
        if let Err(failure) = &outcome {
            self.metrics.failure(failure.code());
        }
        self.note_in_audit(&caller, kind, about, &outcome);
        outcome
    }

    fn note_in_audit(
        &self,
        caller: &Caller,
        kind: OperationKind,
        about: Option<String>,
        outcome: &Result<Response, Failure>,
    ) {
        let denied = matches!(outcome, Err(Failure::Refused(Refusal::Forbidden { .. })));
        if about.is_none() && !denied {
            return;
        }
        let word = outcome.as_ref().map_or_else(|failure| failure.code().word(), |_| "done");
        let about = about.unwrap_or_default();
        self.audit.note(caller.name.as_str(), caller.origin, kind.name(), &about, word);
    }

    async fn perform(self: Arc<Self>, caller: &Caller, request: Request) -> Result<Response, Failure> {
        // A door may ask long after it was told who calls: streams do.
        self.demand_recent_standing(caller)?;
        if request.kind().access() == Access::Read {
            let standing = || self.demand_standing(caller);
            return while_standing(standing, Arc::clone(&self).read(principal(caller), request)).await;
        }
        self.refuse_when_draining()?;
        let by = principal(caller);
        #[allow(clippy::wildcard_enum_match_arm, reason = "`translate::action` decides about the rest, exhaustively")]
        match request {
            Request::Publish(request) => self.publish(caller, request).await.map(Response::Publish),
            Request::PublishTopic(request) => self.publish_topic(caller, request).await.map(Response::PublishTopic),
            Request::PublishExchange(request) => {
                self.publish_exchange(caller, request).await.map(Response::PublishExchange)
            }
            Request::Receive(request) => {
                let source = request.source.clone();
                let standing = || self.demand_consuming(caller, &source);
                while_standing(standing, self.runtime.receive(caller, request)).await.map(Response::Receive)
            }
            Request::CreateUser(request) => self.create_user(by, request).await,
            Request::AlterUser(request) => self.alter_user(by, request).await,
            Request::CreateToken(request) => self.create_token(caller, request).await,
            Request::Login(_) => self.login(caller).await,
            Request::Logout(_) => self.logout(caller).await,
            request => {
                let action = translate::action(request)?.expect("what needs more is handled above");
                let after = AfterAction::of(&action);
                let response = self.respond(by, action).await?;
                self.tell_runtime(after);
                Ok(response)
            }
        }
    }

    /// Lets the leader's runtime know what was settled and what moved.
    fn tell_runtime(&self, after: AfterAction) {
        match after {
            AfterAction::Settled(receipts) => self.runtime.settled(&receipts),
            AfterAction::Moved(subscription) => self.runtime.rewind(&subscription),
            AfterAction::Nothing => {}
        }
    }

    async fn publish(&self, caller: &Caller, request: Publish) -> Result<Published, Failure> {
        let prepared = translate::publish(&request, &self.ids, caller.name.as_str())?;
        let (ids, placed) = self.put(caller, prepared).await?;
        let message = |(id, placed): (MessageId, Placed)| PublishedMessage {
            id,
            partition: placed.partition,
            sequence: Sequence::new(placed.place),
            duplicate: placed.duplicate,
        };
        let messages = ids.into_iter().zip(placed).map(message).collect();
        Ok(Published { messages, durability: Durability::Fsync, position: self.log.applied() })
    }

    async fn publish_topic(&self, caller: &Caller, request: PublishTopic) -> Result<PublishedRecords, Failure> {
        let prepared = translate::publish_topic(&request, &self.ids, caller.name.as_str())?;
        let (ids, placed) = self.put(caller, prepared).await?;
        let record = |(id, placed): (MessageId, Placed)| PublishedRecord {
            id,
            partition: placed.partition,
            offset: Offset::new(placed.place),
            duplicate: placed.duplicate,
        };
        let records = ids.into_iter().zip(placed).map(record).collect();
        Ok(PublishedRecords { records, durability: Durability::Fsync, position: self.log.applied() })
    }

    async fn publish_exchange(&self, caller: &Caller, request: PublishExchange) -> Result<RoutedPlaces, Failure> {
        let prepared = translate::publish_exchange(&request, &self.ids, caller.name.as_str())?;
        let (ids, outcome) = self.put_any(caller, prepared).await?;
        let Outcome::Routed(tallies) = outcome else { unreachable!("a routed publish was answered with {outcome:?}") };
        let message = |(id, tally): (MessageId, Tally)| {
            let Tally { fate, taken, duplicates, refused } = tally;
            RoutedPlace { id, fate, taken, duplicates, refused }
        };
        let messages = ids.into_iter().zip(tallies).map(message).collect();
        Ok(RoutedPlaces { messages, durability: Durability::Fsync, position: self.log.applied() })
    }

    /// Makes messages durable; their ids and what became of them.
    async fn put_any(&self, caller: &Caller, prepared: Prepared) -> Result<(Vec<MessageId>, Outcome), Failure> {
        let Prepared { action, ids, bytes } = prepared;
        let _room = self.admission.publish(bytes)?;
        let outcome = self.log.submit(Command { principal: principal(caller), action }).await??;
        self.metrics.published(ids.len(), bytes);
        Ok((ids, outcome))
    }

    /// Makes messages durable; their ids and places.
    async fn put(&self, caller: &Caller, prepared: Prepared) -> Result<(Vec<MessageId>, Vec<Placed>), Failure> {
        let (ids, outcome) = self.put_any(caller, prepared).await?;
        #[allow(clippy::wildcard_enum_match_arm, reason = "the machine answers a publish with places")]
        match outcome {
            Outcome::Placed(placed) => Ok((ids, placed)),
            other => unreachable!("a publish was answered with {other:?}"),
        }
    }
}

/// What the leader's runtime needs to know once an action is done.
enum AfterAction {
    /// A consumer settled these: it will not give them back.
    Settled(Vec<Receipt>),
    /// Members read from elsewhere.
    Moved(SubscriptionRef),
    /// Nothing that was handed out is concerned.
    Nothing,
}

impl AfterAction {
    fn of(action: &Action) -> Self {
        #[allow(clippy::wildcard_enum_match_arm, reason = "nothing else concerns what was handed out")]
        match action {
            Action::Ack(request) => Self::Settled(request.receipts.clone()),
            Action::Nack(request) => Self::Settled(request.receipts.clone()),
            Action::Seek(request) => Self::Moved(request.subscription.clone()),
            _ => Self::Nothing,
        }
    }
}

/// Whether an operation is noted in the audit log even when it is allowed: whatever changes what exists,
/// who may do what, or looks at payloads without consuming them.
const fn is_audited(kind: OperationKind) -> bool {
    match kind {
        OperationKind::CreateQueue
        | OperationKind::AlterQueue
        | OperationKind::DeleteQueue
        | OperationKind::PurgeQueue
        | OperationKind::TransferQueue
        | OperationKind::Peek
        | OperationKind::CancelMessages
        | OperationKind::Redrive
        | OperationKind::CreateTopic
        | OperationKind::AlterTopic
        | OperationKind::DeleteTopic
        | OperationKind::CreateExchange
        | OperationKind::DeleteExchange
        | OperationKind::Bind
        | OperationKind::Unbind
        | OperationKind::SetPolicy
        | OperationKind::DeletePolicy
        | OperationKind::TransferTopic
        | OperationKind::CreateSubscription
        | OperationKind::DeleteSubscription
        | OperationKind::Seek
        | OperationKind::CreateUser
        | OperationKind::AlterUser
        | OperationKind::DeleteUser
        | OperationKind::AddGrant
        | OperationKind::RemoveGrant
        | OperationKind::CreateToken
        | OperationKind::RevokeToken
        | OperationKind::Login
        | OperationKind::Logout
        | OperationKind::CreateNamespace
        | OperationKind::DeleteNamespace => true,
        OperationKind::DescribeQueue
        | OperationKind::ListQueues
        | OperationKind::Publish
        | OperationKind::Receive
        | OperationKind::Ack
        | OperationKind::Nack
        | OperationKind::Extend
        | OperationKind::DescribeTopic
        | OperationKind::ListTopics
        | OperationKind::PublishTopic
        | OperationKind::PublishExchange
        | OperationKind::DescribeExchange
        | OperationKind::ListExchanges
        | OperationKind::ListBindings
        | OperationKind::ListPolicies
        | OperationKind::ReadPartition
        | OperationKind::DescribeSubscription
        | OperationKind::ListSubscriptions
        | OperationKind::Commit
        | OperationKind::LeaveSubscription
        | OperationKind::DescribeUser
        | OperationKind::ListUsers
        | OperationKind::ListGrants
        | OperationKind::ListTokens
        | OperationKind::WhoAmI
        | OperationKind::ListNamespaces
        | OperationKind::DescribeNode => false,
    }
}
