//! Tokens: sessions from a login and those made for programs, with what each may be used for.
//! Invariant: a scope only takes rights away; a secret is shown once.
//! Used by every door and by the machine. Tests: the matrix of the binary.

use super::{ResourcePattern, Rights};
use crate::caller::Secret;
use crate::name::UserName;
use crate::number::{Span, Timestamp, TokenId};

/// What a token may be used for, at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Rights beyond these are not used.
    pub rights: Rights,
    /// Only on things that fit; `None`: on everything.
    pub resource: Option<ResourcePattern>,
}

impl Scope {
    /// Whatever the user may do.
    pub const fn full() -> Self {
        Self { rights: Rights::ALL, resource: None }
    }
}

/// Whether a token came from a login or was made for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// From a login; ends with logout.
    Session,
    /// Made for a program.
    Api,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenDescription {
    /// Names it for revoking.
    pub id: TokenId,
    /// Whose.
    pub user: UserName,
    /// What it was called.
    pub label: String,
    /// Login or program.
    pub kind: TokenKind,
    /// What it may be used for.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// Makes an API token for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateToken {
    /// What to call it, at most 255 bytes.
    pub label: String,
    /// What it may be used for.
    pub scope: Scope,
    /// How long it works, at most ten years.
    pub lifetime: Span,
}

/// A new token: the only time its secret is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The secret, for `Authorization: Bearer`.
    pub secret: Secret,
    /// The rest.
    pub description: TokenDescription,
}

/// Lists tokens and sessions: the caller's, or with `Administer` anyone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTokens {
    /// Whose; `None`: the caller's.
    pub user: Option<UserName>,
}

/// The tokens asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Ordered by id.
    pub tokens: Vec<TokenDescription>,
}

/// Revokes a token: the caller's own, or with `Administer` anyone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeToken {
    /// Which.
    pub id: TokenId,
}

/// Makes a session token for the caller, who has just authenticated with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login;

/// Ends the session that the caller authenticated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logout;
