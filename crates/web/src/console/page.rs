//! The frame of every page: head, navigation, notices, problems, and the small pieces that pages share.
//! Invariant: no inline script or style; whatever is not a literal goes through maud's escaping.
//! Used by every page; tests in `tests.rs`.

use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, html};
use model::Code;
use model::name::NamespaceName;

use super::address::Address;
use super::assets;
use super::fields::Fields;
use super::words;
use crate::translate::problem::Problem;

/// What htmx may do: nothing that needs an inline style, `eval` or another site. Problems are shown where they fall.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyEnabled":false,"responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}"#;

/// The parts of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Queues,
    Topics,
    Users,
    Tokens,
    /// A page of none of them.
    None,
}

/// What every page shows around its own content.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Who is logged in.
    pub(super) user: String,
    /// The namespace that is looked at.
    pub(super) namespace: NamespaceName,
    /// The token of the forms.
    pub(super) form: String,
    /// Scheme and host of this site.
    pub(super) site: String,
    /// Plaintext beyond this machine was asked for.
    pub(super) insecure: bool,
    /// Whether htmx asks, for a piece of a page.
    pub(super) htmx: bool,
}

/// An answer instead of the page that was asked for.
pub(super) enum Turned {
    /// There is no session, or no longer.
    LogIn {
        /// Whether htmx asks.
        htmx: bool,
    },
    /// A page that says why not.
    Refused(StatusCode, Markup),
}

impl IntoResponse for Turned {
    fn into_response(self) -> Response {
        match self {
            Self::LogIn { htmx: false } => Redirect::to("/login").into_response(),
            Self::LogIn { htmx: true } => {
                let there = HeaderValue::from_static("/login");
                (StatusCode::UNAUTHORIZED, [(HeaderName::from_static("hx-redirect"), there)]).into_response()
            }
            Self::Refused(status, page) => (status, page).into_response(),
        }
    }
}

impl Frame {
    /// A whole page.
    pub(super) fn page(&self, title: &str, tab: Tab, content: &Markup) -> Markup {
        document(
            title,
            &html! {
                a.skip href="#content" { "Skip to content" }
                header.top {
                    a.brand href="/" { "Recado" }
                    nav aria-label="Console" {
                        (self.link(tab, Tab::Overview, Address::of("/"), "Overview"))
                        (self.link(tab, Tab::Queues, Address::of("/console/queues"), "Queues"))
                        (self.link(tab, Tab::Topics, Address::of("/console/topics"), "Topics"))
                        (self.link(tab, Tab::Users, Address::of("/console/users"), "Users"))
                        (self.link(tab, Tab::Tokens, Address::of("/console/tokens"), "Tokens"))
                    }
                    form.who method="post" action="/logout" {
                        (self.token())
                        span.muted { "ns " } a href=(Address::of("/").within(&self.namespace)) { (self.namespace) }
                        span.muted { " · " (self.user) }
                        button.quiet type="submit" { "Log out" }
                    }
                }
                main #content {
                    @if self.insecure { p.notice.warning role="status" {
                        "This broker serves without TLS beyond its own machine: passwords and messages can be read on the way."
                    } }
                    h1 { (title) }
                    (content)
                }
            },
        )
    }

    fn link(&self, now: Tab, tab: Tab, address: Address, name: &str) -> Markup {
        let current = (now == tab).then_some("page");
        html! { a href=(address.within(&self.namespace)) aria-current=[current] { (name) } }
    }

    /// The hidden field that ties a form to the session.
    pub(super) fn token(&self) -> Markup {
        html! { input type="hidden" name="form" value=(self.form); }
    }

    /// The page of a problem, or the way to the login.
    pub(super) fn refuse(&self, problem: Problem) -> Turned {
        let said = problem.document();
        if said.code == Code::Unauthenticated.word() {
            return Turned::LogIn { htmx: self.htmx };
        }
        let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let notice = notice_of(&problem);
        if self.htmx {
            return Turned::Refused(status, notice);
        }
        let content = html! {
            (notice)
            p { a href=(Address::of("/").within(&self.namespace)) { "Overview" } }
        };
        Turned::Refused(status, self.page("That did not work", Tab::None, &content))
    }

    /// The answer to an action that was done: back to a page, which says so.
    pub(super) fn done(&self, address: Address, did: Did, number: Option<u64>) -> Response {
        let mut address = address.within(&self.namespace).with("did", did.word());
        if let Some(number) = number {
            address = address.with("n", &number.to_string());
        }
        Redirect::to(address.as_str()).into_response()
    }
}

/// A problem in words.
pub(super) fn notice_of(problem: &Problem) -> Markup {
    let said = problem.document();
    html! {
        div.notice.problem role="alert" {
            p { strong { (said.title) } " – " (said.detail) "." }
            p { "What to do: " (said.hint) ". " a href=(Address::of("/errors").part(&said.code)) { (said.code) } }
        }
    }
}

/// A document with the head that all pages share.
pub(super) fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                title { (title) " · Recado" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(assets::address("uPlot.min.css"));
                link rel="stylesheet" href=(assets::address("console.css"));
                script defer src=(assets::address("htmx.min.js")) {}
                script defer src=(assets::address("uPlot.iife.min.js")) {}
                script defer src=(assets::address("console.js")) {}
            }
            body { (body) }
        }
    }
}

/// What an action did; the page after it says so in fixed words, so that a link cannot put words in its mouth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    Created,
    Changed,
    Deleted,
    Purged,
    Redriven,
    Redriving,
    Published,
    Moved,
    Revoked,
}

impl Did {
    const ALL: [Self; 9] = [
        Self::Created,
        Self::Changed,
        Self::Deleted,
        Self::Purged,
        Self::Redriven,
        Self::Redriving,
        Self::Published,
        Self::Moved,
        Self::Revoked,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
            Self::Redriven => "redriven",
            Self::Redriving => "redriving",
            Self::Published => "published",
            Self::Moved => "moved",
            Self::Revoked => "revoked",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Created => "Created.",
            Self::Changed => "Changed.",
            Self::Deleted => "Deleted.",
            Self::Purged => "Ready and delayed messages were deleted.",
            Self::Redriven => "Dead letters were moved.",
            Self::Redriving => "A redrive runs; its progress stands below.",
            Self::Published => "Published, and durable.",
            Self::Moved => "The subscription was moved.",
            Self::Revoked => "The token no longer works.",
        }
    }
}

/// The notice of an action that was done before this page.
pub(super) fn notice(query: &Fields) -> Markup {
    let did = Did::ALL.into_iter().find(|did| did.word() == query.text("did"));
    let number = query.text("n").parse::<u64>().ok();
    html! {
        @if let Some(did) = did {
            p.notice.done role="status" {
                (did.sentence())
                @if let Some(number) = number { " Messages: " (words::count(number)) "." }
            }
        }
    }
}

/// The `curl` line that equals an action.
pub(super) fn equals(line: &str) -> Markup {
    html! {
        details.curl {
            summary { "Same with curl" }
            pre { code { (line) } }
        }
    }
}

/// A pair of a term and its value in a list of facts.
pub(super) fn fact(term: &str, value: impl maud::Render) -> Markup {
    html! { div { dt { (term) } dd { (value) } } }
}

/// A field of a form with its label.
pub(super) fn field(label: &str, input: &Markup, hint: &str) -> Markup {
    html! {
        label.field {
            span { (label) }
            (input)
            @if !hint.is_empty() { small { (hint) } }
        }
    }
}

/// The form for the next page of a list.
pub(super) fn next_page(address: &Address, next: Option<&str>, name: &'static str) -> Markup {
    html! {
        @if let Some(next) = next {
            p { a href=(address.clone().with(name, next)) rel="next" { "Next page" } }
        }
    }
}

/// A chart of rates from an endpoint with totals.
pub(super) fn rates(address: &Address, label: &str) -> Markup {
    html! {
        figure.chart data-rates=(address) {
            figcaption { (label) }
            div.plot {}
            p.now aria-live="off" { "Waiting for two readings…" }
        }
    }
}
