//! The table of settings: each key with its variable, flag, default and meaning.
//! Invariant: a key is settable by file, environment and flag under the same name; `docs/configuration.md` lists it.
//! Read by `config::layers` and `config::settings`; the page is compared in the tests below.

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// What it is when nobody says otherwise; empty means not set.
    pub(crate) default: &'static str,
    /// What it does, in one line.
    pub(crate) about: &'static str,
}

impl Key {
    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("RECADO_{}", self.name.to_ascii_uppercase())
    }

    /// The flag that sets it.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }
}

const fn key(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key { name, default, about }
}

/// Every setting, in the order of the documentation.
pub(crate) const KEYS: [Key; 23] = [
    key("data", "recado-data", "folder of the log and everything else that must survive"),
    key("http", "127.0.0.1:8080", "address of REST, console, health and metrics; none switches it off"),
    key("grpc", "127.0.0.1:8081", "address of gRPC; none switches it off"),
    key("amqp", "127.0.0.1:5672", "address of AMQP 0-9-1, RabbitMQ's protocol; none switches it off"),
    key(
        "amqp_consumer_timeout",
        "30m",
        "how long an AMQP client may leave a delivery unsettled unless its queue says otherwise, or none",
    ),
    key(
        "amqp_client_authority",
        "",
        "PEM file with the authorities whose client certificates log in to AMQP (mechanism EXTERNAL)",
    ),
    key(
        "management",
        "127.0.0.1:15672",
        "address of RabbitMQ's HTTP management API, open by itself while amqp is where it is by default; none switches it off",
    ),
    key("admin_password_file", "", "file with the password of the user admin, made at the first start"),
    key("tls_certificate", "", "PEM file with the certificate chain of all doors"),
    key("tls_key", "", "PEM file with the private key of the certificate"),
    key("insecure_plaintext", "false", "serve beyond this machine without TLS; visible in banner and answers"),
    key("metrics_open", "false", "answer /metrics without credentials"),
    key("log", "info", "error, warn, info, debug or trace; or filters such as info,shard=debug"),
    key("log_format", "text", "text for people, json for collectors"),
    key("scrub_rate", "4MiB", "bytes of stored data that are read again in a second to find damage, or none"),
    key("scrub_pause", "1h", "time between two readings of all stored data"),
    key("drain", "10s", "how long requests under way may go on after SIGTERM"),
    key("peer_address", "", "address at which the other nodes of a cluster reach this one; none without it"),
    key("join", "", "address of a node of the cluster that this one shall join, at its first start"),
    key("join_token", "", "token to join with, from recado cluster join-token"),
    key("brokers", "", "gateway only: gRPC addresses of the brokers, separated by commas"),
    key("authority", "", "gateway only: PEM file with the authority that signed the brokers' certificates"),
    key(
        "trust_gateways",
        "false",
        "take the client address that any gateway reports; only where gateways alone reach gRPC",
    ),
];

/// The key of a name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_documented() {
        let page = include_str!("../../../../docs/configuration.md");
        for key in KEYS {
            let default = if key.default.is_empty() { "not set".to_owned() } else { format!("`{}`", key.default) };
            let row =
                format!("| `{}` | `{}` | `{}` | {default} | {} |", key.name, key.variable(), key.flag(), key.about);
            assert!(page.contains(&row), "docs/configuration.md lacks the row\n{row}");
        }
    }
}
