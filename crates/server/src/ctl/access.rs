//! `recado token` and `recado grant`.
//! Invariant: the secret of a new token is printed once, and as a table alone on standard output, so that it can be
//! sent into a file.
//! Called by `main`; documents are those of `web::wire`.

use model::Refusal;
use model::access::{
    AddGrant, CreateToken, Grant, ListGrants, ListTokens, NamePattern, RemoveGrant, ResourceKind, ResourcePattern,
    RevokeToken, Rights, Scope,
};
use model::name::{NamespaceName, UserName};
use model::number::{Timestamp, TokenId};
use web::wire;

use super::queue::snake_word;
use super::user::words;
use crate::args::access::{CreateTokenArguments, GrantCommand, ResourceArguments, TokenCommand};
use crate::exit::Complaint;
use crate::output::{self, Format};
use crate::quantity;
use crate::session::Session;

fn pattern(namespace: &str, named: &ResourceArguments) -> Result<Option<ResourcePattern>, Refusal> {
    let Some((kind, text, is_prefix)) = named.named() else { return Ok(None) };
    let name = if is_prefix { NamePattern::Prefix(text.to_owned()) } else { NamePattern::Literal(text.to_owned()) };
    let namespace = match kind {
        ResourceKind::Broker => NamespaceName::default(),
        ResourceKind::Queue | ResourceKind::Topic | ResourceKind::Exchange => NamespaceName::parse(namespace)?,
    };
    Ok(Some(ResourcePattern { kind, namespace, name }))
}

fn needed(namespace: &str, named: &ResourceArguments) -> Result<ResourcePattern, Complaint> {
    pattern(namespace, named)?.ok_or_else(|| {
        Complaint::usage(
            "the grant says over nothing",
            "add --queue, --queue-prefix, --topic, --topic-prefix or --broker",
        )
    })
}

fn over(resource: &wire::ResourcePattern) -> String {
    let namespace = resource.namespace.as_ref().map_or("default", |name| &name.0);
    let star = match resource.pattern {
        wire::PatternKind::Prefix => "*",
        wire::PatternKind::Literal => "",
    };
    format!("{} {namespace}/{}{star}", snake_word(&resource.kind), resource.name)
}

/// Does one command on tokens.
pub(crate) async fn tokens(session: &Session, namespace: &str, command: TokenCommand) -> Result<(), Complaint> {
    match command {
        TokenCommand::Create(arguments) => create(session, namespace, arguments).await,
        TokenCommand::List(arguments) => {
            let user = arguments.of.as_deref().map(UserName::parse).transpose()?;
            let document = wire::Tokens::from(session.call(ListTokens { user }).await?);
            let heads = ["id", "user", "label", "kind", "rights", "over", "expires"];
            session.output.data(&document, &heads, |document| {
                let row = |token: &wire::TokenDescription| {
                    vec![
                        token.id.to_string(),
                        token.user.0.clone(),
                        token.label.clone(),
                        snake_word(&token.kind),
                        words(&token.rights),
                        token.resource.as_ref().map_or_else(|| "everything".to_owned(), over),
                        quantity::moment(Timestamp::new(token.expires_at)),
                    ]
                };
                document.tokens.iter().map(row).collect()
            })
        }
        TokenCommand::Revoke(arguments) => {
            session.confirm(&format!("Revoke the token {}?", arguments.id))?;
            session.call(RevokeToken { id: TokenId::new(arguments.id) }).await?;
            session.output.note("revoked");
            Ok(())
        }
    }
}

async fn create(session: &Session, namespace: &str, arguments: CreateTokenArguments) -> Result<(), Complaint> {
    let rights = if arguments.rights.is_empty() { Rights::ALL } else { Rights::of(&arguments.rights) };
    let scope = Scope { rights, resource: pattern(namespace, &arguments.resource)? };
    let request = CreateToken { label: arguments.label, scope, lifetime: arguments.lifetime };
    let token = session.call(request).await?;
    let expires = token.description.expires_at;
    match session.output.format {
        Format::Json => session.output.document(&wire::NewToken::from(token))?,
        Format::Table => output::line(token.secret.reveal())?,
    }
    session.output.note(&format!("keep it: it is not shown again; it works until {} UTC", quantity::moment(expires)));
    Ok(())
}

/// Does one command on grants.
pub(crate) async fn grants(session: &Session, namespace: &str, command: GrantCommand) -> Result<(), Complaint> {
    match command {
        GrantCommand::Add(arguments) => {
            let grant = Grant {
                user: UserName::parse(&arguments.name)?,
                resource: needed(namespace, &arguments.resource)?,
                rights: Rights::of(&arguments.rights),
                effect: arguments.effect.into(),
            };
            session.call(AddGrant { grant: grant.clone() }).await?;
            let document = wire::Grants { grants: vec![grant.into()] };
            print(session, &document)
        }
        GrantCommand::Remove(arguments) => {
            let user = UserName::parse(&arguments.name)?;
            let resource = needed(namespace, &arguments.resource)?;
            session.confirm(&format!("Remove the grant of {user}?"))?;
            session.call(RemoveGrant { user, resource, effect: arguments.effect.into() }).await?;
            session.output.note("removed");
            Ok(())
        }
        GrantCommand::List(arguments) => {
            let user = arguments.of.as_deref().map(UserName::parse).transpose()?;
            print(session, &wire::Grants::from(session.call(ListGrants { user }).await?))
        }
    }
}

fn print(session: &Session, document: &wire::Grants) -> Result<(), Complaint> {
    session.output.data(document, &["user", "effect", "rights", "over"], |document| {
        let row = |grant: &wire::Grant| {
            vec![grant.user.0.clone(), snake_word(&grant.effect), words(&grant.rights), over(&grant.resource)]
        };
        document.grants.iter().map(row).collect()
    })
}
