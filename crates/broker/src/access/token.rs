//! Tokens: sessions from a login and those made for programs. Only a hash of the secret is kept.

use model::access::{Scope, TokenDescription, TokenKind};
use model::limits::TOKENS_PER_USER_MAX;
use model::number::{Timestamp, TokenId, UserId};
use model::refusal::Refusal;

use super::Access;
use crate::codec::fields;

/// A token as the machine keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub(crate) user: UserId,
    pub(crate) label: String,
    pub(crate) kind: TokenKind,
    pub(crate) scope: Scope,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) secret_hash: [u8; 32],
}

fields!(Token { user, label, kind, scope, created_at, expires_at, secret_hash });

impl Token {
    /// Whose it is.
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// What it allows at most.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When it stops working.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Access {
    /// Records a token; expired ones of the same user make room first.
    pub(crate) fn create_token(
        &mut self,
        id: TokenId,
        now: Timestamp,
        token: Token,
    ) -> Result<TokenDescription, Refusal> {
        self.forget_expired(token.user, now);
        if self.tokens.values().filter(|other| other.user == token.user).count() >= TOKENS_PER_USER_MAX {
            return Err(Refusal::LimitReached { what: "tokens of one user", limit: 256 });
        }
        self.token_ids.insert(token.secret_hash, id);
        self.tokens.insert(id, token);
        self.describe_token(id)
    }

    /// The token with this secret, unless it has expired.
    pub fn token_by_hash(&self, secret_hash: &[u8; 32], now: Timestamp) -> Option<(TokenId, &Token)> {
        let id = self.token_ids.get(secret_hash)?;
        let token = self.tokens.get(id).filter(|token| token.expires_at > now)?;
        Some((*id, token))
    }

    /// Whether a user may still act, through the token that it showed.
    pub fn has_standing(&self, user: UserId, token: Option<TokenId>, now: Timestamp) -> bool {
        let stands =
            |id: TokenId| self.tokens.get(&id).is_some_and(|token| token.user == user && token.expires_at > now);
        self.user(user).is_some_and(|user| !user.disabled) && token.is_none_or(stands)
    }

    /// Whose token this is.
    pub(crate) fn token_owner(&self, id: TokenId) -> Option<UserId> {
        self.tokens.get(&id).map(|token| token.user)
    }

    /// Removes a token.
    pub(crate) fn revoke_token(&mut self, id: TokenId) -> Result<(), Refusal> {
        let token = self.tokens.remove(&id).ok_or(Refusal::TokenNotFound)?;
        self.token_ids.remove(&token.secret_hash);
        Ok(())
    }

    pub(super) fn end_sessions(&mut self, user: UserId) {
        self.revoke_where(|token| token.user == user && token.kind == TokenKind::Session);
    }

    pub(super) fn revoke_all(&mut self, user: UserId) {
        self.revoke_where(|token| token.user == user);
    }

    fn forget_expired(&mut self, user: UserId, now: Timestamp) {
        self.revoke_where(|token| token.user == user && token.expires_at <= now);
    }

    fn revoke_where(&mut self, gone: impl Fn(&Token) -> bool) {
        let ids: Vec<_> = self.tokens.iter().filter(|(_, token)| gone(token)).map(|(id, _)| *id).collect();
        for id in ids {
            self.revoke_token(id).expect("the token was found a line above");
        }
    }

    /// The tokens of a user, ordered by id.
    pub fn tokens_of(&self, user: UserId) -> Vec<TokenDescription> {
        let ids = self.tokens.iter().filter(|(_, token)| token.user == user).map(|(id, _)| *id);
        ids.filter_map(|id| self.describe_token(id).ok()).collect()
    }

    fn describe_token(&self, id: TokenId) -> Result<TokenDescription, Refusal> {
        let token = self.tokens.get(&id).ok_or(Refusal::TokenNotFound)?;
        let user = self.user(token.user).ok_or(Refusal::TokenNotFound)?;
        Ok(TokenDescription {
            id,
            user: user.name.clone(),
            label: token.label.clone(),
            kind: token.kind,
            scope: token.scope.clone(),
            created_at: token.created_at,
            expires_at: token.expires_at,
        })
    }
}
