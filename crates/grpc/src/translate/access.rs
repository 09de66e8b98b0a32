//! Users, grants, tokens, namespaces and credentials between the model and the contract.
//! Invariant: secrets pass through and are never printed.

use std::net::IpAddr;

use model::Refusal;
use model::access::{
    AddGrant, AlterUser, CreateNamespace, CreateToken, CreateUser, DeleteNamespace, DeleteUser, DescribeUser, Effect,
    Grant, Grants, ImportedHash, ListGrants, ListNamespaces, ListTokens, ListUsers, Login, Logout, NamePattern,
    NamespaceDescription, NamespacePage, NewPassword, NewToken, RemoveGrant, ResourceKind, ResourcePattern,
    RevokeToken, Right, Rights, Role, Scope, TokenDescription, TokenKind, Tokens, UserDescription, UserPage, WhoAmI,
};
use model::caller::{Credentials, Origin, Protocol, Secret};
use model::queue::Created;

use super::{OrDefault, Required, Way, Wire, enumeration, messages, missing};
use crate::proto as pb;

type CreatedNamespace = Created<NamespaceDescription>;

/// A new password: text, or what another broker kept of it.
struct PasswordChoice;

/// New roles in a change of a user: absent, or a list that may be empty.
struct RolesPatch;

enumeration! {
    Right { Create Describe Alter Delete Publish Consume Peek Purge Seek Administer Monitor Audit }
    Role { Admin Operator Developer Publisher Consumer Monitor Auditor }
    ResourceKind { Queue Topic Broker Exchange }
    Effect { Allow Deny }
    TokenKind { Session Api }
    Protocol { Http Grpc Amqp Kafka Internal }
}

messages! {
    Grant = Grant { user = user; resource = resource, Required; rights = rights; effect = effect; }
    UserDescription = UserDescription {
        name = name;
        id = id;
        roles = roles;
        disabled = disabled;
        created_at = created_at_ms;
    }
    UserPage = UserPage { items = items; next = next; }
    CreateUser = CreateUserRequest { name = name; password = new_password, PasswordChoice; roles = roles; }
    AlterUser = AlterUserRequest {
        name = name;
        password = new_password, PasswordChoice;
        roles = roles, RolesPatch;
        disabled = disabled;
    }
    DescribeUser = DescribeUserRequest { name = name; }
    DeleteUser = DeleteUserRequest { name = name; }
    ListUsers = ListUsersRequest { prefix = prefix; page = page, OrDefault; }
    AddGrant = AddGrantRequest { grant = grant, Required; }
    RemoveGrant = RemoveGrantRequest { user = user; resource = resource, Required; effect = effect; }
    ListGrants = ListGrantsRequest { user = user; }
    Grants = Grants { grants = grants; }
    Scope = Scope { rights = rights; resource = resource; }
    TokenDescription = TokenDescription {
        id = id;
        user = user;
        label = label;
        kind = kind;
        scope = scope, Required;
        created_at = created_at_ms;
        expires_at = expires_at_ms;
    }
    CreateToken = CreateTokenRequest { label = label; scope = scope, Required; lifetime = lifetime_ms; }
    NewToken = NewToken { secret = secret; description = description, Required; }
    ListTokens = ListTokensRequest { user = user; }
    Tokens = Tokens { tokens = tokens; }
    RevokeToken = RevokeTokenRequest { id = id; }
    Login = LoginRequest {}
    Logout = LogoutRequest {}
    WhoAmI = WhoAmIRequest {}
    CreateNamespace = CreateNamespaceRequest { name = name; }
    NamespaceDescription = NamespaceDescription { name = name; queues = queues; topics = topics; }
    CreatedNamespace = CreatedNamespace { created = created; description = description, Required; }
    DeleteNamespace = DeleteNamespaceRequest { name = name; }
    ListNamespaces = ListNamespacesRequest { page = page, OrDefault; }
    NamespacePage = NamespacePage { items = items; next = next; }
}

impl Way<Option<Vec<Role>>> for RolesPatch {
    type Form = Option<pb::Roles>;

    fn encode(self, value: Option<Vec<Role>>) -> Self::Form {
        value.map(|roles| pb::Roles { roles: roles.to_wire() })
    }

    fn decode(self, _field: &'static str, form: Self::Form) -> Result<Option<Vec<Role>>, Refusal> {
        form.map(|form| Wire::from_wire(form.roles)).transpose()
    }
}

impl Way<NewPassword> for PasswordChoice {
    type Form = Option<pb::create_user_request::NewPassword>;

    fn encode(self, value: NewPassword) -> Self::Form {
        use pb::create_user_request::NewPassword as Form;
        Some(match value {
            NewPassword::Text(password) => Form::Password(password.to_wire()),
            NewPassword::Imported(hash) => Form::ImportedHash(hash.as_str().to_owned()),
        })
    }

    fn decode(self, _field: &'static str, form: Self::Form) -> Result<NewPassword, Refusal> {
        use pb::create_user_request::NewPassword as Form;
        match form {
            Some(Form::Password(password)) => Ok(NewPassword::Text(Secret::new(password))),
            Some(Form::ImportedHash(hash)) => ImportedHash::parse(&hash).map(NewPassword::Imported),
            // An empty password was no different before there was a choice: it is too short.
            None => Ok(NewPassword::Text(Secret::new(""))),
        }
    }
}

impl Way<Option<NewPassword>> for PasswordChoice {
    type Form = Option<pb::alter_user_request::NewPassword>;

    fn encode(self, value: Option<NewPassword>) -> Self::Form {
        use pb::alter_user_request::NewPassword as Form;
        value.map(|value| match value {
            NewPassword::Text(password) => Form::Password(password.to_wire()),
            NewPassword::Imported(hash) => Form::ImportedHash(hash.as_str().to_owned()),
        })
    }

    fn decode(self, _field: &'static str, form: Self::Form) -> Result<Option<NewPassword>, Refusal> {
        use pb::alter_user_request::NewPassword as Form;
        form.map(|form| match form {
            Form::Password(password) => Ok(NewPassword::Text(Secret::new(password))),
            Form::ImportedHash(hash) => ImportedHash::parse(&hash).map(NewPassword::Imported),
        })
        .transpose()
    }
}

impl Wire for Rights {
    type Form = Vec<i32>;

    fn to_wire(self) -> Vec<i32> {
        self.iter().map(Right::to_wire).collect()
    }

    fn from_wire(form: Vec<i32>) -> Result<Self, Refusal> {
        form.into_iter().try_fold(Self::NONE, |rights, right| Ok(rights.union(Self::of(&[Right::from_wire(right)?]))))
    }
}

impl Wire for ResourcePattern {
    type Form = pb::ResourcePattern;

    fn to_wire(self) -> pb::ResourcePattern {
        use pb::resource_pattern::Name;
        pb::ResourcePattern {
            kind: self.kind.to_wire(),
            namespace: self.namespace.to_wire(),
            name: Some(match self.name {
                NamePattern::Literal(literal) => Name::Literal(literal),
                NamePattern::Prefix(prefix) => Name::Prefix(prefix),
            }),
        }
    }

    fn from_wire(form: pb::ResourcePattern) -> Result<Self, Refusal> {
        use pb::resource_pattern::Name;
        Ok(Self {
            kind: Wire::from_wire(form.kind)?,
            namespace: Wire::from_wire(form.namespace)?,
            name: match form.name.ok_or_else(|| missing("name"))? {
                Name::Literal(literal) => NamePattern::Literal(literal),
                Name::Prefix(prefix) => NamePattern::Prefix(prefix),
            }
            .bounded()?,
        })
    }
}

impl Wire for Credentials {
    type Form = pb::authenticate_request::Credentials;

    fn to_wire(self) -> Self::Form {
        match self {
            Self::Password { user, password } => {
                Self::Form::Password(pb::PasswordCredentials { user, password: password.to_wire() })
            }
            Self::Token(token) => Self::Form::Token(token.to_wire()),
            // Nothing that proves anything: a certificate is believed by the door that verified it.
            Self::Certificate { .. } => Self::Form::Token(String::new()),
            Self::Claim { token, user, password } => {
                Self::Form::Claim(pb::ClaimCredentials { token: token.to_wire(), user, password: password.to_wire() })
            }
        }
    }

    fn from_wire(form: Self::Form) -> Result<Self, Refusal> {
        Ok(match form {
            pb::authenticate_request::Credentials::Password(pb::PasswordCredentials { user, password }) => {
                Self::Password { user, password: Secret::new(password) }
            }
            pb::authenticate_request::Credentials::Token(token) => Self::Token(Secret::new(token)),
            pb::authenticate_request::Credentials::Claim(pb::ClaimCredentials { token, user, password }) => {
                Self::Claim { token: Secret::new(token), user, password: Secret::new(password) }
            }
        })
    }
}

impl Wire for Origin {
    type Form = pb::ReportedOrigin;

    fn to_wire(self) -> pb::ReportedOrigin {
        pb::ReportedOrigin {
            protocol: self.protocol.to_wire(),
            address: self.address.map(|address| address.to_string()).unwrap_or_default(),
        }
    }

    fn from_wire(form: pb::ReportedOrigin) -> Result<Self, Refusal> {
        let address = match form.address.as_str() {
            "" => None,
            text => {
                let address: IpAddr =
                    text.parse().map_err(|_| Refusal::invalid("origin.address", "it must be an IP address"))?;
                Some(address)
            }
        };
        Ok(Self { protocol: Wire::from_wire(form.protocol)?, address })
    }
}
