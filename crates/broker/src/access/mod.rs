//! Users, tokens and grants, and the one decision: may this principal do this to that thing?
//!
//! Default deny; deny beats allow; owners hold every operation on their own thing; a scope only narrows.
//! Invariant: rights attach to ids, so a recreated name inherits nothing; there is always an enabled
//! administrator once there has been one.
//! Called by the machine for every command and read. Matrix: `tests/matrix.rs` of the
//! binary.

mod token;
mod user;

use std::collections::BTreeMap;

use model::access::{Effect, Grant, ResourceKind, ResourcePattern, Right, Rights, Role};
use model::name::{NamespaceName, UserName};
use model::number::{TokenId, UserId};
use model::operation::Need;
use model::refusal::Refusal;

use crate::codec::{Wire, fields};
use crate::command::Principal;

pub use token::Token;
pub use user::User;
pub(crate) use user::UserChange;

/// One rule of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    resource: ResourcePattern,
    rights: Rights,
    effect: Effect,
}

fields!(Rule { resource, rights, effect });

/// A thing that a right is asked over.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its namespace.
    pub namespace: &'a NamespaceName,
    /// Its name; empty for the broker itself.
    pub name: &'a str,
    /// Its owner, if it exists and has one.
    pub owner: Option<UserId>,
}

impl Target<'_> {
    fn fits(&self, pattern: &ResourcePattern) -> bool {
        pattern.kind == self.kind && pattern.namespace == *self.namespace && pattern.name.matches(self.name)
    }
}

/// Everything about who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    users: BTreeMap<UserId, User>,
    user_ids: BTreeMap<UserName, UserId>,
    tokens: BTreeMap<TokenId, Token>,
    token_ids: BTreeMap<[u8; 32], TokenId>,
    rules: BTreeMap<UserId, Vec<Rule>>,
}

/// Rights that owning a queue or topic gives.
const OWNER: Rights = Rights::of(&[
    Right::Describe,
    Right::Alter,
    Right::Delete,
    Right::Publish,
    Right::Consume,
    Right::Peek,
    Right::Purge,
    Right::Seek,
]);

impl Access {
    /// Whether a principal holds a right over a thing.
    pub fn allows(&self, principal: &Principal, right: Right, target: &Target<'_>) -> bool {
        self.allows_with(principal, right, target, OWNER)
    }

    /// As `allows`, where owning the thing gives the rights of `owner`.
    fn allows_with(&self, principal: &Principal, right: Right, target: &Target<'_>, owner: Rights) -> bool {
        let (id, scope) = match principal {
            Principal::System => return true,
            Principal::User { id, scope } => (id, scope),
        };
        let Some(user) = self.users.get(id).filter(|user| !user.disabled) else { return false };
        if !scope.rights.contains(right) || scope.resource.as_ref().is_some_and(|pattern| !target.fits(pattern)) {
            return false;
        }
        let rules = self.rules.get(id).map_or(&[][..], Vec::as_slice);
        let ruled = |effect| {
            rules.iter().any(|rule| rule.effect == effect && rule.rights.contains(right) && target.fits(&rule.resource))
        };
        if ruled(Effect::Deny) {
            return false;
        }
        let owns = target.owner == Some(*id) && owner.contains(right);
        owns || user.rights().contains(right) || ruled(Effect::Allow)
    }

    /// Whether a principal may do an operation that has this need to a thing.
    pub fn permits(&self, principal: &Principal, need: Need, target: &Target<'_>) -> bool {
        match need {
            Need::SelfService => self.user_of(principal).is_ok() || *principal == Principal::System,
            Need::Right(right) => self.allows(principal, right, target),
            // An owner has the right over this thing, such as to give it away, although it does not administer the
            // broker; a deny of that right, or a scope without it, still stands in the way.
            Need::Owner(right) => self.allows_with(principal, right, target, OWNER.union(Rights::of(&[right]))),
        }
    }

    /// Demands a right.
    ///
    /// # Errors
    /// `Forbidden` naming the right.
    pub fn demand(&self, principal: &Principal, right: Right, target: &Target<'_>) -> Result<(), Refusal> {
        if self.allows(principal, right, target) { Ok(()) } else { Err(Refusal::Forbidden { right }) }
    }

    /// Demands the right to administer the broker.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn demand_broker(&self, principal: &Principal, right: Right) -> Result<(), Refusal> {
        self.demand(principal, right, &broker(&NamespaceName::default()))
    }

    /// The user that a principal is.
    ///
    /// # Errors
    /// `Unauthenticated` for the system, for users that are gone and for disabled ones.
    pub fn user_of(&self, principal: &Principal) -> Result<(UserId, &User), Refusal> {
        match principal {
            Principal::System => Err(Refusal::Unauthenticated),
            Principal::User { id, .. } => {
                let user = self.users.get(id).filter(|user| !user.disabled);
                user.map(|user| (*id, user)).ok_or(Refusal::Unauthenticated)
            }
        }
    }

    /// Whether anyone can administer the broker.
    pub fn is_claimed(&self) -> bool {
        self.users.values().any(User::is_administrator)
    }

    /// Adds a rule or replaces the one of the same user, resource and effect.
    ///
    /// # Errors
    /// `UserNotFound`, or `LimitReached` beyond the grants a user may have.
    pub fn add_grant(&mut self, grant: Grant) -> Result<(), Refusal> {
        let id = self.id_of(&grant.user)?;
        let rules = self.rules.entry(id).or_default();
        rules.retain(|rule| rule.resource != grant.resource || rule.effect != grant.effect);
        if rules.len() >= model::limits::GRANTS_PER_USER_MAX {
            return Err(Refusal::LimitReached { what: "grants of one user", limit: 1024 });
        }
        rules.push(Rule { resource: grant.resource, rights: grant.rights, effect: grant.effect });
        rules.sort_by(|a, b| (&a.resource, a.effect).cmp(&(&b.resource, b.effect)));
        Ok(())
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// `UserNotFound` or `GrantNotFound`.
    pub fn remove_grant(&mut self, user: &UserName, resource: &ResourcePattern, effect: Effect) -> Result<(), Refusal> {
        let id = self.id_of(user)?;
        let rules = self.rules.entry(id).or_default();
        let before = rules.len();
        rules.retain(|rule| rule.resource != *resource || rule.effect != effect);
        if rules.len() == before { Err(Refusal::GrantNotFound) } else { Ok(()) }
    }

    /// The grants of one user or of all, ordered by user, then resource.
    ///
    /// # Errors
    /// `UserNotFound`.
    pub fn grants(&self, user: Option<&UserName>) -> Result<Vec<Grant>, Refusal> {
        let only = user.map(|name| self.id_of(name)).transpose()?;
        let named = self.user_ids.iter().filter(|(_, id)| only.is_none_or(|only| only == **id));
        Ok(named
            .flat_map(|(name, id)| {
                let rules = self.rules.get(id).map_or(&[][..], Vec::as_slice);
                rules.iter().map(|rule| Grant {
                    user: name.clone(),
                    resource: rule.resource.clone(),
                    rights: rule.rights,
                    effect: rule.effect,
                })
            })
            .collect())
    }

    fn id_of(&self, name: &UserName) -> Result<UserId, Refusal> {
        self.user_ids.get(name).copied().ok_or_else(|| Refusal::UserNotFound { name: name.to_string() })
    }
}

/// The broker itself as a target.
pub const fn broker(namespace: &NamespaceName) -> Target<'_> {
    Target { kind: ResourceKind::Broker, namespace, name: "", owner: None }
}

/// The rights of some roles together.
fn rights_of(roles: &[Role]) -> Rights {
    roles.iter().fold(Rights::NONE, |rights, role| rights.union(role.rights()))
}

impl Wire for Access {
    fn write(&self, writer: &mut crate::wire::Writer) {
        self.users.iter().map(|(id, user)| (*id, user.clone())).collect::<Vec<_>>().write(writer);
        self.tokens.iter().map(|(id, token)| (*id, token.clone())).collect::<Vec<_>>().write(writer);
        self.rules.iter().map(|(id, rules)| (*id, rules.clone())).collect::<Vec<_>>().write(writer);
    }

    fn read(reader: &mut crate::wire::Reader) -> Result<Self, crate::wire::WireError> {
        let users: BTreeMap<UserId, User> = Vec::read(reader)?.into_iter().collect();
        let tokens: BTreeMap<TokenId, Token> = Vec::read(reader)?.into_iter().collect();
        let rules = Vec::read(reader)?.into_iter().collect();
        let user_ids = users.iter().map(|(id, user)| (user.name.clone(), *id)).collect();
        let token_ids = tokens.iter().map(|(id, token)| (token.secret_hash, *id)).collect();
        Ok(Self { users, user_ids, tokens, token_ids, rules })
    }
}
