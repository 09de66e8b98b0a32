//! The settings of a server, typed and checked against each other.
//! Invariant: a door beyond this machine has TLS, or the operator has said otherwise by name.
//! Called by `wire` and `demo`; table tests below.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use node::Scrubbing;

use super::layers::{Layers, Source};
use crate::exit::{Complaint, Exit};
use crate::quantity::{Bound, parse_size_bound, parse_span, parse_span_bound};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON document a line.
    Json,
}

/// Where the certificate of the doors is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The chain.
    pub(crate) certificate: PathBuf,
    /// The private key.
    pub(crate) key: PathBuf,
}

/// What a server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The folder of the data.
    pub(crate) data: PathBuf,
    /// The address of HTTP, when it is on.
    pub(crate) http: Option<SocketAddr>,
    /// The address of gRPC, when it is on.
    pub(crate) grpc: Option<SocketAddr>,
    /// The address of AMQP, when it is on.
    pub(crate) amqp: Option<SocketAddr>,
    /// The address of the management API, when it is on.
    pub(crate) management: Option<SocketAddr>,
    /// How long an AMQP client may leave a delivery unsettled.
    pub(crate) amqp_consumer_timeout: Option<Duration>,
    /// Who signs the certificates by which clients of AMQP log in.
    pub(crate) amqp_client_authority: Option<PathBuf>,
    /// The file with the first administrator's password.
    pub(crate) admin_password_file: Option<PathBuf>,
    /// The certificate; `None` is plaintext.
    pub(crate) tls: Option<TlsFiles>,
    /// Whether plaintext beyond this machine was asked for.
    pub(crate) insecure_plaintext: bool,
    /// Whether `/metrics` is open.
    pub(crate) metrics_open: bool,
    /// Which log lines are written.
    pub(crate) log: String,
    /// How they look.
    pub(crate) log_format: LogFormat,
    /// How stored data is read again to find damage, if it is.
    pub(crate) scrubbing: Option<Scrubbing>,
    /// How long requests under way may go on.
    pub(crate) drain: Duration,
    /// The address of the listener for the other nodes of a cluster.
    pub(crate) peer_address: Option<SocketAddr>,
    /// A node of the cluster to join.
    pub(crate) join: Option<String>,
    /// The token to join with.
    pub(crate) join_token: Option<String>,
    /// The brokers of a gateway.
    pub(crate) brokers: Vec<String>,
    /// The authority of their certificates.
    pub(crate) authority: Option<PathBuf>,
    /// Whether any gateway's word on a client's address counts.
    pub(crate) trust_gateways: bool,
}

impl Settings {
    /// Reads the values of the layers.
    pub(crate) fn new(layers: &Layers) -> Result<Self, Complaint> {
        let text = |name: &str| Some(layers.get(name).0).filter(|value| !value.is_empty()).map(str::to_owned);
        let path = |name: &str| text(name).map(PathBuf::from);
        let tls = match (path("tls_certificate"), path("tls_key")) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(wrong(layers, "tls_certificate", "it needs tls_key beside it")),
            (None, Some(_)) => return Err(wrong(layers, "tls_key", "it needs tls_certificate beside it")),
        };
        let brokers = layers.get("brokers").0.split(',').map(str::trim).filter(|broker| !broker.is_empty());
        let settings = Self {
            data: PathBuf::from(layers.get("data").0),
            http: address(layers, "http")?,
            grpc: address(layers, "grpc")?,
            amqp: address(layers, "amqp")?,
            management: management(layers)?,
            amqp_consumer_timeout: consumer_timeout(layers)?,
            amqp_client_authority: path("amqp_client_authority"),
            admin_password_file: path("admin_password_file"),
            tls,
            insecure_plaintext: truth(layers, "insecure_plaintext")?,
            metrics_open: truth(layers, "metrics_open")?,
            log: layers.get("log").0.to_owned(),
            log_format: log_format(layers)?,
            scrubbing: scrubbing(layers)?,
            drain: drain(layers)?,
            peer_address: peer_address(layers)?,
            join: text("join"),
            join_token: text("join_token"),
            brokers: brokers.map(str::to_owned).collect(),
            authority: path("authority"),
            trust_gateways: truth(layers, "trust_gateways")?,
        };
        if settings.amqp_client_authority.is_some() && settings.tls.is_none() {
            return Err(wrong(layers, "amqp_client_authority", "it needs tls_certificate and tls_key beside it"));
        }
        if settings.join.is_some() && settings.peer_address.is_none() {
            return Err(wrong(layers, "join", "it needs peer_address beside it"));
        }
        settings.check_reach(layers)?;
        Ok(settings)
    }

    fn check_reach(&self, layers: &Layers) -> Result<(), Complaint> {
        if self.tls.is_some() || self.insecure_plaintext {
            return Ok(());
        }
        let doors = [("http", self.http), ("grpc", self.grpc), ("amqp", self.amqp), ("management", self.management)];
        for (name, address) in doors {
            if let Some(address) = address.filter(|address| !address.ip().to_canonical().is_loopback()) {
                let (_, source) = layers.get(name);
                return Err(Complaint::here(
                    Exit::Configuration,
                    "plaintext_refused",
                    format!("{name} = {address} ({source}) is reachable from other machines, and there is no TLS"),
                    "give --tls-certificate FILE --tls-key FILE, or accept plaintext with --insecure-plaintext",
                ));
            }
        }
        Ok(())
    }
}

fn wrong(layers: &Layers, name: &str, hint: &str) -> Complaint {
    let (value, source): (&str, &Source) = layers.get(name);
    let what = format!("{name} = {value:?} ({source}) is not valid");
    Complaint::here(Exit::Configuration, "config_invalid", what, hint)
}

fn address(layers: &Layers, name: &str) -> Result<Option<SocketAddr>, Complaint> {
    let (value, _) = layers.get(name);
    if value == "none" {
        return Ok(None);
    }
    let found = value.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.map(Some).ok_or_else(|| wrong(layers, name, "write HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, or none"))
}

fn peer_address(layers: &Layers) -> Result<Option<SocketAddr>, Complaint> {
    let is_set = !layers.get("peer_address").0.is_empty();
    if is_set { address(layers, "peer_address") } else { Ok(None) }
}

/// The management API belongs to AMQP: where that was moved or switched off, it is open only when it is asked for.
fn management(layers: &Layers) -> Result<Option<SocketAddr>, Complaint> {
    if layers.is_default("management") && !layers.is_default("amqp") {
        return Ok(None);
    }
    address(layers, "management")
}

fn truth(layers: &Layers, name: &str) -> Result<bool, Complaint> {
    match layers.get(name).0 {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" | "" => Ok(false),
        _ => Err(wrong(layers, name, "write true or false")),
    }
}

fn log_format(layers: &Layers) -> Result<LogFormat, Complaint> {
    match layers.get("log_format").0 {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(wrong(layers, "log_format", "write text or json")),
    }
}

fn drain(layers: &Layers) -> Result<Duration, Complaint> {
    let span = parse_span(layers.get("drain").0).map_err(|why| wrong(layers, "drain", &why))?;
    Ok(Duration::from_millis(span.get()))
}

fn scrubbing(layers: &Layers) -> Result<Option<Scrubbing>, Complaint> {
    let pause = parse_span(layers.get("scrub_pause").0).map_err(|why| wrong(layers, "scrub_pause", &why))?;
    let pause = Duration::from_millis(pause.get());
    match parse_size_bound(layers.get("scrub_rate").0) {
        Ok(Bound(None)) => Ok(None),
        Ok(Bound(Some(rate))) if rate.get() > 0 => Ok(Some(Scrubbing { bytes_per_second: rate.get(), pause })),
        Ok(Bound(Some(_))) => Err(wrong(layers, "scrub_rate", "write a size above zero, such as 4MiB, or none")),
        Err(why) => Err(wrong(layers, "scrub_rate", &why)),
    }
}

fn consumer_timeout(layers: &Layers) -> Result<Option<Duration>, Complaint> {
    let name = "amqp_consumer_timeout";
    match parse_span_bound(layers.get(name).0) {
        Ok(Bound(None)) => Ok(None),
        Ok(Bound(Some(span))) if span.get() > 0 => Ok(Some(Duration::from_millis(span.get()))),
        Ok(Bound(Some(_))) => Err(wrong(layers, name, "write a time above zero, or none")),
        Err(why) => Err(wrong(layers, name, &why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &[(&'static str, &str)]) -> Result<Settings, Complaint> {
        let flags = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Settings::new(&Layers::new(None, |_| None, flags)?)
    }

    #[test]
    fn defaults_are_closed_to_other_machines() {
        let settings = settings(&[]).unwrap();
        assert!(settings.http.unwrap().ip().is_loopback() && settings.grpc.unwrap().ip().is_loopback());
        assert!(!settings.insecure_plaintext && !settings.metrics_open && settings.tls.is_none());
    }

    #[test]
    fn the_management_api_goes_with_amqp() {
        assert_eq!(settings(&[]).unwrap().management, "127.0.0.1:15672".parse().ok());
        for flags in [vec![("amqp", "none")], vec![("amqp", "127.0.0.1:0")], vec![("management", "none")]] {
            assert_eq!(settings(&flags).unwrap().management, None, "{flags:?}");
        }
        let both = [("amqp", "none"), ("management", "127.0.0.1:7")];
        assert_eq!(settings(&both).unwrap().management, "127.0.0.1:7".parse().ok());
    }

    #[test]
    fn stored_data_is_scrubbed_unless_somebody_says_otherwise() {
        let scrubbing = settings(&[]).unwrap().scrubbing.unwrap();
        assert_eq!((scrubbing.bytes_per_second, scrubbing.pause), (4 << 20, Duration::from_secs(3600)));
        assert_eq!(settings(&[("scrub_rate", "none")]).unwrap().scrubbing, None);
    }

    #[test]
    fn clients_have_half_an_hour_unless_somebody_says_otherwise() {
        assert_eq!(settings(&[]).unwrap().amqp_consumer_timeout, Some(Duration::from_secs(30 * 60)));
        assert_eq!(settings(&[("amqp_consumer_timeout", "none")]).unwrap().amqp_consumer_timeout, None);
    }

    #[test]
    fn plaintext_beyond_this_machine_needs_the_switch() {
        let complaint = settings(&[("http", "0.0.0.0:8080")]).err().unwrap();
        assert_eq!(
            complaint.to_string(),
            "error[plaintext_refused]: http = 0.0.0.0:8080 (flag --http) is reachable from other machines, and there \
             is no TLS\nhint: give --tls-certificate FILE --tls-key FILE, or accept plaintext with --insecure-plaintext"
        );
        assert!(settings(&[("grpc", "[::]:8081")]).is_err());
        assert!(settings(&[("amqp", "0.0.0.0:5672")]).is_err());
        assert!(settings(&[("management", "0.0.0.0:15672")]).is_err());
        for allowed in [
            [("http", "0.0.0.0:8080"), ("insecure_plaintext", "true"), ("drain", "1s")],
            [("http", "0.0.0.0:8080"), ("tls_certificate", "c.pem"), ("tls_key", "k.pem")],
            [("http", "[::1]:8080"), ("grpc", "none"), ("log_format", "json")],
        ] {
            assert!(settings(&allowed).is_ok(), "{allowed:?}");
        }
    }

    #[test]
    fn wrong_values_name_their_key_and_source() {
        for (name, value) in [
            ("http", "8080"),
            ("insecure_plaintext", "maybe"),
            ("log_format", "xml"),
            ("drain", "10"),
            ("amqp_client_authority", "ca.pem"),
            ("amqp_consumer_timeout", "0"),
            ("amqp_consumer_timeout", "never"),
            ("scrub_rate", "0B"),
            ("scrub_rate", "fast"),
            ("scrub_pause", "soon"),
            ("tls_key", "k.pem"),
            ("peer_address", "7000"),
            ("join", "127.0.0.1:7000"),
        ] {
            let complaint = settings(&[(name, value)]).err().unwrap().to_string();
            assert!(complaint.starts_with(&format!("error[config_invalid]: {name} = ")), "{complaint}");
            assert!(complaint.contains("(flag --"), "{complaint}");
        }
    }
}
