//! Logging in, and opening a virtual host.
//! Invariant: a wrong password and an unknown user look the same; what is refused is said in RabbitMQ's words.

use std::time::Duration;

use model::access::ListNamespaces;
use model::failure::{Failure, Retry, Unavailable};
use model::name::NamespaceName;
use model::page::PageRequest;
use model::{Caller, Credentials, Origin, Refusal, backend};
use tokio::time::sleep;

use super::{Brought, Errand, Outcome};
use crate::codec::{ReplyCode, ShortText};
use crate::serve::Shared;
use crate::session::{Answer, Close, Login, Proof};
use crate::translate;

/// What API tokens begin with.
const TOKEN_START: &str = "recado_";

pub(super) async fn log_in(shared: &Shared, login: Login, origin: Origin) -> Outcome {
    match prove(shared, &login, origin).await {
        Ok(caller) => Outcome { answer: Ok(Answer::LoggedIn), brought: Brought::Caller(caller) },
        Err(Failure::Refused(_)) => {
            let text = format!(
                "Login was refused using authentication mechanism {}. For details see the broker logfile.",
                login.mechanism
            );
            Err(Close::new(ReplyCode::AccessRefused, text)).into()
        }
        Err(failure @ (Failure::Unavailable(_) | Failure::Fault(_))) => Err(translate::close(&failure)).into(),
    }
}

/// Proves a user by what it shows. An API token may stand in the place of the password, beside the name of its user.
async fn prove(shared: &Shared, login: &Login, origin: Origin) -> Result<Caller, Failure> {
    let user = login.user.clone();
    let password = match &login.proof {
        Proof::Certificate => return authenticate(shared, Credentials::Certificate { user }, origin).await,
        Proof::Password(password) => password.clone(),
    };
    if password.reveal().starts_with(TOKEN_START) {
        let caller = authenticate(shared, Credentials::Token(password.clone()), origin).await;
        match caller {
            Ok(caller) if caller.name.as_str() == login.user => return Ok(caller),
            Ok(_) => return Err(Refusal::Unauthenticated.into()),
            // A password may begin like that too.
            Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    authenticate(shared, Credentials::Password { user, password }, origin).await
}

/// Proves a user. Many that come at once, as after a restart, wait for their turn: no longer than a handshake may take.
async fn authenticate(shared: &Shared, credentials: Credentials, origin: Origin) -> Result<Caller, Failure> {
    loop {
        match shared.backend.authenticate(credentials.clone(), origin).await {
            Err(Failure::Unavailable(busy @ Unavailable::Busy)) => {
                if let Retry::After(wait) = busy.retry() {
                    sleep(Duration::from_millis(wait.get())).await;
                }
            }
            answer => return answer,
        }
    }
}

impl Errand {
    pub(super) async fn open_host(&self, host: &ShortText) -> Outcome {
        let not_found = || Err(Close::new(ReplyCode::NotAllowed, format!("vhost {host} not found"))).into();
        let Some(namespace) = rabbit::namespace(host.as_str()) else { return not_found() };
        match self.has_namespace(&namespace).await {
            Ok(true) => Outcome { answer: Ok(Answer::Done), brought: Brought::Host(namespace) },
            Ok(false) => not_found(),
            Err(failure) => Err(translate::close(&failure)).into(),
        }
    }

    async fn has_namespace(&self, namespace: &NamespaceName) -> Result<bool, Failure> {
        if *namespace == NamespaceName::default() {
            return Ok(true);
        }
        let mut page = PageRequest::default();
        loop {
            let request = ListNamespaces { page };
            let found = backend::call(self.shared.backend.as_ref(), &self.caller, request).await?;
            if found.items.iter().any(|item| item.name == *namespace) {
                return Ok(true);
            }
            let Some(next) = found.next else { return Ok(false) };
            page = PageRequest { cursor: Some(next), ..PageRequest::default() };
        }
    }
}
