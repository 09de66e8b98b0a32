//! From the first eight bytes to an open virtual host: header, start, login, tune, open.
//! Invariants: nothing but the handshake is read before the login is proved; frames are small until then.

use model::caller::Secret;

use super::ask::{Answer, Ask, Close, Login, Proof};
use super::link::{Lane, Link};
use crate::codec::class::connection::{self, Open, OpenOk, Start, StartOk, Tune, TuneOk};
use crate::codec::wire::Field;
use crate::codec::{ReplyCode, Table, Value};
use crate::limits::{CHANNELS_MAX, FRAME_BYTES_MAX, FRAME_BYTES_MIN, HEARTBEAT_SECONDS};

/// The mechanisms of a login, as they are offered.
const MECHANISMS: &str = "AMQPLAIN PLAIN";
/// The same for a client whose certificate names a user.
const CERTIFIED_MECHANISMS: &str = "AMQPLAIN PLAIN EXTERNAL";
const LOCALE: &str = "en_US";

/// The connection itself, as a lane.
pub(super) const CONNECTION: Lane = Lane { number: 0, incarnation: 0 };

/// How far the handshake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The client has not said what it speaks.
    Header,
    /// It was told who we are.
    Started,
    /// Its credentials are looked at.
    LoggingIn,
    /// It was told the limits.
    Tuned,
    /// It agreed on limits.
    Agreed,
    /// Its virtual host is looked up.
    Opening,
    /// It is in.
    Open,
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) channel_max: u16,
    pub(super) heartbeat: u16,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The product's name, as clients compare it.
    pub product: String,
    /// The version that clients compare.
    pub version: String,
    /// What it really is.
    pub platform: String,
    /// The name of the cluster.
    pub cluster: String,
}

impl Identity {
    fn properties(&self) -> Table {
        let capabilities = [
            "publisher_confirms",
            "exchange_exchange_bindings",
            "basic.nack",
            "consumer_cancel_notify",
            "connection.blocked",
            "consumer_priorities",
            "authentication_failure_close",
            "per_consumer_qos",
            "direct_reply_to",
        ];
        let capabilities = capabilities.into_iter().map(|name| (name, Value::Boolean(true))).collect();
        [
            ("capabilities", Value::Table(capabilities)),
            ("cluster_name", Value::text(&self.cluster)),
            ("copyright", Value::text("The Recado authors")),
            ("information", Value::text("Recado, serving AMQP 0-9-1")),
            ("platform", Value::text(&self.platform)),
            ("product", Value::text(&self.product)),
            ("version", Value::text(&self.version)),
        ]
        .into_iter()
        .collect()
    }
}

/// The handshake of one connection.
pub(super) struct Handshake {
    pub(super) step: Step,
    pub(super) agreed: Agreed,
    /// Whether the client can read why a login was refused.
    pub(super) told_of_refusal: bool,
    /// Whether it wants to be told of alarms.
    pub(super) told_of_blocking: bool,
    /// Whether it wants to be told of consumers that end.
    pub(super) told_of_cancels: bool,
    /// The user that the client's certificate names.
    pub(super) certified: Option<String>,
    pub(super) mechanism: &'static str,
    /// What the client says of itself, until it is told.
    pub(super) client: Table,
}

fn command_invalid(text: impl Into<String>) -> Close {
    Close::new(ReplyCode::CommandInvalid, text)
}

impl Handshake {
    pub(super) const fn new() -> Self {
        Self {
            step: Step::Header,
            agreed: Agreed { channel_max: CHANNELS_MAX, heartbeat: HEARTBEAT_SECONDS },
            told_of_refusal: false,
            told_of_blocking: false,
            told_of_cancels: false,
            certified: None,
            mechanism: "",
            client: Table(Vec::new()),
        }
    }

    /// The client speaks our protocol.
    pub(super) fn start(&mut self, link: &mut Link, identity: &Identity) {
        self.step = Step::Started;
        let start = Start {
            version_major: 0,
            version_minor: 9,
            server_properties: identity.properties(),
            mechanisms: if self.certified.is_some() { CERTIFIED_MECHANISMS } else { MECHANISMS }.into(),
            locales: LOCALE.into(),
        };
        link.send(0, &start);
    }

    /// Takes a method of the handshake.
    pub(super) fn take(&mut self, link: &mut Link, method: connection::Method) -> Result<(), Close> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other method comes at the wrong time")]
        match (&self.step, method) {
            (Step::Started, connection::Method::StartOk(answer)) => self.log_in(link, &answer),
            (Step::Tuned, connection::Method::TuneOk(answer)) => self.agree(link, &answer),
            (Step::Agreed, connection::Method::Open(Open { virtual_host, .. })) => {
                self.step = Step::Opening;
                link.ask(CONNECTION, Ask::OpenHost(virtual_host));
                Ok(())
            }
            (_, method) => {
                let (class, number) = method.numbers();
                Err(command_invalid(format!("method {class}.{number} comes at the wrong time")))
            }
        }
    }

    fn log_in(&mut self, link: &mut Link, answer: &StartOk) -> Result<(), Close> {
        let can = |name: &str| {
            let Some(Value::Table(capabilities)) = answer.client_properties.get("capabilities") else { return false };
            capabilities.get(name).and_then(Value::as_boolean).unwrap_or_default()
        };
        self.told_of_refusal = can("authentication_failure_close");
        self.told_of_blocking = can("connection.blocked");
        self.told_of_cancels = can("consumer_cancel_notify");
        let (mechanism, login) = match answer.mechanism.as_str() {
            "PLAIN" => ("PLAIN", plain(&answer.response)),
            "AMQPLAIN" => ("AMQPLAIN", amqplain(&answer.response)),
            "EXTERNAL" if self.certified.is_some() => {
                ("EXTERNAL", self.certified.clone().map(|user| (user, Proof::Certificate)))
            }
            other => return Err(command_invalid(format!("unknown authentication mechanism '{other}'"))),
        };
        self.mechanism = mechanism;
        let (user, proof) = login
            .ok_or_else(|| Close::new(ReplyCode::SyntaxError, format!("the response is not one of {mechanism}")))?;
        self.client.clone_from(&answer.client_properties);
        self.step = Step::LoggingIn;
        link.user.clone_from(&user);
        link.ask(CONNECTION, Ask::Login(Login { user, proof, mechanism }));
        Ok(())
    }

    fn agree(&mut self, link: &mut Link, answer: &TuneOk) -> Result<(), Close> {
        let frame_max = match usize::try_from(answer.frame_max).unwrap_or(usize::MAX) {
            0 => FRAME_BYTES_MAX,
            bytes if bytes < FRAME_BYTES_MIN => {
                let text = format!(
                    "negotiated frame_max = {bytes} is lower than the minimum allowed value ({FRAME_BYTES_MIN})"
                );
                return Err(Close::new(ReplyCode::NotAllowed, text));
            }
            bytes if bytes > FRAME_BYTES_MAX => {
                let text = format!(
                    "negotiated frame_max = {bytes} is higher than the maximum allowed value ({FRAME_BYTES_MAX})"
                );
                return Err(Close::new(ReplyCode::NotAllowed, text));
            }
            bytes => bytes,
        };
        let channel_max = match answer.channel_max {
            0 => CHANNELS_MAX,
            channels if channels > CHANNELS_MAX => {
                let text = format!(
                    "negotiated channel_max = {channels} is higher than the maximum allowed value ({CHANNELS_MAX})"
                );
                return Err(Close::new(ReplyCode::NotAllowed, text));
            }
            channels => channels,
        };
        link.frame_max = frame_max;
        self.agreed = Agreed { channel_max, heartbeat: answer.heartbeat };
        self.step = Step::Agreed;
        Ok(())
    }

    /// The broker has answered a question of the handshake.
    pub(super) fn answered(&mut self, link: &mut Link, answer: Result<Answer, Close>) -> Result<(), Close> {
        answer?;
        if self.step == Step::LoggingIn {
            self.step = Step::Tuned;
            let frame_max = u32::try_from(FRAME_BYTES_MAX).expect("the limit of frames fits into their length");
            link.send(0, &Tune { channel_max: CHANNELS_MAX, frame_max, heartbeat: HEARTBEAT_SECONDS });
        } else if self.step == Step::Opening {
            self.step = Step::Open;
            link.send(0, &OpenOk::default());
        }
        Ok(())
    }
}

/// `authorisation NUL user NUL password`.
fn plain(response: &[u8]) -> Option<(String, Proof)> {
    let text = std::str::from_utf8(response).ok()?;
    let mut parts = text.split('\0');
    let (_authorisation, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then(|| (user.to_owned(), by_password(password)))
}

/// A table without its length, with LOGIN and PASSWORD.
fn amqplain(response: &bytes::Bytes) -> Option<(String, Proof)> {
    let mut sized = bytes::BytesMut::new();
    response.write(&mut sized);
    let table = Table::read(&mut sized.freeze()).ok()?;
    Some((table.get("LOGIN")?.as_text()?.to_owned(), by_password(table.get("PASSWORD")?.as_text()?)))
}

fn by_password(password: &str) -> Proof {
    Proof::Password(Secret::new(password))
}
