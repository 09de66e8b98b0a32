//! Addresses of pages and of REST, and the `curl` line that equals an action.
//! Invariant: every part of a path and every value of a query is percent-encoded; what a shell reads is quoted.
//! Used by every page; tests below.

use std::fmt::Write;

use model::name::NamespaceName;

/// An address on this site, built from parts that may hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    text: String,
    asked: bool,
}

impl Address {
    /// The address of a fixed path.
    pub(super) fn of(path: &'static str) -> Self {
        Self { text: path.to_owned(), asked: false }
    }

    /// The same with one more segment.
    #[must_use]
    pub(super) fn part(mut self, segment: &str) -> Self {
        self.text.push('/');
        encode(&mut self.text, segment);
        self
    }

    /// The same with one more value in the query.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.text.push(if self.asked { '&' } else { '?' });
        self.asked = true;
        self.text.push_str(name);
        self.text.push('=');
        encode(&mut self.text, value);
        self
    }

    /// The same, in a namespace; `default` goes without saying.
    #[must_use]
    pub(super) fn within(self, namespace: &NamespaceName) -> Self {
        if *namespace == NamespaceName::default() { self } else { self.with("ns", namespace.as_str()) }
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl maud::Render for Address {
    fn render_to(&self, out: &mut String) {
        self.text.as_str().render_to(out);
    }
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
}

/// The path of REST for things of a namespace: `/v1` or `/v1/namespaces/NAME`.
pub(super) fn rest(namespace: &NamespaceName) -> Address {
    if *namespace == NamespaceName::default() {
        Address::of("/v1")
    } else {
        Address::of("/v1/namespaces").part(namespace.as_str())
    }
}

/// The `curl` line of a request to REST.
pub(super) fn curl(site: &str, method: &str, address: &Address, body: Option<&serde_json::Value>) -> String {
    let verb = if method == "GET" { String::new() } else { format!(" -X {method}") };
    let mut line = format!("curl{verb} -H \"Authorization: Bearer $RECADO_TOKEN\"");
    if let Some(body) = body {
        line.push_str(" -H 'Content-Type: application/json' -d ");
        line.push_str(&quoted(&body.to_string()));
    }
    line.push(' ');
    line.push_str(&quoted(&format!("{site}{}", address.as_str())));
    line
}

/// A text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_part_of_an_address() {
        let hostile = "a/b?c#d&e=f\"><script>%2e é";
        let address = Address::of("/console/queues").part(hostile).with("prefix", hostile).with("state", "ready");
        let encoded = "a%2Fb%3Fc%23d%26e%3Df%22%3E%3Cscript%3E%252e%20%C3%A9";
        assert_eq!(address.as_str(), format!("/console/queues/{encoded}?prefix={encoded}&state=ready"));
    }

    #[test]
    fn the_default_namespace_goes_without_saying() {
        let other = NamespaceName::parse("team a").expect("a name");
        assert_eq!(Address::of("/x").within(&NamespaceName::default()).as_str(), "/x");
        assert_eq!(Address::of("/x").within(&other).as_str(), "/x?ns=team%20a");
        assert_eq!(rest(&NamespaceName::default()).part("queues").as_str(), "/v1/queues");
        assert_eq!(rest(&other).part("queues").as_str(), "/v1/namespaces/team%20a/queues");
    }

    #[test]
    fn a_shell_reads_a_body_as_one_word() {
        let body = serde_json::json!({ "name": "it's $(rm) `x`" });
        let line = curl("http://localhost", "POST", &Address::of("/v1/users"), Some(&body));
        assert!(line.ends_with(r#"-d '{"name":"it'\''s $(rm) `x`"}' 'http://localhost/v1/users'"#), "{line}");
    }
}
