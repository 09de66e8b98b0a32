//! Reply codes: why a channel or a connection is closed, with the words that RabbitMQ writes before its texts.

use std::fmt;

/// Why something was closed or returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyCode {
    /// Nothing is wrong.
    Success,
    /// A mandatory message reached no queue.
    NoRoute,
    /// The content is too large.
    ContentTooLarge,
    /// The operator closed the connection, or the server stops.
    ConnectionForced,
    /// The virtual host cannot be opened.
    InvalidPath,
    /// The credentials are wrong or a right is missing.
    AccessRefused,
    /// There is no such thing.
    NotFound,
    /// Another connection has it for itself.
    ResourceLocked,
    /// What is there differs from what was asked for.
    PreconditionFailed,
    /// A frame is broken.
    FrameError,
    /// A field of a frame is broken.
    SyntaxError,
    /// The peer sent something impossible.
    CommandInvalid,
    /// The channel is not open, or is open already.
    ChannelError,
    /// This frame cannot come here.
    UnexpectedFrame,
    /// Too much of something.
    ResourceError,
    /// The client may not do this.
    NotAllowed,
    /// The server cannot do this.
    NotImplemented,
    /// The server is broken.
    InternalError,
}

impl ReplyCode {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::Success => 200,
            Self::ContentTooLarge => 311,
            Self::NoRoute => 312,
            Self::ConnectionForced => 320,
            Self::InvalidPath => 402,
            Self::AccessRefused => 403,
            Self::NotFound => 404,
            Self::ResourceLocked => 405,
            Self::PreconditionFailed => 406,
            Self::FrameError => 501,
            Self::SyntaxError => 502,
            Self::CommandInvalid => 503,
            Self::ChannelError => 504,
            Self::UnexpectedFrame => 505,
            Self::ResourceError => 506,
            Self::NotAllowed => 530,
            Self::NotImplemented => 540,
            Self::InternalError => 541,
        }
    }

    /// The word that RabbitMQ writes before its texts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "OK",
            Self::ContentTooLarge => "CONTENT_TOO_LARGE",
            Self::NoRoute => "NO_ROUTE",
            Self::ConnectionForced => "CONNECTION_FORCED",
            Self::InvalidPath => "INVALID_PATH",
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceLocked => "RESOURCE_LOCKED",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FrameError => "FRAME_ERROR",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::CommandInvalid => "COMMAND_INVALID",
            Self::ChannelError => "CHANNEL_ERROR",
            Self::UnexpectedFrame => "UNEXPECTED_FRAME",
            Self::ResourceError => "RESOURCE_ERROR",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    /// Whether it closes the whole connection and not only the channel.
    pub const fn is_hard(self) -> bool {
        match self {
            Self::ContentTooLarge
            | Self::NoRoute
            | Self::AccessRefused
            | Self::NotFound
            | Self::ResourceLocked
            | Self::PreconditionFailed => false,
            Self::Success
            | Self::ConnectionForced
            | Self::InvalidPath
            | Self::FrameError
            | Self::SyntaxError
            | Self::CommandInvalid
            | Self::ChannelError
            | Self::UnexpectedFrame
            | Self::ResourceError
            | Self::NotAllowed
            | Self::NotImplemented
            | Self::InternalError => true,
        }
    }
}

/// Bytes that cannot be read, or what they ask for cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The code to close with.
    pub code: ReplyCode,
    /// What is wrong.
    pub why: String,
}

impl Malformed {
    /// A broken frame.
    pub fn frame(why: impl Into<String>) -> Self {
        Self { code: ReplyCode::FrameError, why: why.into() }
    }

    /// A broken field.
    pub fn syntax(why: impl Into<String>) -> Self {
        Self { code: ReplyCode::SyntaxError, why: why.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.code.word(), self.why)
    }
}
