//! Reads the arguments of one declare.
//! Invariant: a value of the wrong kind is refused with the name of its argument, never taken for another.
//! Used by `queue`, `stream` and `exchange`.

use model::header::{HeaderValue, Headers, header};

use crate::wrong::Wrong;

/// The arguments of a queue.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a> {
    pub(crate) queue: &'a str,
    pub(crate) host: &'a str,
    pub(crate) headers: &'a Headers,
}

impl<'a> Arguments<'a> {
    pub(crate) fn wrong(&self, name: &str, why: &str) -> Wrong {
        let (queue, host) = (self.queue, self.host);
        Wrong::Argument(format!("invalid arg '{name}' for queue '{queue}' in vhost '{host}': {why}"))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a HeaderValue> {
        header(self.headers, name)
    }

    pub(crate) fn integer(&self, name: &str, least: i64) -> Result<Option<i64>, Wrong> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_integer() {
            Some(number) if number >= least => Ok(Some(number)),
            Some(number) => Err(self.wrong(name, &format!("{{value_negative,{number}}}"))),
            None => Err(self.wrong(name, "{unacceptable_type,a number is needed}")),
        }
    }

    pub(crate) fn number(&self, name: &str, least: i64) -> Result<Option<u64>, Wrong> {
        // What is not below zero fits.
        Ok(self.integer(name, least)?.and_then(|number| u64::try_from(number).ok()))
    }

    pub(crate) fn word(&self, name: &str) -> Result<Option<&'a str>, Wrong> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_text().map(Some).ok_or_else(|| self.wrong(name, "{unacceptable_type,a string is needed}"))
    }

    pub(crate) fn truth(&self, name: &str) -> Result<bool, Wrong> {
        let Some(value) = self.get(name) else { return Ok(false) };
        if let HeaderValue::Boolean(truth) = value {
            return Ok(*truth);
        }
        Err(self.wrong(name, "{unacceptable_type,a boolean is needed}"))
    }
}
