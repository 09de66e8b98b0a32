//! Users: created, altered, deleted; the last administrator stays.

use model::access::{Right, Rights, Role, UserDescription};
use model::limits::USERS_MAX;
use model::name::UserName;
use model::number::{Timestamp, UserId};
use model::page::{Page, PageRequest};
use model::refusal::Refusal;

use super::{Access, rights_of};
use crate::codec::fields;

/// A user as the machine keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(crate) name: UserName,
    pub(crate) password_hash: String,
    pub(crate) roles: Vec<Role>,
    pub(crate) disabled: bool,
    pub(crate) created_at: Timestamp,
}

fields!(User { name, password_hash, roles, disabled, created_at });

impl User {
    /// The password's hash in PHC text form.
    pub fn password_hash(&self) -> &str {
        &self.password_hash
    }

    /// The name.
    pub const fn name(&self) -> &UserName {
        &self.name
    }

    /// Whether the user may not log in.
    pub const fn is_disabled(&self) -> bool {
        self.disabled
    }

    pub(super) fn rights(&self) -> Rights {
        rights_of(&self.roles)
    }

    pub(super) fn is_administrator(&self) -> bool {
        !self.disabled && self.rights().contains(Right::Administer)
    }
}

/// What changes about a user.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserChange {
    pub(crate) password_hash: Option<String>,
    pub(crate) roles: Option<Vec<Role>>,
    pub(crate) disabled: Option<bool>,
}

impl Access {
    /// Creates a user under an id that was never used.
    pub(crate) fn create_user(
        &mut self,
        id: UserId,
        now: Timestamp,
        name: UserName,
        password_hash: String,
        roles: Vec<Role>,
    ) -> Result<UserDescription, Refusal> {
        if self.user_ids.contains_key(&name) {
            return Err(Refusal::UserExists { name: name.to_string() });
        }
        if u64::try_from(self.users.len()).is_ok_and(|users| users >= USERS_MAX) {
            return Err(Refusal::LimitReached { what: "users", limit: USERS_MAX });
        }
        self.user_ids.insert(name.clone(), id);
        self.users.insert(id, User { name, password_hash, roles: tidy(roles), disabled: false, created_at: now });
        self.describe_id(id)
    }

    /// Alters a user. A new password or disabling ends its sessions.
    pub(crate) fn alter_user(&mut self, name: &UserName, change: UserChange) -> Result<UserDescription, Refusal> {
        let id = self.id_of(name)?;
        let mut altered = self.users.get(&id).expect("a name leads to a user").clone();
        let ends_sessions = change.password_hash.is_some() || change.disabled == Some(true);
        altered.password_hash = change.password_hash.unwrap_or(altered.password_hash);
        altered.roles = change.roles.map_or(altered.roles, tidy);
        altered.disabled = change.disabled.unwrap_or(altered.disabled);
        if !altered.is_administrator() {
            self.spare_last_administrator(id, name)?;
        }
        if ends_sessions {
            self.end_sessions(id);
        }
        self.users.insert(id, altered);
        self.describe_id(id)
    }

    /// Deletes a user with its tokens and grants.
    pub(crate) fn delete_user(&mut self, name: &UserName) -> Result<UserId, Refusal> {
        let id = self.id_of(name)?;
        self.spare_last_administrator(id, name)?;
        self.revoke_all(id);
        self.rules.remove(&id);
        self.user_ids.remove(name);
        self.users.remove(&id);
        Ok(id)
    }

    fn spare_last_administrator(&self, id: UserId, name: &UserName) -> Result<(), Refusal> {
        let is_one = self.users.get(&id).is_some_and(User::is_administrator);
        let others = self.users.iter().any(|(other, user)| *other != id && user.is_administrator());
        if is_one && !others { Err(Refusal::LastAdministrator { name: name.to_string() }) } else { Ok(()) }
    }

    /// A user by id.
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// A user by name, as text that a client sent.
    pub fn user_named(&self, name: &str) -> Option<(UserId, &User)> {
        let name = UserName::parse(name).ok()?;
        let id = self.user_ids.get(&name)?;
        self.users.get(id).map(|user| (*id, user))
    }

    /// The id behind a name.
    ///
    /// # Errors
    /// `UserNotFound`.
    pub fn user_id(&self, name: &UserName) -> Result<UserId, Refusal> {
        self.id_of(name)
    }

    /// How many users there are.
    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    /// Describes a user.
    ///
    /// # Errors
    /// `UserNotFound`.
    pub fn describe_user(&self, name: &UserName) -> Result<UserDescription, Refusal> {
        self.describe_id(self.id_of(name)?)
    }

    pub(crate) fn describe_id(&self, id: UserId) -> Result<UserDescription, Refusal> {
        let user = self.users.get(&id).ok_or(Refusal::Unauthenticated)?;
        Ok(UserDescription {
            name: user.name.clone(),
            id,
            roles: user.roles.clone(),
            disabled: user.disabled,
            created_at: user.created_at,
        })
    }

    /// A page of users.
    pub fn list_users(&self, prefix: &str, page: &PageRequest) -> Page<UserDescription> {
        let names = self.user_ids.iter().filter(|(name, _)| name.as_str().starts_with(prefix));
        crate::page::page(names, page, |(name, _)| name.as_str(), |(_, id)| self.describe_id(**id).ok())
    }
}

fn tidy(mut roles: Vec<Role>) -> Vec<Role> {
    roles.sort_unstable();
    roles.dedup();
    roles
}
