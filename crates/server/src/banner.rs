//! What a server prints once it serves: what it is, where it is, how to get in, what to try.
//! Invariant: at most thirteen lines, without escapes.
//! Called by `main`; snapshot below.

use std::net::SocketAddr;
use std::path::Path;

use model::queue::Durability;

/// Most lines of a banner.
#[cfg(test)]
pub(crate) const LINES_MAX: usize = 13;

/// What the banner tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Banner<'a> {
    /// What runs: `serve`, `broker` or `gateway`.
    pub(crate) role: &'a str,
    /// The folder of the data; a gateway has none.
    pub(crate) data: Option<&'a Path>,
    /// How a confirmed write is durable, where it is known.
    pub(crate) durability: Option<Durability>,
    /// Whether the doors have TLS.
    pub(crate) tls: bool,
    /// Whether plaintext beyond this machine was asked for.
    pub(crate) insecure_plaintext: bool,
    /// The HTTP door.
    pub(crate) http: Option<SocketAddr>,
    /// The gRPC door.
    pub(crate) grpc: Option<SocketAddr>,
    /// The AMQP door.
    pub(crate) amqp: Option<SocketAddr>,
    /// The management API.
    pub(crate) management: Option<SocketAddr>,
    /// The one-time token of a broker without administrator.
    pub(crate) claim: Option<&'a str>,
    /// The brokers behind a gateway.
    pub(crate) brokers: &'a [String],
}

impl Banner<'_> {
    /// The lines.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("recado {} ({})", env!("CARGO_PKG_VERSION"), self.role)];
        let mut put = |name: &str, value: String| lines.push(format!("  {name:<12}{value}"));
        if let Some(data) = self.data {
            put("data", data.display().to_string());
        }
        if let Some(durability) = self.durability {
            put("durability", words(durability).to_owned());
        }
        if !self.brokers.is_empty() {
            put("brokers", self.brokers.join(", "));
        }
        let scheme = if self.tls { "https" } else { "http" };
        if let Some(http) = self.http {
            put("console", format!("{scheme}://{http}/"));
            put("REST", format!("{scheme}://{http}/v1"));
            put("API pages", format!("{scheme}://{http}/ui"));
            put("health", format!("{scheme}://{http}/health/ready"));
        }
        if let Some(grpc) = self.grpc {
            put("gRPC", format!("{scheme}://{grpc}"));
        }
        if let Some(amqp) = self.amqp {
            put("AMQP", format!("{}://{amqp}", if self.tls { "amqps" } else { "amqp" }));
        }
        if let Some(management) = self.management {
            put("management", format!("{scheme}://{management}/api"));
        }
        if self.insecure_plaintext && !self.tls {
            put("WARNING", "no TLS beyond this machine (--insecure-plaintext)".to_owned());
        }
        match self.claim {
            Some(token) => {
                put("claim", format!("{token} (once, within an hour, from this machine)"));
                put("next", "recado login --claim".to_owned());
            }
            None => put("next", "recado login --user admin, then recado queue create orders".to_owned()),
        }
        lines.join("\n")
    }
}

const fn words(durability: Durability) -> &'static str {
    match durability {
        Durability::Fsync => "a confirmed message is flushed to this disk",
        Durability::FsyncMajority => "a confirmed message is flushed to the disks of a majority",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fullest() -> String {
        let banner = Banner {
            role: "serve",
            data: Some(Path::new("recado-data")),
            durability: Some(Durability::Fsync),
            tls: false,
            insecure_plaintext: true,
            http: "127.0.0.1:8080".parse().ok(),
            grpc: "127.0.0.1:8081".parse().ok(),
            amqp: "127.0.0.1:5672".parse().ok(),
            management: "127.0.0.1:15672".parse().ok(),
            claim: Some("k3-qv-9x"),
            brokers: &[],
        };
        banner.text()
    }

    #[test]
    fn the_banner_stays_as_it_is() {
        let expected = format!(
            "recado {} (serve)\n  \
             data        recado-data\n  \
             durability  a confirmed message is flushed to this disk\n  \
             console     http://127.0.0.1:8080/\n  \
             REST        http://127.0.0.1:8080/v1\n  \
             API pages   http://127.0.0.1:8080/ui\n  \
             health      http://127.0.0.1:8080/health/ready\n  \
             gRPC        http://127.0.0.1:8081\n  \
             AMQP        amqp://127.0.0.1:5672\n  \
             management  http://127.0.0.1:15672/api\n  \
             WARNING     no TLS beyond this machine (--insecure-plaintext)\n  \
             claim       k3-qv-9x (once, within an hour, from this machine)\n  \
             next        recado login --claim",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(fullest(), expected);
    }

    #[test]
    fn the_banner_is_short_and_plain() {
        assert!(fullest().lines().count() <= LINES_MAX);
        assert!(!fullest().contains('\u{1b}'));
    }
}
