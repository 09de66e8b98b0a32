//! `recado login`, `logout` and `context`: what changes the file of contexts.
//! Invariant: a secret is shown to nobody; the file keeps a session token, never a password.
//! Called by `main`.

use model::access::{Login, Logout};
use model::backend::call;
use model::caller::{Credentials, Secret};

use crate::args::access::{AddContextArguments, ContextCommand, LoginArguments, LogoutArguments};
use crate::args::client::ClientArguments;
use crate::context::{self, Context, Contexts, Way};
use crate::exit::{Complaint, Exit};
use crate::output::{self, Format, Output};
use crate::prompt;

/// The environment variable that holds the claim token itself.
const CLAIM_VARIABLE: &str = "RECADO_CLAIM_TOKEN";

/// Logs in, or claims a broker, and keeps the session.
pub(crate) async fn login(arguments: &LoginArguments) -> Result<(), Complaint> {
    let path = context::path()?;
    let mut contexts = Contexts::load(&path)?;
    let client = &arguments.client;
    // A login may name a context that is yet to be made, when it says where its broker is.
    let new = client.context.as_deref().filter(|name| client.url.is_some() && !contexts.contexts.contains_key(*name));
    let way = match new {
        None => Way::find(client, &contexts)?,
        Some(name) => {
            let unnamed = ClientArguments { context: None, ..client.clone() };
            Way { context: name.to_owned(), ..Way::find(&unnamed, &Contexts::default())? }
        }
    };
    let credentials = if arguments.claim { claim(&way, arguments)? } else { way.password(client)? };
    let backend = way.backend()?;
    let caller = backend.authenticate(credentials.clone(), context::origin()).await?;
    // A claim works once: the session is opened with the password that it set.
    let caller = match credentials {
        Credentials::Claim { user, password, .. } => {
            backend.authenticate(Credentials::Password { user, password }, context::origin()).await?
        }
        Credentials::Password { .. } | Credentials::Token(_) | Credentials::Certificate { .. } => caller,
    };
    let session = call(&*backend, &caller, Login).await?;
    let kept = Context {
        url: way.url.clone(),
        user: Some(caller.name.to_string()),
        authority: way.authority.clone(),
        token: Some(session.secret.reveal().to_owned()),
    };
    contexts.contexts.insert(way.context.clone(), kept);
    contexts.current = Some(way.context.clone());
    contexts.store(&path)?;
    output::note(&format!("logged in to {} as {}; next: recado queue create orders", way.url, caller.name));
    Ok(())
}

fn claim(way: &Way, arguments: &LoginArguments) -> Result<Credentials, Complaint> {
    let token = match std::env::var(CLAIM_VARIABLE).ok().filter(|token| !token.is_empty()) {
        Some(token) => Secret::new(token),
        None => prompt::secret("Claim token, as the broker printed it: ")?,
    };
    let user = match &way.user {
        Some(user) => user.clone(),
        None => prompt::text("Name of the first administrator: ")?,
    };
    let password = match &arguments.client.password_file {
        Some(file) => prompt::secret_from(file)?,
        None => prompt::new_secret(&format!("New password of {user}: "))?,
    };
    Ok(Credentials::Claim { token, user, password })
}

/// Ends the session and forgets it.
pub(crate) async fn logout(arguments: &LogoutArguments) -> Result<(), Complaint> {
    let path = context::path()?;
    let mut contexts = Contexts::load(&path)?;
    let way = Way::find(&arguments.client, &contexts)?;
    let Some(token) = way.token.clone() else {
        output::note("nobody is logged in");
        return Ok(());
    };
    let backend = way.backend()?;
    let ended = match backend.authenticate(Credentials::Token(token), context::origin()).await {
        Ok(caller) => call(&*backend, &caller, Logout).await.map(|_| ()),
        Err(failure) => Err(failure),
    };
    if let Some(context) = contexts.contexts.get_mut(&way.context) {
        context.token = None;
    }
    contexts.store(&path)?;
    match ended {
        // A session that the broker does not know any more has ended too.
        Err(failure) if failure.code() != model::Code::Unauthenticated => Err(failure.into()),
        Ok(()) | Err(_) => {
            output::note("logged out");
            Ok(())
        }
    }
}

/// Does one command on contexts.
pub(crate) fn contexts(command: ContextCommand) -> Result<(), Complaint> {
    let path = context::path()?;
    let mut contexts = Contexts::load(&path)?;
    match command {
        ContextCommand::Add(arguments) => {
            add(&mut contexts, arguments);
            contexts.store(&path)
        }
        ContextCommand::Use(of) => {
            contexts.chosen(Some(&of.name))?;
            contexts.current = Some(of.name);
            contexts.store(&path)
        }
        ContextCommand::Remove(of) => {
            if contexts.contexts.remove(&of.name).is_none() {
                let what = format!("there is no context {}", of.name);
                return Err(Complaint::here(
                    Exit::NotFound,
                    "context_not_found",
                    what,
                    "recado context list shows them",
                ));
            }
            contexts.current = contexts.current.filter(|current| *current != of.name);
            contexts.store(&path)
        }
        ContextCommand::List => list(&contexts),
    }
}

fn add(contexts: &mut Contexts, arguments: AddContextArguments) {
    let AddContextArguments { name, broker, user, authority, activate } = arguments;
    // The session belongs to the address it was opened at.
    let token = contexts.contexts.get(&name).filter(|old| old.url == broker).and_then(|old| old.token.clone());
    contexts.contexts.insert(name.clone(), Context { url: broker, user, authority, token });
    if activate || contexts.current.is_none() {
        contexts.current = Some(name);
    }
}

fn list(contexts: &Contexts) -> Result<(), Complaint> {
    let rows = contexts.contexts.iter().map(|(name, context)| {
        let star = if contexts.current.as_ref() == Some(name) { "*" } else { "" };
        let session = if context.token.is_some() { "yes" } else { "no" };
        vec![
            star.to_owned(),
            name.clone(),
            context.url.clone(),
            output::or_dash(context.user.as_ref()),
            session.to_owned(),
        ]
    });
    let output = Output { format: Format::Table };
    output.data(&(), &["", "name", "url", "user", "logged in"], |()| rows.collect())
}
