//! The console's door: sessions in cookies, forms tied to them, the policy of its pages, its files.
//! Behind it stands a backend that knows one session and keeps what was asked of it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use model::access::{NewToken, Scope, TokenDescription, TokenKind};
use model::caller::Protocol;
use model::name::UserName;
use model::node::Readiness;
use model::number::{Timestamp, TokenId, UserId};
use model::queue::Removed;
use model::{Backend, Caller, Consume, Credentials, Deliveries, Origin, Refusal, Reply, Response, Secret, Unavailable};
use tower::ServiceExt;
use web::{Door, MetricsSource, Settings};

const COOKIE: (&str, &str) = ("cookie", "recado_session=good");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[derive(Default)]
struct Porter {
    asked: Mutex<Vec<&'static str>>,
}

fn refuse<T: Send + 'static>(failure: impl Into<model::Failure>) -> Reply<T> {
    let failure = failure.into();
    Box::pin(async move { Err(failure) })
}

impl Backend for Porter {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        match &credentials {
            Credentials::Token(token) if token.reveal() == "good" => {}
            Credentials::Password { user, password } if user == "ann" && password.reveal() == "p+ %" => {}
            Credentials::Password { user, .. } if user == "first" => return refuse(Refusal::NotClaimed),
            Credentials::Claim { token, .. } if token.reveal() == "claim" => {}
            Credentials::Token(_) | Credentials::Password { .. } | Credentials::Certificate { .. } => {
                return refuse(Refusal::Unauthenticated);
            }
            Credentials::Claim { .. } => return refuse(Refusal::ClaimInvalid),
        }
        let name = UserName::parse("ann").unwrap();
        let caller = Caller { user: UserId::new(7), name, scope: Scope::full(), token: None, origin, credentials };
        Box::pin(async move { Ok(caller) })
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest is not answered here")]
    fn submit(&self, _: &Caller, request: model::Request) -> Reply<Response> {
        self.asked.lock().unwrap().push(request.kind().name());
        let response = match request {
            model::Request::Login(_) => Response::Login(NewToken {
                secret: Secret::new("fresh"),
                description: TokenDescription {
                    id: TokenId::new(1),
                    user: UserName::parse("ann").unwrap(),
                    label: String::new(),
                    kind: TokenKind::Session,
                    scope: Scope::full(),
                    created_at: Timestamp::new(0),
                    expires_at: Timestamp::new(1),
                },
            }),
            model::Request::Logout(_) => Response::Logout(model::subscription::Done),
            model::Request::PurgeQueue(_) => Response::PurgeQueue(Removed { messages: 3 }),
            _ => return refuse(Unavailable::Unreachable),
        };
        Box::pin(async move { Ok(response) })
    }

    fn consume(&self, _: &Caller, _: Consume) -> Reply<Box<dyn Deliveries>> {
        refuse(Unavailable::Unreachable)
    }
}

struct Quiet;

impl MetricsSource for Quiet {
    fn render(&self) -> String {
        String::new()
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

struct Console {
    porter: Arc<Porter>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn console(settings: Settings) -> Console {
    let porter = Arc::new(Porter::default());
    let backend: Arc<dyn Backend> = porter.clone();
    Console { porter, router: Door::new(settings, backend, Arc::new(Quiet)).router() }
}

impl Console {
    async fn ask(&self, address: &str, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let origin = Origin { protocol: Protocol::Http, address: address.parse().ok() };
        let mut request = Request::builder().method(method).uri(path).extension(origin);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.porter.asked.lock().unwrap().clear();
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    async fn post(&self, path: &str, body: String) -> Answer {
        self.ask("10.0.0.1", &format!("POST {path}"), &[COOKIE, FORM], body).await
    }

    /// The token of the forms, read from a page as a browser does.
    async fn token(&self) -> String {
        let page = self.ask("10.0.0.1", "GET /console/queues", &[COOKIE], "").await;
        let (_, rest) = page.text.split_once("name=\"form\" value=\"").expect("every page holds the form to log out");
        rest.split('"').next().unwrap().to_owned()
    }

    fn asked(&self) -> Vec<&'static str> {
        self.porter.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_login_sets_a_cookie_that_scripts_and_other_sites_do_not_get() {
    for (tls, expected) in [
        (false, "recado_session=fresh; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict"),
        (true, "recado_session=fresh; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict; Secure"),
    ] {
        let console = console(Settings { tls, ..Settings::default() });
        let answer = console.ask("10.0.0.1", "POST /login", &[FORM], "user=ann&password=p%2B+%25").await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"));
        assert_eq!(answer.header("set-cookie"), expected);
    }
}

#[tokio::test]
async fn a_login_that_fails_says_so_and_repeats_no_password() {
    let console = console(Settings::default());
    let answer = console.ask("10.0.0.1", "POST /login", &[FORM], "user=ann&password=secret-guess").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::UNAUTHORIZED, ""));
    assert!(answer.text.contains("unauthenticated") && !answer.text.contains("secret-guess"));
    let elsewhere = [FORM, ("origin", "https://evil.example")];
    let answer = console.ask("10.0.0.1", "POST /login", &elsewhere, "user=ann&password=p%2B+%25").await;
    assert_eq!((answer.status, console.asked()), (StatusCode::FORBIDDEN, vec![]));
}

#[tokio::test]
async fn a_broker_without_administrator_is_claimed_from_its_own_machine() {
    let console = console(Settings::default());
    let answer = console.ask("127.0.0.1", "POST /login", &[FORM], "user=first&password=x").await;
    assert!(answer.text.contains("action=\"/claim\"") && answer.text.contains("value=\"first\""));
    let form = "token=claim&user=ann&password=long+enough";
    let remote = console.ask("10.0.0.1", "POST /claim", &[FORM], form).await;
    assert_eq!((remote.status, console.asked()), (StatusCode::FORBIDDEN, vec![]));
    let local = console.ask("127.0.0.1", "POST /claim", &[FORM], form).await;
    assert_eq!((local.status, console.asked()), (StatusCode::SEE_OTHER, vec!["Login"]));
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_login() {
    let console = console(Settings::default());
    for path in
        ["/", "/console/queues", "/console/topics/t/stream", "/console/rates", "/console/users", "/console/tokens"]
    {
        for headers in [vec![], vec![("cookie", "recado_session=bad")], vec![("authorization", "Bearer good")]] {
            let answer = console.ask("10.0.0.1", &format!("GET {path}"), &headers, "").await;
            assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/login"), "{path}");
        }
        let answer = console.ask("10.0.0.1", &format!("GET {path}"), &[("hx-request", "true")], "").await;
        assert_eq!((answer.status, answer.header("hx-redirect")), (StatusCode::UNAUTHORIZED, "/login"), "{path}");
    }
}

#[tokio::test]
async fn the_cookie_opens_no_other_door() {
    let console = console(Settings::default());
    let answer = console.ask("10.0.0.1", "GET /v1/queues", &[COOKIE], "").await;
    assert_eq!((answer.status, console.asked()), (StatusCode::UNAUTHORIZED, vec![]));
}

#[tokio::test]
async fn a_form_without_the_token_of_the_session_changes_nothing() {
    let console = console(Settings::default());
    let token = console.token().await;
    let other = token.replace(|digit: char| digit.is_ascii_digit(), "a");
    for path in [
        "/logout",
        "/console/queues",
        "/console/queues/q/publish",
        "/console/queues/q/purge",
        "/console/queues/q/delete",
        "/console/queues/q/redrive",
        "/console/topics",
        "/console/topics/t/publish",
        "/console/topics/t/delete",
        "/console/topics/t/subscriptions",
        "/console/topics/t/subscriptions/s/seek",
        "/console/topics/t/subscriptions/s/delete",
        "/console/users",
        "/console/users/u/roles",
        "/console/users/u/password",
        "/console/users/u/state",
        "/console/users/u/delete",
        "/console/tokens",
        "/console/tokens/1/revoke",
    ] {
        for form in [String::new(), "form=".to_owned(), format!("form={other}"), format!("form={token}0")] {
            let answer = console.post(path, format!("{form}&name=q&confirm=q")).await;
            assert_eq!((answer.status, console.asked()), (StatusCode::FORBIDDEN, vec![]), "{path} {form}");
        }
        let elsewhere = [COOKIE, FORM, ("sec-fetch-site", "cross-site")];
        let answer = console.ask("10.0.0.1", &format!("POST {path}"), &elsewhere, format!("form={token}")).await;
        assert_eq!((answer.status, console.asked()), (StatusCode::FORBIDDEN, vec![]), "{path}");
    }
}

#[tokio::test]
async fn a_purge_needs_the_name_typed_again() {
    let console = console(Settings::default());
    let token = console.token().await;
    let wrong = console.post("/console/queues/a%2Fb/purge?ns=team", format!("form={token}&confirm=a")).await;
    assert_eq!((wrong.status, console.asked()), (StatusCode::BAD_REQUEST, vec![]));
    let right = console.post("/console/queues/a%2Fb/purge?ns=team", format!("form={token}&confirm=a%2Fb")).await;
    assert_eq!((right.status, console.asked()), (StatusCode::SEE_OTHER, vec!["PurgeQueue"]));
    assert_eq!(right.header("location"), "/console/queues/a%2Fb?ns=team&did=purged&n=3");
}

#[tokio::test]
async fn a_logout_ends_the_session_and_the_cookie() {
    let console = console(Settings::default());
    let token = console.token().await;
    let answer = console.post("/logout", format!("form={token}")).await;
    assert_eq!((answer.status, console.asked()), (StatusCode::SEE_OTHER, vec!["Logout"]));
    assert_eq!(answer.header("set-cookie"), "recado_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict");
}

#[tokio::test]
async fn every_page_runs_under_the_policy() {
    let console = console(Settings::default());
    for path in ["/", "/login", "/claim", "/console/queues", "/console/queues/%3Cscript%3E", "/console/users?ns=%3C"] {
        let answer = console.ask("10.0.0.1", &format!("GET {path}"), &[COOKIE], "").await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'; base-uri 'none'"), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!answer.text.contains("<script>") && !answer.text.contains("<style"), "{path}");
    }
}

#[tokio::test]
async fn files_are_kept_as_long_as_their_address_names_their_content() {
    let console = console(Settings::default());
    let page = console.ask("10.0.0.1", "GET /login", &[], "").await;
    let addresses: Vec<_> = page.text.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(addresses.len(), 5);
    for address in addresses {
        let file = console.ask("10.0.0.1", &format!("GET {address}"), &[], "").await;
        assert_eq!(
            (file.status, file.header("cache-control")),
            (StatusCode::OK, "public, max-age=31536000, immutable")
        );
        assert!(!file.text.is_empty() && file.header("content-type").starts_with("text/"), "{address}");
        let tag = file.header("etag").to_owned();
        let again = console.ask("10.0.0.1", &format!("GET {address}"), &[("if-none-match", &tag)], "").await;
        assert_eq!((again.status, again.text.len()), (StatusCode::NOT_MODIFIED, 0));
        let bare = console.ask("10.0.0.1", &format!("GET {}", address.split('?').next().unwrap()), &[], "").await;
        assert_eq!(bare.header("cache-control"), "no-cache");
    }
    let none = console.ask("10.0.0.1", "GET /assets/..%2Flib.rs", &[], "").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}
