//! How the process ends: one exit code for each kind of outcome, stable for scripts.
//! Invariant: every code of the broker has one exit code; a new one breaks the build here. 0 means done.
//! Called by `main` and `explain`; documented in `docs/cli.md`; the table test is below.

use std::fmt;
use std::process::ExitCode;

use model::{Code, Failure, Refusal, Retry};

/// How a command ended. The numbers follow sysexits.h where it has a fitting one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// A check of the command itself found something: unequal results, a finding of the doctor, lost receipts.
    Found,
    /// The command line is wrong; the same number as clap uses.
    Usage,
    /// A value was refused.
    Invalid,
    /// What was named does not exist.
    NotFound,
    /// No broker answers, or not now: retry later.
    Unavailable,
    /// The broker or its disk is broken, or this program is.
    Fault,
    /// It exists already, is not empty, or is in use.
    Conflict,
    /// A file, socket or terminal of this machine failed.
    Local,
    /// A bound is reached: retry once there is room.
    Limited,
    /// Not logged in, or not allowed.
    Denied,
    /// The configuration is wrong.
    Configuration,
}

impl Exit {
    /// Every way to end, in the order of the documentation.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Done,
        Self::Found,
        Self::Usage,
        Self::Invalid,
        Self::NotFound,
        Self::Unavailable,
        Self::Fault,
        Self::Conflict,
        Self::Local,
        Self::Limited,
        Self::Denied,
        Self::Configuration,
    ];

    /// The number that the shell sees.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Found => 1,
            Self::Usage => 2,
            Self::Invalid => 65,
            Self::NotFound => 66,
            Self::Unavailable => 69,
            Self::Fault => 70,
            Self::Conflict => 73,
            Self::Local => 74,
            Self::Limited => 75,
            Self::Denied => 77,
            Self::Configuration => 78,
        }
    }

    /// What it means, in one line.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Found => "a check found something: a finding, unequal results, a lost lease",
            Self::Usage => "the command line is wrong",
            Self::Invalid => "a value was refused",
            Self::NotFound => "what was named does not exist",
            Self::Unavailable => "no broker answers, or not now: retry later",
            Self::Fault => "the broker, its disk or this program is broken",
            Self::Conflict => "it exists already, is not empty or is in use",
            Self::Local => "a file, socket or terminal of this machine failed",
            Self::Limited => "a bound is reached: retry once there is room",
            Self::Denied => "not logged in, or not allowed",
            Self::Configuration => "the configuration is wrong",
        }
    }

    /// How a failure with this code ends a command.
    pub(crate) const fn of(code: Code) -> Self {
        match code {
            Code::NameInvalid
            | Code::ArgumentInvalid
            | Code::ReceiptInvalid
            | Code::MessageTooLarge
            | Code::BatchSize
            | Code::PartitionsShrink
            | Code::SubscriptionKind
            | Code::IdempotencyMismatch
            | Code::MethodNotAllowed
            | Code::BodyInvalid
            | Code::MediaTypeUnsupported => Self::Invalid,
            Code::Unauthenticated
            | Code::Forbidden
            | Code::NotClaimed
            | Code::ClaimInvalid
            | Code::ExchangeInternal
            | Code::ExchangeReserved => Self::Denied,
            Code::NamespaceNotFound
            | Code::QueueNotFound
            | Code::TopicNotFound
            | Code::PartitionNotFound
            | Code::SubscriptionNotFound
            | Code::ExchangeNotFound
            | Code::UserNotFound
            | Code::TokenNotFound
            | Code::GrantNotFound
            | Code::PathNotFound => Self::NotFound,
            Code::NamespaceNotEmpty
            | Code::QueueExists
            | Code::QueueNotEmpty
            | Code::QueueInUse
            | Code::TopicExists
            | Code::TopicNotEmpty
            | Code::SubscriptionExists
            | Code::NotAssigned
            | Code::ExchangeExists
            | Code::ExchangeInUse
            | Code::ConsumerAlone
            | Code::UserExists
            | Code::LastAdministrator
            | Code::RedriveRunning => Self::Conflict,
            Code::LoginThrottled
            | Code::QueueFull
            | Code::LimitReached
            | Code::DeliveryLimitReached
            | Code::DiskNearlyFull => Self::Limited,
            Code::Starting
            | Code::Draining
            | Code::Busy
            | Code::MemoryFull
            | Code::NoLeader
            | Code::Unreachable
            | Code::OutcomeUnknown => Self::Unavailable,
            Code::Fault => Self::Fault,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// Why a command did not end well.
#[derive(Debug)]
pub(crate) enum Complaint {
    /// The broker, or the way to it, said no.
    Broker(Failure),
    /// Something on this side of the wire.
    Here {
        /// How the process ends.
        exit: Exit,
        /// A stable word in the place of a code.
        word: &'static str,
        /// What happened.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// The reader of the output went away: nothing to say, and nobody to say it to.
    PipeClosed,
    /// Everything has been said already.
    Said(Exit),
}

impl Complaint {
    /// A complaint about something on this side of the wire.
    pub(crate) fn here(exit: Exit, word: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Here { exit, word, what: what.into(), hint: hint.into() }
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: &std::path::Path, doing: &str, error: &std::io::Error) -> Self {
        Self::here(
            Exit::Local,
            "file",
            format!("cannot {doing} {}: {error}", path.display()),
            "check that the path exists and that this user may use it",
        )
    }

    /// Wrong use that clap cannot see.
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::here(Exit::Usage, "usage", what, hint)
    }

    /// How the process ends.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Broker(failure) => Exit::of(failure.code()),
            Self::Here { exit, .. } | Self::Said(exit) => *exit,
            Self::PipeClosed => Exit::Done,
        }
    }
}

impl From<Failure> for Complaint {
    fn from(failure: Failure) -> Self {
        Self::Broker(failure)
    }
}

impl From<Refusal> for Complaint {
    fn from(refusal: Refusal) -> Self {
        Self::Broker(refusal.into())
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(failure) => {
                let code = failure.code();
                write!(f, "error[{}]: {failure}\nhint: {}", code.word(), code.hint())?;
                match failure.retry() {
                    Retry::Never => Ok(()),
                    Retry::After(wait) => write!(f, "\nretry: after {} ms", wait.get()),
                }
            }
            Self::Here { word, what, hint, .. } if hint.is_empty() => write!(f, "error[{word}]: {what}"),
            Self::Here { word, what, hint, .. } => write!(f, "error[{word}]: {what}\nhint: {hint}"),
            Self::PipeClosed | Self::Said(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::Unavailable;

    use super::*;

    #[test]
    fn numbers_are_distinct_and_stay_as_documented() {
        let table: Vec<(u8, &str)> = Exit::ALL.iter().map(|exit| (exit.number(), exit.meaning())).collect();
        let numbers: BTreeSet<u8> = table.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), Exit::ALL.len());
        let page = include_str!("../../../docs/cli.md");
        for (number, meaning) in table {
            let row = format!("| {number} | {meaning} |");
            assert!(page.contains(&row), "docs/cli.md lacks the row {row}");
        }
    }

    #[test]
    fn what_differs_for_a_script_ends_differently() {
        let cases = [
            (Code::QueueNotFound, 66),
            (Code::Forbidden, 77),
            (Code::QueueExists, 73),
            (Code::Unreachable, 69),
            (Code::Fault, 70),
            (Code::NameInvalid, 65),
            (Code::QueueFull, 75),
        ];
        for (code, number) in cases {
            assert_eq!(Exit::of(code).number(), number, "{}", code.word());
        }
        assert!(Code::ALL.iter().all(|code| Exit::of(*code) != Exit::Done));
    }

    #[test]
    fn a_complaint_says_code_hint_and_when_to_retry() {
        let refused = Complaint::from(Refusal::QueueNotFound { name: "default/orders".to_owned() });
        assert_eq!(
            refused.to_string(),
            "error[queue_not_found]: there is no queue default/orders\n\
             hint: create the queue first, or correct its name or namespace"
        );
        let away = Complaint::from(Failure::from(Unavailable::Busy));
        assert!(away.to_string().ends_with("retry: after 100 ms"), "{away}");
    }
}
