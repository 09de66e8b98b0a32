//! The arguments of `serve`, `broker`, `gateway`, `config`, `doctor`, `health`, `demo` and `bench`.
//! Invariant: each setting of `config::key` has its flag here; the test below compares the two.
//! Read by `config` and the rooms of the same names; help snapshots in `tests/help.rs`.

use std::path::PathBuf;

use clap::Args;

use super::client::ClientArguments;
use crate::bench::amqp::address::Address;
use crate::config::Flags;
use crate::output::Format;

/// Every setting as a flag. Each may also stand in the file or in the environment as RECADO_NAME.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SettingArguments {
    /// A TOML file with settings [environment: RECADO_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the log and everything else that must survive [default: recado-data]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<String>,
    /// Address of REST, console, health and metrics; none switches it off [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) http: Option<String>,
    /// Address of gRPC; none switches it off [default: 127.0.0.1:8081]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) grpc: Option<String>,
    /// Address of AMQP 0-9-1; none switches it off [default: 127.0.0.1:5672]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) amqp: Option<String>,
    /// Address of RabbitMQ's HTTP management API; none switches it off [default: 127.0.0.1:15672 beside the default of --amqp]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) management: Option<String>,
    /// How long an AMQP client may leave a delivery unsettled unless its queue says otherwise, or none [default: 30m]
    #[arg(long, value_name = "TIME")]
    pub(crate) amqp_consumer_timeout: Option<String>,
    /// PEM file with the authorities whose client certificates log in to AMQP
    #[arg(long, value_name = "FILE")]
    pub(crate) amqp_client_authority: Option<String>,
    /// File with the password of the user admin, made at the first start
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_password_file: Option<String>,
    /// PEM file with the certificate chain of all doors
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_certificate: Option<String>,
    /// PEM file with the private key of the certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,
    /// Serve beyond this machine without TLS
    #[arg(long)]
    pub(crate) insecure_plaintext: bool,
    /// Answer /metrics without credentials
    #[arg(long)]
    pub(crate) metrics_open: bool,
    /// Which log lines: error, warn, info, debug, trace, or filters [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log: Option<String>,
    /// How log lines look: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Bytes of stored data that are read again in a second to find damage, or none [default: 4MiB]
    #[arg(long, value_name = "BYTES")]
    pub(crate) scrub_rate: Option<String>,
    /// Time between two readings of all stored data [default: 1h]
    #[arg(long, value_name = "TIME")]
    pub(crate) scrub_pause: Option<String>,
    /// How long requests under way may go on after SIGTERM [default: 10s]
    #[arg(long, value_name = "TIME")]
    pub(crate) drain: Option<String>,
    /// Address at which the other nodes of a cluster reach this one
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) peer_address: Option<String>,
    /// A node of the cluster to join, at the first start
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) join: Option<String>,
    /// The token to join with, from recado cluster join-token
    #[arg(long, value_name = "TOKEN")]
    pub(crate) join_token: Option<String>,
    /// Gateway only: gRPC addresses of the brokers, separated by commas
    #[arg(long, value_name = "URL[,URL]")]
    pub(crate) brokers: Option<String>,
    /// Gateway only: PEM file with the authority that signed the brokers' certificates
    #[arg(long, value_name = "FILE")]
    pub(crate) authority: Option<String>,
    /// Take the client address that any gateway reports; only where gateways alone reach gRPC
    #[arg(long)]
    pub(crate) trust_gateways: bool,
}

impl SettingArguments {
    /// What the flags set.
    pub(crate) fn flags(&self) -> Flags {
        let texts = [
            ("data", &self.data),
            ("http", &self.http),
            ("grpc", &self.grpc),
            ("amqp", &self.amqp),
            ("management", &self.management),
            ("amqp_consumer_timeout", &self.amqp_consumer_timeout),
            ("amqp_client_authority", &self.amqp_client_authority),
            ("admin_password_file", &self.admin_password_file),
            ("tls_certificate", &self.tls_certificate),
            ("tls_key", &self.tls_key),
            ("log", &self.log),
            ("log_format", &self.log_format),
            ("scrub_rate", &self.scrub_rate),
            ("scrub_pause", &self.scrub_pause),
            ("drain", &self.drain),
            ("peer_address", &self.peer_address),
            ("join", &self.join),
            ("join_token", &self.join_token),
            ("brokers", &self.brokers),
            ("authority", &self.authority),
        ];
        let switches = [
            ("insecure_plaintext", self.insecure_plaintext),
            ("metrics_open", self.metrics_open),
            ("trust_gateways", self.trust_gateways),
        ];
        let texts = texts.into_iter().filter_map(|(name, value)| value.clone().map(|value| (name, value)));
        let switches = switches.into_iter().filter(|(_, on)| *on).map(|(name, _)| (name, "true".to_owned()));
        texts.chain(switches).collect()
    }
}

/// Runs a server.
#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) settings: SettingArguments,
}

/// Shows or checks the configuration.
#[derive(Args, Debug)]
pub(crate) struct ConfigArguments {
    #[command(flatten)]
    pub(crate) settings: SettingArguments,
    /// Also print where each value came from
    #[arg(long)]
    pub(crate) origin: bool,
    /// Only check this file
    #[arg(long, value_name = "FILE", conflicts_with = "origin")]
    pub(crate) check: Option<PathBuf>,
    /// How to print data
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// Looks for what is wrong or will be.
#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) settings: SettingArguments,
    /// Also ask the broker itself, as --url, --context and the others say
    #[arg(long)]
    pub(crate) broker: bool,
    /// The broker's gRPC address, with --broker
    #[arg(long, value_name = "URL", requires = "broker")]
    pub(crate) url: Option<String>,
    /// The context to use, with --broker
    #[arg(long, value_name = "NAME", requires = "broker")]
    pub(crate) context: Option<String>,
    /// A file that holds a token, with --broker
    #[arg(long, value_name = "FILE", requires = "broker")]
    pub(crate) token_file: Option<PathBuf>,
    /// How to print data
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

impl DoctorArguments {
    /// The way to the broker.
    pub(crate) fn client(&self) -> ClientArguments {
        ClientArguments {
            url: self.url.clone(),
            context: self.context.clone(),
            token_file: self.token_file.clone(),
            output: self.output,
            ..ClientArguments::default()
        }
    }
}

/// Asks whether a server can do its work.
#[derive(Args, Debug)]
pub(crate) struct HealthArguments {
    /// The server's HTTP address
    #[arg(long, env = "RECADO_HEALTH_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// How long to wait for the answer
    #[arg(long, value_name = "TIME", value_parser = crate::quantity::parse_span, default_value = "3s")]
    pub(crate) timeout: model::number::Span,
}

/// Explains a code.
#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// The code; left out: all of them
    pub(crate) code: Option<String>,
    /// How to print data
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// Prints what a shell needs to complete commands.
#[derive(Args, Debug)]
pub(crate) struct CompletionArguments {
    /// The shell: bash, zsh or fish
    #[arg(value_parser = parse_shell)]
    pub(crate) shell: clap_complete::Shell,
}

fn parse_shell(word: &str) -> Result<clap_complete::Shell, String> {
    match word {
        "bash" => Ok(clap_complete::Shell::Bash),
        "zsh" => Ok(clap_complete::Shell::Zsh),
        "fish" => Ok(clap_complete::Shell::Fish),
        _ => Err("the shells are bash, zsh and fish".to_owned()),
    }
}

/// Shows everything at work on real data.
#[derive(Args, Debug)]
pub(crate) struct DemoArguments {
    /// Keep the broker running afterwards, until Ctrl-C
    #[arg(long)]
    pub(crate) stay: bool,
}

/// Measures this machine and this broker in one run.
#[derive(Args, Clone, Debug)]
pub(crate) struct BenchArguments {
    /// A folder on the disk to measure; left out: the temporary folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// How long each measurement lasts
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Messages of each throughput measurement
    #[arg(long, value_name = "COUNT", default_value_t = 200_000)]
    pub(crate) messages: u64,
    /// Body bytes of each message
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    pub(crate) size: usize,
    /// Unconfirmed messages of each producer
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(crate) window: usize,
    /// Messages a second of the end-to-end measurement
    #[arg(long, value_name = "COUNT", default_value_t = 5000)]
    pub(crate) rate: u64,
    /// Repetitions of each measurement; the median is reported
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub(crate) repeat: usize,
    /// Only the measurements whose name contains this, such as "one at a time"; left out: all
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// Measure the AMQP door instead, with a client of its own
    #[arg(long)]
    pub(crate) amqp: bool,
    /// The same beside the classic and quorum queues of another broker, such as amqp://guest:guest@127.0.0.1:5672/%2f
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    pub(crate) amqp_url: Option<Address>,
    /// One short repetition of everything: to see that it works, not to quote
    #[arg(long)]
    pub(crate) quick: bool,
    /// How to print data
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

impl BenchArguments {
    /// Whether a measurement of this name was asked for.
    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.only.as_ref().is_none_or(|text| scenario.contains(text))
    }
}

/// One server of a benchmark.
#[derive(Args, Debug)]
pub(crate) struct BenchServerArguments {
    /// Which: null or product
    #[arg(value_parser = ["null", "product"])]
    pub(crate) kind: String,
    /// Its folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_a_key() {
        let text = || Some("x".to_owned());
        let all = SettingArguments {
            config: None,
            data: text(),
            http: text(),
            grpc: text(),
            amqp: text(),
            management: text(),
            amqp_consumer_timeout: text(),
            amqp_client_authority: text(),
            admin_password_file: text(),
            tls_certificate: text(),
            tls_key: text(),
            insecure_plaintext: true,
            metrics_open: true,
            log: text(),
            log_format: text(),
            scrub_rate: text(),
            scrub_pause: text(),
            drain: text(),
            peer_address: text(),
            join: text(),
            join_token: text(),
            brokers: text(),
            authority: text(),
            trust_gateways: true,
        };
        let flags = all.flags();
        assert!(flags.iter().all(|(name, _)| crate::config::find(name).is_some()));
        assert_eq!(flags.len(), 23);
    }
}
