//! What a list may be asked for: part of the names, a page, an order, some of the fields.
//! Invariant: a page says how many there are in all, so that its reader knows when it has seen the last.
//! Used by every list; tests below.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use crate::answer::Trouble;
use crate::door::Door;
use crate::limits::{
    COLUMNS_MAX, LIST_ITEMS_MAX, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, PATTERN_BYTES_MAX, PATTERN_PROGRAM_BYTES_MAX,
};

/// Which names are wanted.
#[derive(Clone, Debug, Default)]
enum Wanted {
    #[default]
    All,
    /// Those that hold this text, in whatever case.
    Holding(String),
    /// Those that fit this.
    Fitting(Regex),
}

/// The part of a list that is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paging {
    wanted: Wanted,
    /// The page, from 1, and its size.
    page: Option<(usize, usize)>,
    sort: Option<String>,
    reverse: bool,
    /// The paths of the fields that are wanted; all when there are none.
    columns: Vec<String>,
}

impl FromRequestParts<Door> for Paging {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &Door) -> Result<Self, Trouble> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(query) = query.map_err(|_| Trouble::bad("the query cannot be read"))?;
        Self::read(&query)
    }
}

impl Paging {
    fn read(query: &[(String, String)]) -> Result<Self, Trouble> {
        let get = |name: &str| {
            let found = query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            found.filter(|value| !value.is_empty())
        };
        let number = |name: &str| -> Result<Option<usize>, Trouble> {
            let wrong = || Trouble::bad(format!("{name} must be a number from 1"));
            get(name).map(|text| text.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)).transpose()
        };
        let size = number("page_size")?.unwrap_or(PAGE_ITEMS_DEFAULT);
        if size > PAGE_ITEMS_MAX {
            return Err(Trouble::bad(format!("page_size is at most {PAGE_ITEMS_MAX}")));
        }
        let columns: Vec<String> =
            get("columns").into_iter().flat_map(|all| all.split(',')).map(str::to_owned).collect();
        if columns.len() > COLUMNS_MAX {
            return Err(Trouble::bad(format!("columns are at most {COLUMNS_MAX}")));
        }
        Ok(Self {
            columns,
            wanted: wanted(get("name"), get("use_regex") == Some("true"))?,
            page: number("page")?.map(|page| (page, size)),
            sort: get("sort").map(str::to_owned),
            reverse: get("sort_reverse") == Some("true"),
        })
    }

    /// Whether a name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        match &self.wanted {
            Wanted::All => true,
            Wanted::Holding(text) => name.to_lowercase().contains(text),
            Wanted::Fitting(pattern) => pattern.is_match(name.as_bytes()),
        }
    }

    /// Begins a list.
    pub(crate) fn gather(&self) -> Gathering<'_> {
        Gathering { paging: self, kept: Vec::new(), filtered: 0, total: 0, most: LIST_ITEMS_MAX }
    }

    /// Whether the item at this place of those that are wanted can stand on the page: any can, when they are sorted first.
    fn may_show(&self, place: usize) -> bool {
        let Some((page, size)) = self.page else { return true };
        self.is_sorted() || ((page - 1) * size..page * size).contains(&place)
    }

    fn is_sorted(&self) -> bool {
        self.sort.is_some() || self.reverse
    }

    /// The list, or the page of it; `total` counts those too that were not wanted by name.
    pub(crate) fn cut(&self, items: Vec<Value>, total: usize) -> Result<Value, Trouble> {
        let filtered = items.len();
        self.page_of(self.sorted(items), Counted { filtered, total }, Shown::All)
    }

    fn sorted(&self, mut items: Vec<Value>) -> Vec<Value> {
        if let Some(field) = &self.sort {
            items.sort_by(|one, two| order(field_of(one, field), field_of(two, field)));
        }
        if self.reverse {
            items.reverse();
        }
        items
    }

    /// The fields of an item that are wanted.
    fn narrowed(&self, item: Value) -> Value {
        if self.columns.is_empty() {
            return item;
        }
        let mut narrow = Value::Object(Map::new());
        for path in &self.columns {
            let found = field_of(&item, path);
            if !found.is_null() {
                put(&mut narrow, path, found.clone());
            }
        }
        narrow
    }

    fn page_of(&self, items: Vec<Value>, counted: Counted, shown: Shown) -> Result<Value, Trouble> {
        let items = items.into_iter().map(|item| self.narrowed(item));
        let Some((page, size)) = self.page else { return Ok(items.collect()) };
        let Counted { filtered, total } = counted;
        let pages = filtered.div_ceil(size).max(1);
        if page > pages {
            let text = format!("page_out_of_range: page {page} of {pages}, with {size} items each");
            return Err(Trouble::bad(text));
        }
        let before = match shown {
            Shown::All => (page - 1) * size,
            Shown::Page => 0,
        };
        let cut: Vec<Value> = items.skip(before).take(size).collect();
        Ok(json!({
            "filtered_count": filtered,
            "item_count": cut.len(),
            "items": cut,
            "page": page,
            "page_count": pages,
            "page_size": size,
            "total_count": total,
        }))
    }
}

/// How many items there are.
#[derive(Clone, Copy)]
struct Counted {
    /// Of those that are wanted by name.
    filtered: usize,
    /// In all.
    total: usize,
}

/// What of a list was kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    All,
    Page,
}

/// A list that is being put together: of a long one only the page is kept.
pub(crate) struct Gathering<'a> {
    paging: &'a Paging,
    kept: Vec<Value>,
    filtered: usize,
    total: usize,
    most: usize,
}

impl Gathering<'_> {
    /// Takes the next item, or counts it.
    pub(crate) fn offer(&mut self, name: &str, item: impl FnOnce() -> Value) -> Result<(), Trouble> {
        self.total += 1;
        if !self.paging.wants(name) {
            return Ok(());
        }
        let place = self.filtered;
        self.filtered += 1;
        if !self.paging.may_show(place) {
            return Ok(());
        }
        if self.kept.len() >= self.most {
            return Err(Trouble::bad(format!(
                "there are more than {}: ask for them by page, without an order",
                self.most
            )));
        }
        self.kept.push(item());
        Ok(())
    }

    /// The list, or the page of it.
    pub(crate) fn finish(self) -> Result<Value, Trouble> {
        let counted = Counted { filtered: self.filtered, total: self.total };
        let shown = if self.paging.is_sorted() { Shown::All } else { Shown::Page };
        self.paging.page_of(self.paging.sorted(self.kept), counted, shown)
    }
}

fn wanted(name: Option<&str>, is_pattern: bool) -> Result<Wanted, Trouble> {
    let Some(name) = name else { return Ok(Wanted::All) };
    if name.len() > PATTERN_BYTES_MAX {
        return Err(Trouble::bad(format!("name is at most {PATTERN_BYTES_MAX} bytes")));
    }
    if !is_pattern {
        return Ok(Wanted::Holding(name.to_lowercase()));
    }
    // Names are ASCII.
    let mut pattern = RegexBuilder::new(name);
    let built = pattern.unicode(false).case_insensitive(true).size_limit(PATTERN_PROGRAM_BYTES_MAX).build();
    built.map(Wanted::Fitting).map_err(|error| Trouble::bad(format!("name is no pattern: {error}")))
}

/// A field by its path, such as `messages_details.rate`.
fn field_of<'a>(item: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(item, |value, name| &value[name])
}

/// Sets a field by its path, such as `messages_details.rate`.
fn put(item: &mut Value, path: &str, value: Value) {
    let place = path.split('.').fold(item, |place, name| {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        &mut place[name]
    });
    *place = value;
}

fn order(one: &Value, two: &Value) -> std::cmp::Ordering {
    match (one.as_f64(), two.as_f64()) {
        (Some(one), Some(two)) => one.total_cmp(&two),
        (Some(_), None) => std::cmp::Ordering::Greater,
        (None, Some(_)) => std::cmp::Ordering::Less,
        (None, None) => text_of(one).cmp(&text_of(two)),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(query: &[(&str, &str)]) -> Result<Paging, Trouble> {
        let owned: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Paging::read(&owned)
    }

    fn items() -> Vec<Value> {
        (1..=5).map(|number| json!({"name": format!("q{number}"), "messages": 10 - number})).collect()
    }

    #[test]
    fn without_a_page_a_list_is_a_list() {
        let all = paging(&[]).and_then(|paging| paging.cut(items(), 5));
        assert_eq!(all.map(|list| list.as_array().map(Vec::len)), Ok(Some(5)));
    }

    #[test]
    fn of_each_item_only_the_fields_are_shown_that_are_asked_for() {
        let item = || json!({"name": "q", "messages": 3, "rates": {"in": {"now": 1, "then": 2}, "out": 3}});
        let shown = |columns: &str| paging(&[("columns", columns)]).and_then(|paging| paging.cut(vec![item()], 1));
        assert_eq!(shown("name,messages"), Ok(json!([{"name": "q", "messages": 3}])));
        assert_eq!(shown("rates.in.now,rates.out,nothing"), Ok(json!([{"rates": {"in": {"now": 1}, "out": 3}}])));
        assert_eq!(shown("rates,rates.out"), Ok(json!([{"rates": {"in": {"now": 1, "then": 2}, "out": 3}}])));
        assert!(shown(&"x,".repeat(COLUMNS_MAX)).is_err());
    }

    #[test]
    fn a_page_tells_where_it_stands() {
        let page = paging(&[("page", "2"), ("page_size", "2"), ("sort", "messages")]).expect("it is right");
        let cut = page.cut(items(), 9).expect("there is a second page");
        assert_eq!(
            (&cut["page_count"], &cut["filtered_count"], &cut["total_count"]),
            (&json!(3), &json!(5), &json!(9))
        );
        assert_eq!((&cut["items"][0]["name"], &cut["items"][1]["name"]), (&json!("q3"), &json!("q2")));
        let beyond = paging(&[("page", "4"), ("page_size", "2")]).expect("it is right");
        assert!(beyond.cut(items(), 5).is_err());
    }

    #[test]
    fn of_a_long_list_only_the_page_is_kept() {
        let gathered = |query: &[(&str, &str)], most: usize| {
            let paging = paging(query).expect("it is right");
            let mut gathering = Gathering { most, ..paging.gather() };
            for item in items() {
                let name = item["name"].as_str().unwrap_or_default().to_owned();
                gathering.offer(&name, || item)?;
            }
            gathering.finish()
        };
        let page = gathered(&[("page", "2"), ("page_size", "2")], 2).expect("two are kept");
        assert_eq!((&page["items"][0]["name"], &page["filtered_count"]), (&json!("q3"), &json!(5)));
        assert_eq!(page["page_count"], 3);
        assert!(gathered(&[("page", "4"), ("page_size", "2")], 2).is_err(), "there is no such page");
        assert!(gathered(&[("page", "1"), ("page_size", "2"), ("sort", "messages")], 4).is_err(), "an order needs all");
        assert!(gathered(&[], 4).is_err(), "the whole list is too long");
        let last = gathered(&[("page", "1"), ("page_size", "1"), ("sort", "messages")], 5).expect("all are kept");
        assert_eq!(last["items"][0]["name"], "q5");
    }

    #[test]
    fn names_are_looked_for_by_text_or_by_pattern() {
        let text = paging(&[("name", "DER")]).expect("it is right");
        assert!(text.wants("orders") && !text.wants("bills"));
        let pattern = paging(&[("name", "^or.*s$"), ("use_regex", "true")]).expect("it is right");
        assert!(pattern.wants("orders") && !pattern.wants("order") && !pattern.wants("borders"));
        for wrong in [
            vec![("name", "("), ("use_regex", "true")],
            vec![("name", "(a{1000}){1000}"), ("use_regex", "true")],
            vec![("page", "0")],
            vec![("page", "x")],
            vec![("page_size", "501")],
        ] {
            assert!(paging(&wrong).is_err(), "{wrong:?}");
        }
    }
}
