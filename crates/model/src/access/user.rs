//! Users: described, created, altered, deleted.
//! Invariant: nothing secret is in a description.
//! Used by every door and by the machine. Tests: the matrix of the binary.

use super::{NewPassword, Role};
use crate::name::UserName;
use crate::number::{Timestamp, UserId};
use crate::page::{Page, PageRequest};

/// A user, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDescription {
    /// The name.
    pub name: UserName,
    /// The id.
    pub id: UserId,
    /// The roles.
    pub roles: Vec<Role>,
    /// A disabled user cannot log in; its tokens do not work.
    pub disabled: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Creates a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateUser {
    /// The name; refused when it exists.
    pub name: UserName,
    /// The password.
    pub password: NewPassword,
    /// The roles; none is a user who can do nothing until something is granted.
    pub roles: Vec<Role>,
}

/// Changes a user; `None` stays as it is. A user may change its own password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterUser {
    /// Who.
    pub name: UserName,
    /// A new password; ends all sessions of the user.
    pub password: Option<NewPassword>,
    /// New roles.
    pub roles: Option<Vec<Role>>,
    /// Disable or enable.
    pub disabled: Option<bool>,
}

/// Describes a user; everybody may describe itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeUser {
    /// Who.
    pub name: UserName,
}

/// Deletes a user with its tokens and grants; what it owned has no owner then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteUser {
    /// Who.
    pub name: UserName,
}

/// Lists users by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListUsers {
    /// Only names that start with this.
    pub prefix: String,
    /// Which part of the list.
    pub page: PageRequest,
}

/// Says who the caller is and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhoAmI;

/// A page of users.
pub type UserPage = Page<UserDescription>;
