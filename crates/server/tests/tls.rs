//! Both doors with a certificate, from outside: who trusts it is served through both, who does not is refused, and who
//! speaks in the clear hears a clear end.
//! Over the binary itself, on a certificate that the test makes.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

mod support;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use support::{Server, run, stderr, stdout};

/// Longest wait for a byte or an end: a door that stays silent for so long hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct-horse-battery";

/// A broker with TLS on both doors.
struct Broker {
    _server: Server,
    http: SocketAddr,
    grpc: SocketAddr,
    authority: PathBuf,
    password: PathBuf,
}

/// Makes a certificate for this machine; the paths of the certificate, which is its own authority, and of its key.
fn certificate(home: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost", "127.0.0.1"].map(str::to_owned)).unwrap();
    let (certificate, key) = (home.join(format!("{name}.pem")), home.join(format!("{name}.key")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

impl Broker {
    fn start(home: &Path) -> Self {
        let (authority, key) = certificate(home, "broker");
        let (data, password) = (home.join("data"), home.join("password"));
        std::fs::write(&password, PASSWORD).unwrap();
        let words = ["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--amqp", "none", "--log", "error"];
        let files = [
            ("--data", &data),
            ("--admin-password-file", &password),
            ("--tls-certificate", &authority),
            ("--tls-key", &key),
        ];
        let files = files.iter().flat_map(|(flag, path)| [*flag, path.to_str().unwrap()]);
        let words: Vec<&str> = words.into_iter().chain(files).collect();
        let server = Server::start(home, &words, 9);
        let address = |name: &str| {
            let line = server.lines.iter().find_map(|line| line.trim().strip_prefix(name));
            let url = line.unwrap_or_else(|| panic!("no {name} in {:?}", server.lines)).trim();
            url.strip_prefix("https://").unwrap().trim_end_matches("/v1").parse().unwrap()
        };
        let (http, grpc) = (address("REST"), address("gRPC"));
        Self { http, grpc, authority, password, _server: server }
    }

    /// Runs a client command over gRPC, at an address of this scheme and with an authority.
    fn command(&self, home: &Path, scheme: &str, authority: &Path, words: &[&str]) -> std::process::Output {
        let url = format!("{scheme}://{}", self.grpc);
        let way = ["--url", &url, "--user", "admin", "--authority", authority.to_str().unwrap(), "--password-file"];
        let words: Vec<&str> = words.iter().copied().chain(way).chain([self.password.to_str().unwrap()]).collect();
        run(home, &words)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Asks the HTTP door over TLS and reads to its end.
    fn ask(&self, authority: &Path, request: &str) -> io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(connection, self.connect());
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// A request that closes its connection.
fn request(method: &str, path: &str, token: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn what_comes_in_by_one_door_with_tls_goes_out_by_the_other() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let broker = Broker::start(home);
    let over_grpc = |words: &[&str]| {
        let ended = broker.command(home, "https", &broker.authority, words);
        assert!(ended.status.success(), "{words:?}: {}", stderr(&ended));
        stdout(&ended)
    };
    over_grpc(&["queue", "create", "orders"]);
    over_grpc(&["queue", "publish", "orders", "over gRPC"]);
    let token = over_grpc(&["token", "create", "rest"]);
    let receive = |wait_ms: u32| {
        let body = format!("{{\"wait_ms\": {wait_ms}}}");
        let asked = request("POST", "/v1/queues/orders/receive", token.trim(), &body);
        let answer = broker.ask(&broker.authority, &asked).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str::<Value>(body).unwrap()["messages"][0]["body"].clone()
    };
    assert_eq!(receive(0), "over gRPC");
    let published =
        request("POST", "/v1/queues/orders/messages", token.trim(), "{\"messages\":[{\"body\":\"over REST\"}]}");
    let answer = broker.ask(&broker.authority, &published).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    assert_eq!(over_grpc(&["queue", "receive", "orders", "--ack", "--body"]), "over REST\n");
}

#[test]
fn a_certificate_of_an_authority_that_is_not_trusted_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let broker = Broker::start(home);
    let (stranger, _) = certificate(home, "stranger");
    let refused = broker.ask(&stranger, &request("GET", "/health/ready", "none", "")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidData, "{refused}");
    let ended = broker.command(home, "https", &stranger, &["queue", "list"]);
    let said = stderr(&ended);
    assert!(!ended.status.success() && said.starts_with("error[unreachable]"), "{said}");
    // The door is none the worse for it.
    let answer = broker.ask(&broker.authority, &request("GET", "/health/ready", "none", "")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn who_speaks_in_the_clear_hears_a_clear_end() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let broker = Broker::start(home);
    let mut stream = broker.connect();
    stream.write_all(request("GET", "/health/ready", "none", "").as_bytes()).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    // At most an alert of TLS: nothing of HTTP is answered in the clear.
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    let ended = broker.command(home, "http", &broker.authority, &["queue", "list"]);
    let said = stderr(&ended);
    assert!(!ended.status.success() && said.starts_with("error[unreachable]"), "{said}");
}
