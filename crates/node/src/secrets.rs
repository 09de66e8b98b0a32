//! Requests that carry or make secrets: passwords are hashed and tokens drawn here, before anything is
//! written down.

use broker::command::{Action, Command, Principal};
use broker::outcome::Outcome;
use model::access::{AlterUser, CreateToken, CreateUser, NewPassword, NewToken, Scope, TokenKind};
use model::caller::{Caller, Secret};
use model::failure::Failure;
use model::limits::{SESSION_MS, TOKEN_MS_MAX};
use model::name::UserName;
use model::number::Span;
use model::operation::Response;
use model::refusal::Refusal;

use crate::authenticate::{check_password, hash_of, new_secret};
use crate::node::Core;
use crate::translate::principal;

impl Core {
    pub(crate) async fn create_user(&self, by: Principal, request: CreateUser) -> Result<Response, Failure> {
        // Refused before the slow hash, so that nobody without the right can make the node work.
        self.log.read(|machine| machine.access().demand_broker(&by, model::access::Right::Administer))??;
        let password_hash = self.hash_of_new(request.password).await?;
        let action = Action::CreateUser { name: request.name, password_hash, roles: request.roles };
        self.respond(by, action).await
    }

    pub(crate) async fn alter_user(&self, by: Principal, request: AlterUser) -> Result<Response, Failure> {
        // Before the slow hash, as above; the machine looks again when it does it.
        let beyond_password = request.roles.is_some() || request.disabled.is_some();
        self.log.read(|machine| machine.demand_alteration(&by, &request.name, beyond_password))??;
        let password_hash = match request.password {
            None => None,
            Some(password) => Some(self.hash_of_new(password).await?),
        };
        let AlterUser { name, roles, disabled, .. } = request;
        self.respond(by, Action::AlterUser { name, password_hash, roles, disabled }).await
    }

    /// What is kept of a new password.
    async fn hash_of_new(&self, password: NewPassword) -> Result<String, Failure> {
        match password {
            NewPassword::Text(password) => {
                check_password(&password)?;
                self.authenticator.passwords.hash(password).await
            }
            NewPassword::Imported(hash) => Ok(hash.as_str().to_owned()),
        }
    }

    /// Replaces a hash that another broker made, now that its password was shown, by one of our own.
    pub(crate) async fn take_over_password(&self, user: &UserName, known: &str, password: &Secret) {
        let Ok(own) = self.authenticator.passwords.hash(password.clone()).await else { return };
        // It may have been changed meanwhile.
        let same = |machine: &broker::Machine| {
            machine.access().user_named(user.as_str()).is_some_and(|(_, user)| user.password_hash() == known)
        };
        if !self.log.read(same).unwrap_or(false) {
            return;
        }
        let action = Action::AlterUser { name: user.clone(), password_hash: Some(own), roles: None, disabled: None };
        if let Err(failure) = self.respond(Principal::System, action).await {
            tracing::debug!(%failure, "an imported password is not taken over yet");
        }
    }

    pub(crate) async fn login(&self, caller: &Caller) -> Result<Response, Failure> {
        let lifetime = Span::new(SESSION_MS);
        // A session may do what its maker may; one made with a narrow token stays as narrow.
        let scope = caller.scope.clone();
        let made = self.make_token(caller, "login".to_owned(), TokenKind::Session, scope, lifetime).await?;
        Ok(Response::Login(made))
    }

    pub(crate) async fn create_token(&self, caller: &Caller, request: CreateToken) -> Result<Response, Failure> {
        if request.label.len() > 255 {
            return Err(Refusal::invalid("label", "a label is at most 255 bytes").into());
        }
        if request.lifetime == Span::new(0) || request.lifetime > Span::new(TOKEN_MS_MAX) {
            return Err(Refusal::invalid("lifetime_ms", "a token lives at least 1 ms and at most ten years").into());
        }
        let CreateToken { label, scope, lifetime } = request;
        let made = self.make_token(caller, label, TokenKind::Api, scope, lifetime).await?;
        Ok(Response::CreateToken(made))
    }

    async fn make_token(
        &self,
        caller: &Caller,
        label: String,
        kind: TokenKind,
        scope: Scope,
        lifetime: Span,
    ) -> Result<NewToken, Failure> {
        let secret = new_secret();
        let action = Action::CreateToken { label, kind, scope, lifetime, secret_hash: hash_of(&secret) };
        let outcome = self.log.submit(Command { principal: principal(caller), action }).await??;
        #[allow(clippy::wildcard_enum_match_arm, reason = "the machine answers a token with a token")]
        match outcome {
            Outcome::Token(description) => Ok(NewToken { secret, description: *description }),
            other => unreachable!("a new token was answered with {other:?}"),
        }
    }

    pub(crate) async fn logout(&self, caller: &Caller) -> Result<Response, Failure> {
        let token = caller.token.ok_or(Refusal::TokenNotFound)?;
        self.respond(principal(caller), Action::Logout { token }).await
    }

    /// Does an action whose outcome is a complete response.
    pub(crate) async fn respond(&self, by: Principal, action: Action) -> Result<Response, Failure> {
        let outcome = self.log.submit(Command { principal: by, action }).await??;
        #[allow(clippy::wildcard_enum_match_arm, reason = "the machine answers these actions with responses")]
        match outcome {
            Outcome::Response(response) => Ok(*response),
            other => unreachable!("an action was answered with {other:?}"),
        }
    }
}
