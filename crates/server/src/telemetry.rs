//! Log lines on standard error: text for people, JSON for collectors.
//! Invariant: standard output stays free of log lines; escapes appear on a terminal only.
//! Called by `main` before a server starts.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Settings};
use crate::exit::{Complaint, Exit};
use crate::output;

/// Starts to write log lines as the settings say.
pub(crate) fn start(settings: &Settings) -> Result<(), Complaint> {
    let filter = EnvFilter::try_new(directives(&settings.log)).map_err(|error| {
        let what = format!("log = {:?} is not valid: {error}", settings.log);
        Complaint::here(Exit::Configuration, "config_invalid", what, "write error, warn, info, debug or trace")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal() && output::lively()).try_init(),
    };
    started
        .map_err(|error| Complaint::here(Exit::Fault, "internal", format!("log lines cannot be written: {error}"), ""))
}

/// The filters as given, with the consensus library held to warnings unless they speak of it: what it calls
/// information is its inner life.
fn directives(given: &str) -> String {
    if given.contains("openraft") { given.to_owned() } else { format!("{given},openraft=warn") }
}

#[cfg(test)]
mod tests {
    use super::directives;

    #[test]
    fn the_consensus_library_is_quiet_unless_asked_for() {
        assert_eq!(directives("info"), "info,openraft=warn");
        assert_eq!(directives("info,openraft=debug"), "info,openraft=debug");
    }
}
