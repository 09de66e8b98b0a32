//! Cuts a page out of an ordered list of names.
//! Invariant: an item is on exactly one page while it exists; the cursor is the last name that was looked at.

use model::page::{Page, PageRequest};

/// Takes the page that was asked for; items that `show` hides do not count.
pub(crate) fn page<I, T>(
    items: impl Iterator<Item = I>,
    request: &PageRequest,
    name: impl Fn(&I) -> &str,
    mut show: impl FnMut(&I) -> Option<T>,
) -> Page<T> {
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let mut page = Page { items: Vec::new(), next: None };
    let mut last = None;
    for item in items {
        if request.cursor.as_deref().is_some_and(|cursor| name(&item) <= cursor) {
            continue;
        }
        let Some(shown) = show(&item) else { continue };
        if page.items.len() == limit {
            page.next = last;
            return page;
        }
        last = Some(name(&item).to_owned());
        page.items.push(shown);
    }
    page
}
