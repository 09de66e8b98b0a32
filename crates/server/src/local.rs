//! A broker of this process with a first administrator, reached over gRPC as any client reaches it.
//! Invariant: its doors are on this machine only, on ports that the system chose.
//! Called by `demo` and `bench`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use grpc::RemoteBackend;
use model::access::Login;
use model::backend::call;
use model::caller::{Credentials, Secret};
use model::{Backend, Caller};

use crate::config::{Layers, Settings};
use crate::context;
use crate::exit::{Complaint, Exit};
use crate::scratch::random_word;
use crate::wire::{self, Role, Running};

/// The first administrator, as `admin_password_file` names it.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// A broker in this process.
pub(crate) struct Local {
    /// Its doors.
    pub(crate) running: Running,
    /// The password of the administrator.
    pub(crate) password: Secret,
    drain: Duration,
}

/// A client with a session.
#[derive(Clone)]
pub(crate) struct Client {
    /// Connections of its own.
    pub(crate) backend: RemoteBackend,
    /// The administrator, by a session token.
    pub(crate) caller: Caller,
}

impl Local {
    /// Starts it with its data below `folder`.
    pub(crate) async fn start(folder: &Path) -> Result<Self, Complaint> {
        let password = random_word()?;
        let file = folder.join("password");
        std::fs::write(&file, &password).map_err(|error| Complaint::file(&file, "write", &error))?;
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = Settings {
            data: folder.join("data"),
            http: Some(here),
            grpc: Some(here),
            amqp: Some(here),
            management: None,
            admin_password_file: Some(file),
            ..Settings::new(&Layers::new(None, |_| None, Vec::new())?)?
        };
        let running = wire::start(Role::Serve, &settings).await?;
        Ok(Self { running, password: Secret::new(password), drain: settings.drain })
    }

    /// The gRPC address.
    pub(crate) fn endpoint(&self) -> String {
        self.running.grpc.map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// The HTTP address.
    pub(crate) fn http(&self) -> String {
        self.running.http.map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// Stops it.
    pub(crate) async fn stop(self) -> Result<(), Complaint> {
        self.running.stop(self.drain).await
    }
}

impl Client {
    /// Connects and logs in, so that requests carry a token instead of a password.
    pub(crate) async fn connect(endpoint: &str, user: &str, password: &Secret) -> Result<Self, Complaint> {
        let backend = context::remote(&[endpoint.to_owned()], None)?;
        let credentials = Credentials::Password { user: user.to_owned(), password: password.clone() };
        let caller = backend.authenticate(credentials, context::origin()).await?;
        let session = call(&backend, &caller, Login).await?;
        let caller = backend.authenticate(Credentials::Token(session.secret), context::origin()).await?;
        Ok(Self { backend, caller })
    }

    /// The same session over connections of its own.
    pub(crate) fn another(&self, endpoint: &str) -> Result<Self, Complaint> {
        Ok(Self { backend: context::remote(&[endpoint.to_owned()], None)?, caller: self.caller.clone() })
    }

    /// Does one operation.
    pub(crate) async fn call<C: model::Call>(&self, request: C) -> Result<C::Reply, Complaint> {
        Ok(call(&self.backend, &self.caller, request).await?)
    }
}

/// What a task ended with, or that it broke.
pub(crate) fn joined<T>(ended: Result<Result<T, Complaint>, tokio::task::JoinError>) -> Result<T, Complaint> {
    ended.unwrap_or_else(|error| Err(Complaint::here(Exit::Fault, "internal", format!("a task broke: {error}"), "")))
}
