//! Paging by cursor: a list is never unbounded and never skips or repeats an item that stayed.
//! Invariant: a cursor is the last name of the page before; lists are ordered by name.

use crate::limits::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};
use crate::refusal::Refusal;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many items: 1 to 1000.
    pub limit: u32,
    /// Start after this name, as the page before said.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// Checks the range of the limit.
    ///
    /// # Errors
    /// `ArgumentInvalid` when the limit is 0 or above 1000.
    pub fn new(limit: Option<u32>, cursor: Option<String>) -> Result<Self, Refusal> {
        let limit = limit.unwrap_or(PAGE_ITEMS_DEFAULT);
        if limit == 0 || limit > PAGE_ITEMS_MAX {
            return Err(Refusal::invalid("limit", "it must lie between 1 and 1000"));
        }
        Ok(Self { limit, cursor })
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: PAGE_ITEMS_DEFAULT, cursor: None }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, ordered by name.
    pub items: Vec<T>,
    /// Give this as the cursor to get the next page; `None` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each item turned into something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}
