//! A client's session: a backend, the caller it authenticated, and how to print.
//! Invariant: the same code serves a broker elsewhere and one in this process; it sees only `Backend`.
//! Opened by `context::open`; used by every room of `ctl`.

use std::sync::Arc;

use model::backend::call;
use model::{Backend, Call, Caller};

use crate::exit::{Complaint, Exit};
use crate::output::{self, Output};

/// What a client command works with.
pub(crate) struct Session {
    /// The broker, here or elsewhere.
    pub(crate) backend: Arc<dyn Backend>,
    /// Who asks.
    pub(crate) caller: Caller,
    /// Where answers go.
    pub(crate) output: Output,
    /// Whether destructive commands go on without a question.
    pub(crate) assume_yes: bool,
}

impl Session {
    /// Does one operation.
    pub(crate) async fn call<C: Call>(&self, request: C) -> Result<C::Reply, Complaint> {
        Ok(call(&*self.backend, &self.caller, request).await?)
    }

    /// Asks before something is destroyed. A script is not asked: it says --yes or means what it says.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), Complaint> {
        if self.assume_yes || !output::interactive() {
            return Ok(());
        }
        output::ask(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        match read {
            Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
            Ok(_) | Err(_) => {
                Err(Complaint::here(Exit::Found, "not_confirmed", "nothing was done", "answer y, or give --yes"))
            }
        }
    }
}
