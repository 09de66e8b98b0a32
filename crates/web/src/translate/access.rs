//! Users, tokens, grants and namespaces.
//! Invariant: a secret goes from the document into a `Secret` and nowhere else.
//! Used by `rest::{users, tokens, grants, namespaces, session}`; tests in `translate/tests.rs`.

use model::access::{
    AddGrant, AlterUser, CreateToken, CreateUser, Grant, Grants, NamePattern, NamespaceDescription, NewToken,
    RemoveGrant, ResourcePattern, Right, Rights, Scope, TokenDescription, Tokens, UserDescription,
};
use model::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, TOKEN_MS_MAX};
use model::name::{NamespaceName, UserName};
use model::number::Span;
use model::refusal::Refusal;
use model::{Credentials, Secret};

use crate::wire;

/// The credentials of a login.
pub(crate) fn password_credentials(request: wire::LoginRequest) -> Credentials {
    Credentials::Password { user: request.username, password: Secret::new(request.password.0) }
}

impl From<wire::ClaimRequest> for Credentials {
    fn from(request: wire::ClaimRequest) -> Self {
        Self::Claim {
            token: Secret::new(request.token.0),
            user: request.username,
            password: Secret::new(request.password.0),
        }
    }
}

fn password(text: wire::SecretText) -> Result<Secret, Refusal> {
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&text.0.len()) {
        return Ok(Secret::new(text.0));
    }
    Err(Refusal::invalid("password", "it must have 8 to 1024 bytes"))
}

impl wire::CreateUserRequest {
    /// The request to create the user of the path.
    pub(crate) fn named(self, name: UserName) -> Result<CreateUser, Refusal> {
        let roles = self.roles.into_iter().map(Into::into).collect();
        Ok(CreateUser { name, password: password(self.password)?.into(), roles })
    }
}

impl wire::AlterUserRequest {
    /// The request to change the user of the path.
    pub(crate) fn named(self, name: UserName) -> Result<AlterUser, Refusal> {
        Ok(AlterUser {
            name,
            password: self.password.map(password).transpose()?.map(Into::into),
            roles: self.roles.map(|roles| roles.into_iter().map(Into::into).collect()),
            disabled: self.disabled,
        })
    }
}

impl From<UserDescription> for wire::UserDescription {
    fn from(user: UserDescription) -> Self {
        Self {
            name: user.name.as_str().into(),
            id: user.id.get(),
            roles: user.roles.into_iter().map(wire::Role::from).collect(),
            disabled: user.disabled,
            created_at: user.created_at.get(),
        }
    }
}

fn rights(words: Vec<wire::Right>) -> Rights {
    let rights: Vec<Right> = words.into_iter().map(Right::from).collect();
    Rights::of(&rights)
}

fn words(rights: Rights) -> Vec<wire::Right> {
    rights.iter().map(wire::Right::from).collect()
}

impl TryFrom<wire::ResourcePattern> for ResourcePattern {
    type Error = Refusal;

    fn try_from(pattern: wire::ResourcePattern) -> Result<Self, Refusal> {
        let namespace = pattern.namespace.map(|name| NamespaceName::parse(&name.0)).transpose()?;
        let name = match pattern.pattern {
            wire::PatternKind::Literal => NamePattern::Literal(pattern.name),
            wire::PatternKind::Prefix => NamePattern::Prefix(pattern.name),
        };
        Ok(Self { kind: pattern.kind.into(), namespace: namespace.unwrap_or_default(), name: name.bounded()? })
    }
}

impl From<ResourcePattern> for wire::ResourcePattern {
    fn from(resource: ResourcePattern) -> Self {
        let (pattern, name) = match resource.name {
            NamePattern::Literal(name) => (wire::PatternKind::Literal, name),
            NamePattern::Prefix(name) => (wire::PatternKind::Prefix, name),
        };
        Self { kind: resource.kind.into(), namespace: Some(resource.namespace.as_str().into()), name, pattern }
    }
}

/// Refuses a grant that gives or takes nothing.
pub(crate) fn no_grant_without_rights(grant: &wire::Grant) -> Result<(), Refusal> {
    if grant.rights.is_empty() {
        return Err(Refusal::invalid("rights", "name at least one right"));
    }
    Ok(())
}

impl TryFrom<wire::Grant> for AddGrant {
    type Error = Refusal;

    fn try_from(grant: wire::Grant) -> Result<Self, Refusal> {
        no_grant_without_rights(&grant)?;
        Ok(Self {
            grant: Grant {
                user: UserName::parse(&grant.user.0)?,
                resource: grant.resource.try_into()?,
                rights: rights(grant.rights),
                effect: grant.effect.into(),
            },
        })
    }
}

impl From<Grant> for wire::Grant {
    fn from(grant: Grant) -> Self {
        Self {
            user: grant.user.as_str().into(),
            resource: grant.resource.into(),
            rights: words(grant.rights),
            effect: grant.effect.into(),
        }
    }
}

impl From<Grants> for wire::Grants {
    fn from(grants: Grants) -> Self {
        Self { grants: grants.grants.into_iter().map(wire::Grant::from).collect() }
    }
}

/// The request to remove the grant that a query names.
pub(crate) fn removal(query: wire::GrantQuery) -> Result<RemoveGrant, Refusal> {
    let resource = wire::ResourcePattern {
        kind: query.kind,
        namespace: query.namespace.map(wire::Name),
        name: query.name,
        pattern: query.pattern,
    };
    Ok(RemoveGrant { user: UserName::parse(&query.user)?, resource: resource.try_into()?, effect: query.effect.into() })
}

impl TryFrom<wire::CreateTokenRequest> for CreateToken {
    type Error = Refusal;

    fn try_from(request: wire::CreateTokenRequest) -> Result<Self, Refusal> {
        if request.label.len() > 255 || request.label.chars().any(char::is_control) {
            return Err(Refusal::invalid("label", "at most 255 bytes without control characters"));
        }
        if request.lifetime_ms == 0 || request.lifetime_ms > TOKEN_MS_MAX {
            return Err(Refusal::invalid("lifetime_ms", "it must lie between 1 and ten years"));
        }
        Ok(Self {
            label: request.label,
            scope: Scope {
                rights: request.rights.map_or(Rights::ALL, rights),
                resource: request.resource.map(ResourcePattern::try_from).transpose()?,
            },
            lifetime: Span::new(request.lifetime_ms),
        })
    }
}

impl From<TokenDescription> for wire::TokenDescription {
    fn from(token: TokenDescription) -> Self {
        Self {
            id: token.id.get(),
            user: token.user.as_str().into(),
            label: token.label,
            kind: token.kind.into(),
            rights: words(token.scope.rights),
            resource: token.scope.resource.map(wire::ResourcePattern::from),
            created_at: token.created_at.get(),
            expires_at: token.expires_at.get(),
        }
    }
}

impl From<Tokens> for wire::Tokens {
    fn from(tokens: Tokens) -> Self {
        Self { tokens: tokens.tokens.into_iter().map(wire::TokenDescription::from).collect() }
    }
}

impl From<NewToken> for wire::NewToken {
    fn from(token: NewToken) -> Self {
        Self { token: wire::SecretText(token.secret.reveal().to_owned()), description: token.description.into() }
    }
}

impl From<NamespaceDescription> for wire::NamespaceDescription {
    fn from(namespace: NamespaceDescription) -> Self {
        Self { name: namespace.name.as_str().into(), queues: namespace.queues, topics: namespace.topics }
    }
}
