//! `recado user` and `recado namespace`.
//! Invariant: a password comes from a file or a prompt, never from an argument.
//! Called by `main`; documents are those of `web::wire`.

use std::path::Path;

use model::access::{
    AlterUser, CreateNamespace, CreateUser, DeleteNamespace, DeleteUser, DescribeUser, ListNamespaces, ListUsers,
    UserDescription, WhoAmI,
};
use model::caller::Secret;
use model::name::{NamespaceName, UserName};
use web::wire;

use super::names;
use super::queue::{more, snake_word};
use crate::args::access::{AlterUserArguments, CreateUserArguments, NamespaceCommand, UserCommand};
use crate::exit::Complaint;
use crate::prompt;
use crate::quantity;
use crate::session::Session;

/// Does one command.
pub(crate) async fn run(session: &Session, command: UserCommand) -> Result<(), Complaint> {
    match command {
        UserCommand::Create(arguments) => create(session, &arguments).await,
        UserCommand::Alter(arguments) => alter(session, &arguments).await,
        UserCommand::Describe(of) => {
            let found = match of.name {
                Some(name) => session.call(DescribeUser { name: UserName::parse(&name)? }).await?,
                None => session.call(WhoAmI).await?,
            };
            describe(session, found)
        }
        UserCommand::Delete(of) => {
            let name = UserName::parse(&of.name)?;
            session.confirm(&format!("Delete the user {name} with its tokens and grants?"))?;
            session.call(DeleteUser { name }).await?;
            session.output.note("deleted; what it owned has no owner now");
            Ok(())
        }
        UserCommand::List(arguments) => {
            let page = names::page(&arguments)?;
            let found = session.call(ListUsers { prefix: arguments.prefix, page }).await?;
            let document = wire::Page::<wire::UserDescription>::from(found);
            session.output.data(&document, &["name", "roles", "state"], |page| {
                let row = |user: &wire::UserDescription| {
                    let state = if user.disabled { "disabled" } else { "enabled" };
                    vec![user.name.0.clone(), words(&user.roles), state.to_owned()]
                };
                page.items.iter().map(row).collect()
            })?;
            more(session, document.next.as_deref());
            Ok(())
        }
    }
}

/// Words beside each other, or a dash.
pub(crate) fn words<V: serde::Serialize>(values: &[V]) -> String {
    if values.is_empty() {
        return "-".to_owned();
    }
    values.iter().map(snake_word).collect::<Vec<_>>().join(" ")
}

fn describe(session: &Session, found: UserDescription) -> Result<(), Complaint> {
    let created = found.created_at;
    let document = wire::UserDescription::from(found);
    session.output.thing(&document, |user| {
        vec![
            ("name", user.name.0.clone()),
            ("roles", words(&user.roles)),
            ("state", if user.disabled { "disabled" } else { "enabled" }.to_owned()),
            ("created", quantity::moment(created)),
        ]
    })
}

fn new_password(file: Option<&Path>, user: &str) -> Result<Secret, Complaint> {
    match file {
        Some(file) => prompt::secret_from(file),
        None => prompt::new_secret(&format!("New password of {user}: ")),
    }
}

async fn create(session: &Session, arguments: &CreateUserArguments) -> Result<(), Complaint> {
    let name = UserName::parse(&arguments.name)?;
    let password = new_password(arguments.new_password_file.as_deref(), &arguments.name)?;
    let created = session.call(CreateUser { name, password: password.into(), roles: arguments.roles.clone() }).await?;
    let powerless = created.roles.is_empty();
    describe(session, created)?;
    if powerless {
        let name = &arguments.name;
        session
            .output
            .note(&format!("it may do nothing yet; next: recado grant add {name} --right publish --queue NAME"));
    }
    Ok(())
}

async fn alter(session: &Session, arguments: &AlterUserArguments) -> Result<(), Complaint> {
    let file = arguments.new_password_file.as_deref();
    let password = (arguments.new_password || file.is_some()).then(|| new_password(file, &arguments.name));
    let roles = (arguments.no_roles || !arguments.roles.is_empty()).then(|| arguments.roles.clone());
    let disabled = match (arguments.disable, arguments.enable) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        (false, false) => None,
    };
    let request = AlterUser {
        name: UserName::parse(&arguments.name)?,
        password: password.transpose()?.map(Into::into),
        roles,
        disabled,
    };
    if request.password.is_none() && request.roles.is_none() && request.disabled.is_none() {
        return Err(Complaint::usage("nothing to alter", "name a change, such as --role developer; see --help"));
    }
    let changed = session.call(request).await?;
    describe(session, changed)
}

/// Does one command on namespaces.
pub(crate) async fn namespaces(session: &Session, command: NamespaceCommand) -> Result<(), Complaint> {
    match command {
        NamespaceCommand::Create(of) => {
            let reply = session.call(CreateNamespace { name: NamespaceName::parse(&of.name)? }).await?;
            let document = wire::NamespaceDescription::from(reply.description);
            session.output.thing(&document, |document| vec![("name", document.name.0.clone())])?;
            session.output.note(if reply.created { "created" } else { "it was there already" });
            Ok(())
        }
        NamespaceCommand::Delete(of) => {
            let name = NamespaceName::parse(&of.name)?;
            session.confirm(&format!("Delete the namespace {name}?"))?;
            session.call(DeleteNamespace { name }).await?;
            session.output.note("deleted");
            Ok(())
        }
        NamespaceCommand::List(arguments) => {
            let found = session.call(ListNamespaces { page: names::page(&arguments)? }).await?;
            let document = wire::Page::<wire::NamespaceDescription>::from(found);
            session.output.data(&document, &["name", "queues", "topics"], |page| {
                let row = |found: &wire::NamespaceDescription| {
                    vec![found.name.0.clone(), found.queues.to_string(), found.topics.to_string()]
                };
                page.items.iter().map(row).collect()
            })?;
            more(session, document.next.as_deref());
            Ok(())
        }
    }
}
