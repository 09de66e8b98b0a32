//! Who may do what: rights, roles, users, tokens and grants.
//!
//! Default deny. A right comes from a role, from a grant (deny beats allow), or from owning the thing;
//! a token's scopes only take rights away. Decisions depend on nothing a client can set.
//! Invariant: rights attach to the user's id; a recreated name inherits nothing.

mod grant;
mod namespace;
mod password;
mod right;
mod token;
mod user;

pub use grant::{AddGrant, Effect, Grant, Grants, ListGrants, NamePattern, RemoveGrant, ResourceKind, ResourcePattern};
pub use namespace::{CreateNamespace, DeleteNamespace, ListNamespaces, NamespaceDescription, NamespacePage};
pub use password::{ImportedHash, NewPassword};
pub use right::{Right, Rights, Role};
pub use token::{
    CreateToken, ListTokens, Login, Logout, NewToken, RevokeToken, Scope, TokenDescription, TokenKind, Tokens,
};
pub use user::{AlterUser, CreateUser, DeleteUser, DescribeUser, ListUsers, UserDescription, UserPage, WhoAmI};
