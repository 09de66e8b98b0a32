//! Secrets from people and files: typed without echo, or the first line of a file.
//! Invariant: the terminal echoes again however the prompt ends, short of a kill.
//! Called by `login`, `context` and `ctl::user`; tests below.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use model::caller::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::exit::{Complaint, Exit};
use crate::output;

/// Longest secret that a file or a prompt gives, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// The first line of a file; `-` is standard input.
pub(crate) fn secret_from(path: &Path) -> Result<Secret, Complaint> {
    let failed = |error: std::io::Error| Complaint::file(path, "read", &error);
    let line = if path == Path::new("-") {
        first_line(std::io::stdin().lock()).map_err(failed)?
    } else {
        first_line(std::fs::File::open(path).map_err(failed)?).map_err(failed)?
    };
    if line.is_empty() {
        let what = format!("{} is empty", path.display());
        return Err(Complaint::here(Exit::Local, "file", what, "write the secret on its first line"));
    }
    Ok(Secret::new(line))
}

fn first_line(input: impl Read) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(input.take(SECRET_BYTES_MAX)).read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// A line that is not a secret.
pub(crate) fn text(question: &str) -> Result<String, Complaint> {
    terminal()?;
    output::ask(question);
    first_line(std::io::stdin().lock()).map_err(|error| Complaint::file(Path::new("the terminal"), "read", &error))
}

/// A secret typed without echo.
pub(crate) fn secret(question: &str) -> Result<Secret, Complaint> {
    terminal()?;
    output::ask(question);
    let silent = Silent::start();
    let line = first_line(std::io::stdin().lock());
    drop(silent);
    output::note("");
    line.map(Secret::new).map_err(|error| Complaint::file(Path::new("the terminal"), "read", &error))
}

/// A new secret, typed twice.
pub(crate) fn new_secret(question: &str) -> Result<Secret, Complaint> {
    let first = secret(question)?;
    if first == secret("Again: ")? {
        return Ok(first);
    }
    Err(Complaint::here(Exit::Invalid, "password_differs", "the two passwords differ", "type the same one twice"))
}

fn terminal() -> Result<(), Complaint> {
    if output::interactive() {
        return Ok(());
    }
    Err(Complaint::usage(
        "a password is needed, and there is no terminal to ask on",
        "give --password-file FILE, or - for standard input",
    ))
}

/// A terminal without echo.
struct Silent(Option<Termios>);

impl Silent {
    fn start() -> Self {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok();
        if let Some(mut quiet) = before.clone() {
            quiet.local_modes.remove(LocalModes::ECHO);
            // A terminal that cannot be silenced still takes the password.
            let _ = tcsetattr(&stdin, OptionalActions::Flush, &quiet);
        }
        Self(before)
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Nothing better can be done when the terminal is gone.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line_as_it_is() {
        let cases = [("pass word\n", "pass word"), ("p\r\nq", "p"), (" p ", " p "), ("", "")];
        for (text, expected) in cases {
            assert_eq!(first_line(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
    }
}
