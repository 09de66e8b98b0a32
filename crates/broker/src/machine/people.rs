//! Users, tokens, grants and namespaces: who may change them, and the changes.

use model::access::{Right, Scope, TokenKind};
use model::name::{NamespaceName, UserName};
use model::number::{Span, TokenId, UserId};
use model::operation::Response;
use model::queue::Created;
use model::refusal::Refusal;
use model::subscription::Done;

use super::Machine;
use crate::access::{Token, UserChange};
use crate::command::{Action, Principal};
use crate::outcome::Outcome;

impl Machine {
    /// Does the actions that concern people; every other one is handled before.
    pub(super) fn perform_for_people(&mut self, by: &Principal, action: &Action) -> Result<Outcome, Refusal> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "`perform` hands over exactly these")]
        match action {
            Action::Claim { name, password_hash } => self.claim(name, password_hash),
            Action::CreateUser { name, password_hash, roles } => {
                self.access.demand_broker(by, Right::Administer)?;
                let id = UserId::new(self.new_id());
                let now = self.now;
                let user = self.access.create_user(id, now, name.clone(), password_hash.clone(), roles.clone())?;
                Ok(Outcome::response(Response::CreateUser(user)))
            }
            Action::AlterUser { name, password_hash, roles, disabled } => {
                let change =
                    UserChange { password_hash: password_hash.clone(), roles: roles.clone(), disabled: *disabled };
                self.alter_user(by, name, change)
            }
            Action::DeleteUser(request) => {
                self.access.demand_broker(by, Right::Administer)?;
                let id = self.access.delete_user(&request.name)?;
                self.disown(id);
                Ok(Outcome::response(Response::DeleteUser(Done)))
            }
            Action::AddGrant(request) => {
                self.access.demand_broker(by, Right::Administer)?;
                self.access.add_grant(request.grant.clone())?;
                Ok(Outcome::response(Response::AddGrant(Done)))
            }
            Action::RemoveGrant(request) => {
                self.access.demand_broker(by, Right::Administer)?;
                self.access.remove_grant(&request.user, &request.resource, request.effect)?;
                Ok(Outcome::response(Response::RemoveGrant(Done)))
            }
            Action::CreateToken { label, kind, scope, lifetime, secret_hash } => {
                self.create_token(by, NewToken { label, kind: *kind, scope, lifetime: *lifetime, secret_hash })
            }
            Action::RevokeToken(request) => self.revoke_token(by, request.id),
            Action::Logout { token } => {
                let (user, _) = self.access.user_of(by)?;
                if self.access.token_owner(*token) != Some(user) {
                    return Err(Refusal::TokenNotFound);
                }
                self.access.revoke_token(*token)?;
                Ok(Outcome::response(Response::Logout(Done)))
            }
            Action::CreateNamespace(request) => self.create_namespace(by, &request.name),
            Action::DeleteNamespace(request) => self.delete_namespace(by, &request.name),
            other => unreachable!("{other:?} concerns no people"),
        }
    }

    fn claim(&mut self, name: &UserName, password_hash: &str) -> Result<Outcome, Refusal> {
        if self.access.is_claimed() {
            return Err(Refusal::ClaimInvalid);
        }
        let id = UserId::new(self.new_id());
        let roles = vec![model::access::Role::Admin];
        let user = self.access.create_user(id, self.now, name.clone(), password_hash.to_owned(), roles)?;
        Ok(Outcome::response(Response::CreateUser(user)))
    }

    fn alter_user(&mut self, by: &Principal, name: &UserName, change: UserChange) -> Result<Outcome, Refusal> {
        self.demand_alteration(by, name, change.roles.is_some() || change.disabled.is_some())?;
        let user = self.access.alter_user(name, change)?;
        Ok(Outcome::response(Response::AlterUser(user)))
    }

    /// Administrators alter anyone; a user alters only its own password, and not with a narrowed token.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn demand_alteration(&self, by: &Principal, name: &UserName, beyond_password: bool) -> Result<(), Refusal> {
        let itself = self.access.user_of(by).is_ok_and(|(_, user)| user.name() == name);
        let whole = matches!(by, Principal::User { scope, .. } if *scope == Scope::full());
        if itself && whole && !beyond_password {
            return Ok(());
        }
        self.access.demand_broker(by, Right::Administer)
    }

    /// What a deleted user owned belongs to nobody; only administrators delete it from then on.
    fn disown(&mut self, id: UserId) {
        let owners = self.queues.values_mut().map(|entry| &mut entry.owner);
        let owners = owners.chain(self.topics.values_mut().map(|entry| &mut entry.owner));
        for owner in owners.chain(self.subscriptions.values_mut().map(|entry| &mut entry.owner)) {
            if *owner == Some(id) {
                *owner = None;
            }
        }
        self.namespaces.values_mut().for_each(|namespace| namespace.exchanges.disown(id));
    }

    /// A token narrows what its maker may do; one made with a narrowed token is narrowed at least as much.
    fn create_token(&mut self, by: &Principal, new: NewToken<'_>) -> Result<Outcome, Refusal> {
        let (user, _) = self.access.user_of(by)?;
        let mut scope = new.scope.clone();
        if let Principal::User { scope: own, .. } = by {
            scope.rights = scope.rights.intersection(own.rights);
            if own.resource.is_some() && own.resource != scope.resource {
                return Err(Refusal::invalid("scope", "a token can only make tokens for its own resource"));
            }
        }
        let token = Token {
            user,
            label: new.label.to_owned(),
            kind: new.kind,
            scope,
            created_at: self.now,
            expires_at: self.now.after(new.lifetime),
            secret_hash: *new.secret_hash,
        };
        let id = TokenId::new(self.new_id());
        let description = self.access.create_token(id, self.now, token)?;
        Ok(Outcome::Token(Box::new(description)))
    }

    fn revoke_token(&mut self, by: &Principal, id: TokenId) -> Result<Outcome, Refusal> {
        let (user, _) = self.access.user_of(by)?;
        if self.access.token_owner(id) != Some(user) && self.access.demand_broker(by, Right::Administer).is_err() {
            return Err(Refusal::TokenNotFound);
        }
        self.access.revoke_token(id)?;
        Ok(Outcome::response(Response::RevokeToken(Done)))
    }

    fn create_namespace(&mut self, by: &Principal, name: &NamespaceName) -> Result<Outcome, Refusal> {
        self.access.demand_broker(by, Right::Administer)?;
        if name.is_system() && !self.namespaces.contains_key(name) {
            return Err(Refusal::invalid("name", "names that start with $ belong to the system"));
        }
        let created = !self.namespaces.contains_key(name);
        self.namespaces.entry(name.clone()).or_default();
        let description = self.describe_namespace(name)?;
        Ok(Outcome::response(Response::CreateNamespace(Created { created, description })))
    }

    fn delete_namespace(&mut self, by: &Principal, name: &NamespaceName) -> Result<Outcome, Refusal> {
        self.access.demand_broker(by, Right::Administer)?;
        let namespace = self.namespace(name)?;
        if name.is_system() || *name == NamespaceName::default() {
            return Err(Refusal::invalid("name", "this namespace always exists"));
        }
        if !namespace.queues.is_empty() || !namespace.topics.is_empty() || !namespace.exchanges.is_untouched() {
            return Err(Refusal::NamespaceNotEmpty { name: name.to_string() });
        }
        self.namespaces.remove(name);
        Ok(Outcome::response(Response::DeleteNamespace(Done)))
    }

    /// The user that a new owner's name stands for.
    pub(super) fn new_owner(&self, name: &UserName) -> Result<UserId, Refusal> {
        self.access.user_id(name)
    }

    /// The name of an owner that still exists.
    pub(super) fn owner_name(&self, owner: Option<UserId>) -> Option<UserName> {
        owner.and_then(|id| self.access.user(id)).map(|user| user.name().clone())
    }
}

/// A token to record.
struct NewToken<'a> {
    label: &'a str,
    kind: TokenKind,
    scope: &'a Scope,
    lifetime: Span,
    secret_hash: &'a [u8; 32],
}
