//! API tokens and sessions: list, make, revoke.
//! Invariant: the secret of a new token is shown once, on the page that made it, and never stored here.
//! Tests in `tests.rs`.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use model::access::{
    CreateToken, ListTokens, NewToken, RevokeToken, Right, Rights, Scope, TokenDescription, TokenKind, Tokens,
};
use model::limits::TOKEN_MS_MAX;
use model::name::UserName;
use model::number::{Span, TokenId};
use model::refusal::Refusal;
use serde_json::json;

use super::address::{Address, curl};
use super::fields::{Fields, Form};
use super::page::{Did, Frame, Tab, Turned, equals, field, notice};
use super::session::Visitor;
use super::words;
use crate::door::Door;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/console/tokens", get(list).post(create)).route("/console/tokens/{token}/revoke", post(revoke))
}

async fn list(visitor: Visitor) -> Result<Markup, Turned> {
    let user = visitor.accept(visitor.query.some("user").map(UserName::parse).transpose())?;
    let found = visitor.call(ListTokens { user }).await?;
    let content = html! {
        (notice(&visitor.query))
        (list_view(&visitor.frame, &found))
        (new_token_form(&visitor.frame))
    };
    Ok(visitor.frame.page("Tokens and sessions", Tab::Tokens, &content))
}

fn right_words(rights: Rights) -> String {
    if rights == Rights::ALL {
        return "all rights of its user".to_owned();
    }
    rights.iter().map(Right::word).collect::<Vec<_>>().join(", ")
}

/// The list.
pub(super) fn list_view(frame: &Frame, found: &Tokens) -> Markup {
    html! {
        div.scroll { table {
            caption { "Tokens and sessions" }
            thead { tr { th scope="col" { "Label" } th scope="col" { "User" } th scope="col" { "Kind" }
                th scope="col" { "Rights" } th scope="col" { "Created" } th scope="col" { "Ends" }
                th scope="col" { "Action" } } }
            tbody { @for token in &found.tokens { (row(frame, token)) } }
        } }
        (equals(&curl(&frame.site, "DELETE", &Address::of("/v1/tokens").part("1"), None)))
    }
}

fn row(frame: &Frame, token: &TokenDescription) -> Markup {
    let action = Address::of("/console/tokens").part(&token.id.to_string()).part("revoke").within(&frame.namespace);
    html! { tr {
        th scope="row" { @if token.label.is_empty() { span.muted { "–" } } @else { (token.label) } }
        td { (token.user) }
        td { @match token.kind { TokenKind::Session => "session", TokenKind::Api => "API" } }
        td { (right_words(token.scope.rights)) @if token.scope.resource.is_some() { ", on some things only" } }
        td.t { (words::date(token.created_at)) }
        td.t { (words::date(token.expires_at)) }
        td.acts { form method="post" action=(action) {
            (frame.token())
            button.quiet type="submit" aria-label={"Revoke token " (token.id)} { "Revoke" }
        } }
    } }
}

fn new_token_form(frame: &Frame) -> Markup {
    let body = json!({ "label": "ci", "rights": ["publish"], "lifetime_ms": 90 * DAY_MS });
    html! {
        details.action {
            summary { "New API token" }
            form.card method="post" action=(Address::of("/console/tokens").within(&frame.namespace)) {
                (frame.token())
                (field("Label", &html! { input name="label" required maxlength="255"; }, "What it is for."))
                (field("Days it works", &html! { input name="days" inputmode="numeric" value="90" required; },
                    "At most ten years."))
                fieldset {
                    legend { "Rights, at most; none ticked: every right of yours" }
                    @for right in Right::ALL {
                        label.tick { input type="checkbox" name="rights" value=(right.word()); " " (right.word()) }
                    }
                }
                button type="submit" { "Create token" }
            }
            (equals(&curl(&frame.site, "POST", &Address::of("/v1/tokens"), Some(&body))))
        }
    }
}

/// The page of a token that was made just now.
pub(super) fn made_view(frame: &Frame, made: &NewToken) -> Markup {
    html! {
        div.notice.done role="status" {
            p { "This secret is shown this once. Copy it now; it cannot be read again." }
            pre.secret { (made.secret.reveal()) }
        }
        p { "Label " strong { (made.description.label) } ", " (right_words(made.description.scope.rights)) ", until "
            (words::date(made.description.expires_at)) "." }
        p { a href=(Address::of("/console/tokens").within(&frame.namespace)) { "All tokens" } }
    }
}

fn request(fields: &Fields) -> Result<CreateToken, Refusal> {
    let label = fields.text("label").trim();
    if label.len() > 255 || label.chars().any(char::is_control) {
        return Err(Refusal::invalid("label", "at most 255 bytes without control characters"));
    }
    let lifetime = fields.number::<u64>("days")?.unwrap_or_default().saturating_mul(DAY_MS);
    if lifetime == 0 || lifetime > TOKEN_MS_MAX {
        return Err(Refusal::invalid("days", "it must lie between 1 and 3660"));
    }
    let unknown = || Refusal::invalid("rights", "they must be some of those offered");
    let rights = fields.all("rights").map(|word| Right::parse(word).ok_or_else(unknown));
    let rights = rights.collect::<Result<Vec<_>, _>>()?;
    let rights = if rights.is_empty() { Rights::ALL } else { Rights::of(&rights) };
    Ok(CreateToken { label: label.to_owned(), scope: Scope { rights, resource: None }, lifetime: Span::new(lifetime) })
}

async fn create(Form(visitor, fields): Form) -> Result<Markup, Turned> {
    let request = visitor.accept(request(&fields))?;
    let made = visitor.call(request).await?;
    Ok(visitor.frame.page("New token", Tab::Tokens, &made_view(&visitor.frame, &made)))
}

async fn revoke(Path(id): Path<String>, Form(visitor, _): Form) -> Result<Response, Turned> {
    let id = id.parse::<u64>().map_err(|_| Refusal::invalid("token", "it must be the number of a token"));
    let id = TokenId::new(visitor.accept(id)?);
    visitor.call(RevokeToken { id }).await?;
    Ok(visitor.frame.done(Address::of("/console/tokens"), Did::Revoked, None))
}
