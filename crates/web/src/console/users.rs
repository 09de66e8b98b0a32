//! Users: list, create, change roles, password and state, delete.
//! Invariant: a password goes from the form into a `Secret` and is never shown again.
//! Tests in `tests.rs`.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use model::Secret;
use model::access::{
    AlterUser, CreateUser, DeleteUser, DescribeUser, Grants, ListGrants, ListUsers, NamePattern, Role, UserDescription,
    UserPage,
};
use model::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use model::name::UserName;
use model::refusal::Refusal;
use serde_json::json;

use super::address::{Address, curl};
use super::fields::{Fields, Form};
use super::page::{Did, Frame, Tab, Turned, equals, fact, field, next_page, notice};
use super::queue_actions::confirmation;
use super::queues::{asked, filter};
use super::session::Visitor;
use super::words;
use crate::door::Door;

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/console/users", get(list).post(create))
        .route("/console/users/{user}", get(show))
        .route("/console/users/{user}/roles", post(change_roles))
        .route("/console/users/{user}/password", post(change_password))
        .route("/console/users/{user}/state", post(change_state))
        .route("/console/users/{user}/delete", post(delete))
}

async fn list(visitor: Visitor) -> Result<Markup, Turned> {
    let (prefix, page) = asked(&visitor.query);
    let found = visitor.call(ListUsers { prefix: prefix.clone(), page }).await?;
    let content = html! { (notice(&visitor.query)) (list_view(&visitor.frame, &prefix, &found)) };
    Ok(visitor.frame.page("Users", Tab::Users, &content))
}

fn page_of(name: &UserName) -> Address {
    Address::of("/console/users").part(name.as_str())
}

fn rest_of(name: &UserName) -> Address {
    Address::of("/v1/users").part(name.as_str())
}

fn role_words(roles: &[Role]) -> String {
    if roles.is_empty() {
        return "none".to_owned();
    }
    roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(", ")
}

fn role_ticks(held: &[Role]) -> Markup {
    html! {
        fieldset {
            legend { "Roles" }
            @for role in Role::ALL {
                label.tick {
                    input type="checkbox" name="roles" value=(role.word()) checked[held.contains(&role)];
                    " " (role.word())
                }
            }
        }
    }
}

/// The list, with the form for a new one.
pub(super) fn list_view(frame: &Frame, prefix: &str, found: &UserPage) -> Markup {
    let first = Address::of("/console/users").within(&frame.namespace);
    let first = if prefix.is_empty() { first } else { first.with("prefix", prefix) };
    let body = json!({ "password": "…", "roles": ["developer"] });
    let line = curl(&frame.site, "PUT", &Address::of("/v1/users").part("ann"), Some(&body));
    html! {
        (filter(frame, "/console/users", prefix))
        div.scroll { table {
            caption { "Users" }
            thead { tr { th scope="col" { "Name" } th scope="col" { "Roles" } th scope="col" { "State" }
                th scope="col" { "Created" } } }
            tbody { @for user in &found.items { tr {
                th scope="row" { a href=(page_of(&user.name).within(&frame.namespace)) { (user.name) } }
                td { (role_words(&user.roles)) }
                td { (state(user)) }
                td.t { (words::date(user.created_at)) }
            } } }
        } }
        (next_page(&first, found.next.as_deref(), "cursor"))
        details.action {
            summary { "New user" }
            form.card method="post" action=(Address::of("/console/users").within(&frame.namespace)) {
                (frame.token())
                (field("Name", &html! { input name="name" required maxlength="255" spellcheck="false"; }, ""))
                (field("Password", &html! {
                    input type="password" name="password" autocomplete="new-password" minlength="8" required;
                }, "8 to 1024 bytes."))
                (role_ticks(&[]))
                button type="submit" { "Create user" }
            }
            (equals(&line))
        }
    }
}

fn state(user: &UserDescription) -> Markup {
    html! { @if user.disabled { span.badge.warn { "disabled" } } @else { span.badge.ok { "active" } } }
}

async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Markup, Turned> {
    let name = visitor.accept(UserName::parse(&name))?;
    let user = visitor.call(DescribeUser { name: name.clone() }).await?;
    let grants = visitor.call_if_allowed(ListGrants { user: Some(name) }).await?;
    let content = html! { (notice(&visitor.query)) (user_view(&visitor.frame, &user, grants.as_ref())) };
    Ok(visitor.frame.page(&format!("User {}", user.name), Tab::Users, &content))
}

/// The page of a user.
pub(super) fn user_view(frame: &Frame, user: &UserDescription, grants: Option<&Grants>) -> Markup {
    html! {
        dl.facts {
            (fact("Roles", role_words(&user.roles)))
            (fact("State", state(user)))
            (fact("Created", words::date(user.created_at)))
            (fact("Id", user.id.get()))
        }
        @if let Some(grants) = grants { (grants_view(grants)) }
        p { a href=(Address::of("/console/tokens").within(&frame.namespace).with("user", user.name.as_str())) {
            "Tokens and sessions of this user" } }
        (change_view(frame, user))
    }
}

fn change_view(frame: &Frame, user: &UserDescription) -> Markup {
    let action = |name: &str| page_of(&user.name).part(name).within(&frame.namespace);
    let rest = rest_of(&user.name);
    let patch = |body: serde_json::Value| curl(&frame.site, "PATCH", &rest, Some(&body));
    let (word, value) = if user.disabled { ("Enable", "enable") } else { ("Disable", "disable") };
    html! {
        details.action {
            summary { "Change roles" }
            form.card method="post" action=(action("roles")) {
                (frame.token()) (role_ticks(&user.roles)) button type="submit" { "Set roles" }
            }
            (equals(&patch(json!({ "roles": ["developer"] }))))
        }
        details.action {
            summary { "Change password" }
            p { "This ends all sessions of the user." }
            form.card method="post" action=(action("password")) {
                (frame.token())
                (field("New password", &html! {
                    input type="password" name="password" autocomplete="new-password" minlength="8" required;
                }, "8 to 1024 bytes."))
                button type="submit" { "Set password" }
            }
            (equals(&patch(json!({ "password": "…" }))))
        }
        details.action {
            summary { (word) }
            p { "A disabled user cannot log in; its sessions and tokens do not work until it is enabled again." }
            form.card method="post" action=(action("state")) {
                (frame.token())
                input type="hidden" name="state" value=(value);
                button type="submit" { (word) " this user" }
            }
            (equals(&patch(json!({ "disabled": !user.disabled }))))
        }
        details.action.danger {
            summary { "Delete" }
            p { "This deletes the user with its tokens, sessions and grants for good. What it owns has no owner then; "
                "messages it published stay." }
            form.card method="post" action=(action("delete")) {
                (frame.token()) (confirmation(user.name.as_str()))
                button.danger type="submit" { "Delete this user" }
            }
            (equals(&curl(&frame.site, "DELETE", &rest, None)))
        }
    }
}

fn grants_view(grants: &Grants) -> Markup {
    html! {
        @if !grants.grants.is_empty() { div.scroll { table {
            caption { "Grants" }
            thead { tr { th scope="col" { "Effect" } th scope="col" { "Rights" } th scope="col" { "Over" } } }
            tbody { @for grant in &grants.grants { tr {
                td { @match grant.effect {
                    model::access::Effect::Allow => "allow",
                    model::access::Effect::Deny => "deny",
                } }
                td { (grant.rights.iter().map(model::access::Right::word).collect::<Vec<_>>().join(", ")) }
                td { (grant.resource.kind.word()) " " (grant.resource.namespace) "/" @match &grant.resource.name {
                    NamePattern::Literal(name) => (name),
                    NamePattern::Prefix(prefix) => { (prefix) "…" }
                } }
            } } }
        } } }
        @if grants.grants.is_empty() { p.muted { "No grants: the roles alone decide." } }
    }
}

fn password(fields: &Fields) -> Result<Secret, Refusal> {
    let text = fields.text("password");
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&text.len()) {
        return Ok(Secret::new(text));
    }
    Err(Refusal::invalid("password", "it must have 8 to 1024 bytes"))
}

fn roles(fields: &Fields) -> Result<Vec<Role>, Refusal> {
    let unknown = || Refusal::invalid("roles", "they must be some of those offered");
    fields.all("roles").map(|word| Role::parse(word).ok_or_else(unknown)).collect()
}

async fn create(Form(visitor, fields): Form) -> Result<Response, Turned> {
    let name = visitor.accept(UserName::parse(fields.text("name").trim()))?;
    let request = CreateUser {
        name: name.clone(),
        password: visitor.accept(password(&fields))?.into(),
        roles: visitor.accept(roles(&fields))?,
    };
    visitor.call(request).await?;
    Ok(visitor.frame.done(page_of(&name), Did::Created, None))
}

async fn alter(
    visitor: &Visitor,
    name: &str,
    change: impl FnOnce(UserName) -> Result<AlterUser, Refusal>,
) -> Result<Response, Turned> {
    let request = visitor.accept(UserName::parse(name).and_then(change))?;
    let page = page_of(&request.name);
    visitor.call(request).await?;
    Ok(visitor.frame.done(page, Did::Changed, None))
}

async fn change_roles(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let change = |name| Ok(AlterUser { name, password: None, roles: Some(roles(&fields)?), disabled: None });
    alter(&visitor, &name, change).await
}

async fn change_password(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let change = |name| Ok(AlterUser { name, password: Some(password(&fields)?.into()), roles: None, disabled: None });
    alter(&visitor, &name, change).await
}

async fn change_state(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let change = |name| {
        let disabled = match fields.text("state") {
            "disable" => true,
            "enable" => false,
            _ => return Err(Refusal::invalid("state", "it must be enable or disable")),
        };
        Ok(AlterUser { name, password: None, roles: None, disabled: Some(disabled) })
    };
    alter(&visitor, &name, change).await
}

async fn delete(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let name = visitor.accept(UserName::parse(&name))?;
    visitor.accept(fields.confirmed(name.as_str()))?;
    visitor.call(DeleteUser { name }).await?;
    Ok(visitor.frame.done(Address::of("/console/users"), Did::Deleted, None))
}
