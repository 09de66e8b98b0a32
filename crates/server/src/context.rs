//! Contexts: brokers by name, in one file that only its owner can read, and the session that a command opens.
//! Invariants: the file has mode 0600; a context's token is sent to that context's broker and to no other address.
//! Called by `main` and `login`; tests below.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use grpc::{RemoteBackend, RemoteSettings};
use model::caller::{Credentials, Origin, Protocol, Secret};
use model::{Backend, Refusal};
use serde::{Deserialize, Serialize};

use crate::args::client::ClientArguments;
use crate::exit::{Complaint, Exit};
use crate::output::Output;
use crate::prompt;
use crate::session::Session;

/// The broker that is meant when nothing names one.
pub(crate) const URL_DEFAULT: &str = "http://127.0.0.1:8081";
/// The context that a login makes when there is none.
const NAME_DEFAULT: &str = "default";
/// The environment variable that holds a token itself.
const TOKEN_VARIABLE: &str = "RECADO_TOKEN";

/// One broker.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Its gRPC address.
    pub(crate) url: String,
    /// The user to log in as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// The authority of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authority: Option<PathBuf>,
    /// The session of the last login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

/// All contexts and which is used.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one that is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// By name.
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// Where the contexts are: `$XDG_CONFIG_HOME/recado/contexts.toml`, else below `~/.config`.
pub(crate) fn path() -> Result<PathBuf, Complaint> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    base.map(|base| base.join("recado").join("contexts.toml")).ok_or_else(|| {
        Complaint::here(Exit::Local, "no_home", "there is no folder for contexts", "set HOME or XDG_CONFIG_HOME")
    })
}

impl Contexts {
    /// Reads them; none when there is no file.
    pub(crate) fn load(path: &Path) -> Result<Self, Complaint> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Complaint::file(path, "read", &error)),
        };
        toml::from_str(&text).map_err(|error| {
            // The message of the error may quote a line that holds a token.
            let at = error.span().map_or(0, |span| text[..span.start].lines().count());
            let what = format!("{}:{at}: {}", path.display(), error.message());
            Complaint::here(
                Exit::Configuration,
                "contexts_invalid",
                what,
                "mend the file, or remove it and log in again",
            )
        })
    }

    /// Writes them, readable by their owner only; a crash leaves the old file or the new one.
    pub(crate) fn store(&self, path: &Path) -> Result<(), Complaint> {
        let failed = |error: std::io::Error| Complaint::file(path, "write", &error);
        let text = toml::to_string(self).map_err(|error| {
            Complaint::here(Exit::Fault, "internal", format!("contexts cannot be written as TOML: {error}"), "")
        })?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let next = path.with_extension(format!("{}.new", std::process::id()));
        let options = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next);
        let mut file = options.map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&next, path).map_err(failed)
    }

    /// The context of a name, or the current one; `None` when nothing is chosen.
    pub(crate) fn chosen(&self, name: Option<&str>) -> Result<Option<(&str, &Context)>, Complaint> {
        let Some(name) = name.or(self.current.as_deref()) else { return Ok(None) };
        match self.contexts.get_key_value(name) {
            Some((name, context)) => Ok(Some((name, context))),
            None => {
                let known: Vec<_> = self.contexts.keys().map(String::as_str).collect();
                let hint = if known.is_empty() {
                    "add it: recado context add NAME --broker URL".to_owned()
                } else {
                    format!("the contexts are: {}", known.join(", "))
                };
                Err(Complaint::here(Exit::NotFound, "context_not_found", format!("there is no context {name}"), hint))
            }
        }
    }
}

/// The way to a broker, once flags, environment and contexts are weighed.
pub(crate) struct Way {
    /// Under which name a login is kept.
    pub(crate) context: String,
    /// The gRPC address.
    pub(crate) url: String,
    /// The authority of its certificate.
    pub(crate) authority: Option<PathBuf>,
    /// The user to log in as.
    pub(crate) user: Option<String>,
    /// The session of the last login to this very address.
    pub(crate) token: Option<Secret>,
}

impl Way {
    /// Flags and environment go before the context.
    pub(crate) fn find(arguments: &ClientArguments, contexts: &Contexts) -> Result<Self, Complaint> {
        let chosen = contexts.chosen(arguments.context.as_deref())?;
        let stored = chosen.map(|(_, context)| context);
        let url = arguments.url.clone().or_else(|| stored.map(|context| context.url.clone()));
        let url = url.unwrap_or_else(|| URL_DEFAULT.to_owned());
        // What a context knows is meant for its own broker.
        let same = stored.filter(|context| context.url == url);
        Ok(Self {
            context: chosen.map_or(NAME_DEFAULT, |(name, _)| name).to_owned(),
            authority: arguments.authority.clone().or_else(|| same.and_then(|context| context.authority.clone())),
            user: arguments.user.clone().or_else(|| same.and_then(|context| context.user.clone())),
            token: same.and_then(|context| context.token.clone()).map(Secret::new),
            url,
        })
    }

    /// The broker at its end; nothing is connected yet.
    pub(crate) fn backend(&self) -> Result<Arc<dyn Backend>, Complaint> {
        Ok(Arc::new(self.remote()?))
    }

    /// The same with what only a remote broker offers: streams with a window.
    pub(crate) fn remote(&self) -> Result<RemoteBackend, Complaint> {
        remote(std::slice::from_ref(&self.url), self.authority.as_deref())
    }

    /// What proves who asks: a token, else a user with a password, else the session of the last login.
    fn credentials(&self, arguments: &ClientArguments) -> Result<Credentials, Complaint> {
        if let Some(file) = &arguments.token_file {
            return prompt::secret_from(file).map(Credentials::Token);
        }
        if let Some(token) = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()) {
            return Ok(Credentials::Token(Secret::new(token)));
        }
        if arguments.user.is_some() || arguments.password_file.is_some() {
            return self.password(arguments);
        }
        match &self.token {
            Some(token) => Ok(Credentials::Token(token.clone())),
            None => Err(Complaint::here(
                Exit::Denied,
                "not_logged_in",
                format!("there is no session for {}", self.url),
                "recado login --user NAME keeps one; --token-file FILE or RECADO_TOKEN do without",
            )),
        }
    }

    /// A user and a password, asked for where nothing gives them.
    pub(crate) fn password(&self, arguments: &ClientArguments) -> Result<Credentials, Complaint> {
        let user = match &self.user {
            Some(user) => user.clone(),
            None => prompt::text("User: ")?,
        };
        let password = match &arguments.password_file {
            Some(file) => prompt::secret_from(file)?,
            None => prompt::secret(&format!("Password of {user}: "))?,
        };
        Ok(Credentials::Password { user, password })
    }
}

/// Brokers at these addresses; nothing is connected yet. Call it inside a tokio runtime.
pub(crate) fn remote(endpoints: &[String], authority: Option<&Path>) -> Result<RemoteBackend, Complaint> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| Complaint::file(path, "read", &error));
    let settings = RemoteSettings {
        endpoints: endpoints.to_vec(),
        authority_pem: authority.map(read).transpose()?,
        server_name: None,
        identity_pem: None,
    };
    RemoteBackend::new(&settings).map_err(|error| {
        let hint = "write http://HOST:PORT, https://HOST:PORT or unix:///PATH";
        Complaint::here(Exit::Configuration, "url_invalid", error.to_string(), hint)
    })
}

/// Where the command line comes from, in the eyes of a broker that it is no gateway of.
pub(crate) const fn origin() -> Origin {
    Origin { protocol: Protocol::Internal, address: None }
}

/// Opens a session as flags, environment and contexts say.
pub(crate) async fn open(arguments: &ClientArguments) -> Result<Session, Complaint> {
    let way = Way::find(arguments, &Contexts::load(&path()?)?)?;
    let credentials = way.credentials(arguments)?;
    let from_context = matches!(&credentials, Credentials::Token(token) if way.token.as_ref() == Some(token));
    let backend = way.backend()?;
    let caller = match backend.authenticate(credentials, origin()).await {
        Err(model::Failure::Refused(Refusal::Unauthenticated)) if from_context => {
            let hint = "log in again: recado login";
            return Err(Complaint::here(Exit::Denied, "unauthenticated", "the session has ended", hint));
        }
        answer => answer?,
    };
    Ok(Session { backend, caller, output: Output { format: arguments.output }, assume_yes: arguments.yes })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn two() -> Contexts {
        let context = |url: &str, token: Option<&str>| Context {
            url: url.to_owned(),
            user: Some("ada".to_owned()),
            authority: None,
            token: token.map(str::to_owned),
        };
        let contexts = [("a", context("http://a:1", Some("secret-a"))), ("b", context("http://b:1", None))];
        Contexts {
            current: Some("a".to_owned()),
            contexts: contexts.into_iter().map(|(name, context)| (name.to_owned(), context)).collect(),
        }
    }

    #[test]
    fn a_token_goes_to_its_own_broker_only() {
        let cases = [
            (None, None, "http://a:1", true),
            (Some("http://a:1"), None, "http://a:1", true),
            (Some("http://evil:1"), None, "http://evil:1", false),
            (None, Some("b"), "http://b:1", false),
        ];
        for (url, context, expected, with_token) in cases {
            let arguments = ClientArguments {
                url: url.map(str::to_owned),
                context: context.map(str::to_owned),
                ..ClientArguments::default()
            };
            let way = Way::find(&arguments, &two()).unwrap();
            assert_eq!((way.url.as_str(), way.token.is_some()), (expected, with_token));
        }
        let unknown = ClientArguments { context: Some("c".to_owned()), ..ClientArguments::default() };
        let complaint = Way::find(&unknown, &two()).err().unwrap();
        assert_eq!(
            complaint.to_string(),
            "error[context_not_found]: there is no context c\nhint: the contexts are: a, b"
        );
    }

    #[test]
    fn the_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recado").join("contexts.toml");
        two().store(&path).unwrap();
        assert!(Contexts::load(&path).unwrap() == two());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "currant = \"a\"\n").unwrap();
        let complaint = Contexts::load(&path).err().unwrap();
        assert_eq!(complaint.exit(), Exit::Configuration);
    }
}
