//! The way in and out: log in, claim a broker without administrator, log out.
//! Invariant: a password goes from the form into a `Secret` and nowhere else; no page repeats it.
//! Tests in `tests/console.rs`.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use maud::{Markup, html};
use model::access::{Login, Logout};
use model::{Code, Credentials, Origin, Refusal, Secret};

use super::fields::{Form, OpenForm};
use super::page::{document, field, notice_of};
use super::session::{closing, opening};
use crate::door::Door;
use crate::extract::PeerOrigin;
use crate::translate::problem::Problem;

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/login", get(ask_login).post(log_in))
        .route("/claim", get(ask_claim).post(claim))
        .route("/logout", post(log_out))
}

fn narrow(title: &str, content: &Markup) -> Markup {
    document(
        title,
        &html! {
            main.narrow #content {
                p.brand { "Recado" }
                h1 { (title) }
                (content)
            }
        },
    )
}

/// The login page, after a problem or a name that was tried.
pub(super) fn login_page(problem: Option<&Problem>, user: &str) -> Markup {
    narrow(
        "Log in",
        &html! {
            @if let Some(problem) = problem { (notice_of(problem)) }
            form.card method="post" action="/login" {
                (field("User", &html! {
                    input name="user" value=(user) autocomplete="username" required autofocus[user.is_empty()];
                }, ""))
                (field("Password", &html! {
                    input type="password" name="password" autocomplete="current-password" required
                        autofocus[!user.is_empty()];
                }, ""))
                button type="submit" { "Log in" }
            }
            p.muted { "First start? " a href="/claim" { "Claim this broker" } " with the token that it printed." }
        },
    )
}

/// The page to make the first administrator.
pub(super) fn claim_page(problem: Option<&Problem>, user: &str) -> Markup {
    narrow(
        "Claim this broker",
        &html! {
            @if let Some(problem) = problem { (notice_of(problem)) }
            p { "This makes the first administrator. It works once, from the broker's own machine only." }
            form.card method="post" action="/claim" {
                (field("Claim token", &html! {
                    input name="token" autocomplete="off" spellcheck="false" required autofocus;
                }, "The first start printed it; it lasts an hour."))
                (field("User", &html! { input name="user" value=(user) autocomplete="username" required; }, ""))
                (field("Password", &html! {
                    input type="password" name="password" autocomplete="new-password" minlength="8" required;
                }, "At least 8 bytes."))
                button type="submit" { "Claim" }
            }
            p.muted { a href="/login" { "Log in" } " when it is claimed already." }
        },
    )
}

async fn ask_login() -> Markup {
    login_page(None, "")
}

async fn ask_claim() -> Markup {
    claim_page(None, "admin")
}

async fn open(door: &Door, credentials: Credentials, origin: Origin) -> Result<Response, Problem> {
    let caller = door.backend().authenticate(credentials, origin).await?;
    let token = door.call(&caller, Login).await?;
    let cookie = HeaderValue::from_str(&opening(&token.secret, door.settings().tls));
    let mut cookie = cookie.map_err(|_| Problem::new(Code::Fault, "the session does not fit a cookie"))?;
    cookie.set_sensitive(true);
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

fn again(problem: &Problem, page: Markup) -> Response {
    let status = StatusCode::from_u16(problem.document().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, page).into_response()
}

async fn log_in(State(door): State<Door>, PeerOrigin(origin): PeerOrigin, OpenForm(fields): OpenForm) -> Response {
    let user = fields.text("user").trim();
    let password = Secret::new(fields.text("password"));
    let credentials = Credentials::Password { user: user.to_owned(), password };
    match open(&door, credentials, origin).await {
        Ok(opened) => opened,
        Err(problem) if problem.document().code == Code::NotClaimed.word() => {
            again(&problem, claim_page(Some(&problem), user))
        }
        Err(problem) => again(&problem, login_page(Some(&problem), user)),
    }
}

async fn claim(State(door): State<Door>, PeerOrigin(origin): PeerOrigin, OpenForm(fields): OpenForm) -> Response {
    let user = fields.text("user").trim();
    let claimed = if origin.is_local() {
        let credentials = Credentials::Claim {
            token: Secret::new(fields.text("token").trim()),
            user: user.to_owned(),
            password: Secret::new(fields.text("password")),
        };
        open(&door, credentials, origin).await
    } else {
        Err(Refusal::ClaimInvalid.into())
    };
    claimed.unwrap_or_else(|problem| again(&problem, claim_page(Some(&problem), user)))
}

async fn log_out(Form(visitor, _): Form) -> Response {
    // The cookie goes in any case; a session that could not be ended runs out by itself.
    if let Err(problem) = visitor.door.call(&visitor.caller, Logout).await {
        tracing::info!(code = problem.document().code, "a session could not be ended");
    }
    ([(SET_COOKIE, closing(visitor.door.settings().tls))], Redirect::to("/login")).into_response()
}
