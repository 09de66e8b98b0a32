//! All doors with a certificate, from outside: who trusts it is served through both, who does not is refused, and who
//! speaks in the clear hears a clear end.
//! Over the binary itself, on a certificate that the test makes.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

mod support;
mod world;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amqp::codec::class::queue;
use amqp::codec::{Properties, ProtocolHeader};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use support::{Server, run, stderr, stdout};
use world::{Amqp, Closed, Confirmed};

/// Longest wait for a byte or an end: a door that stays silent for so long hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct-horse-battery";

/// A broker with TLS on both doors.
struct Broker {
    _server: Server,
    http: SocketAddr,
    grpc: SocketAddr,
    amqp: SocketAddr,
    authority: PathBuf,
    password: PathBuf,
    clients: Clients,
}

/// An authority that signs the certificates of clients.
struct Clients {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Clients {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// A certificate whose common name is this, and its key.
    fn certificate(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
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
        let clients = Clients::new();
        let clients_file = home.join("clients.pem");
        std::fs::write(&clients_file, &clients.pem).unwrap();
        let (data, password) = (home.join("data"), home.join("password"));
        std::fs::write(&password, PASSWORD).unwrap();
        let words =
            ["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--amqp", "127.0.0.1:0", "--log", "error"];
        let files = [
            ("--data", &data),
            ("--admin-password-file", &password),
            ("--tls-certificate", &authority),
            ("--tls-key", &key),
            ("--amqp-client-authority", &clients_file),
        ];
        let files = files.iter().flat_map(|(flag, path)| [*flag, path.to_str().unwrap()]);
        let words: Vec<&str> = words.into_iter().chain(files).collect();
        let server = Server::start(home, &words, 10);
        let address = |name: &str| {
            let line = server.lines.iter().find_map(|line| line.trim().strip_prefix(name));
            let url = line.unwrap_or_else(|| panic!("no {name} in {:?}", server.lines)).trim();
            url.split_once("://").unwrap().1.trim_end_matches("/v1").parse().unwrap()
        };
        let (http, grpc, amqp) = (address("REST"), address("gRPC"), address("AMQP"));
        Self { http, grpc, amqp, authority, password, clients, _server: server }
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

    /// A stream to the AMQP door over TLS, with a certificate or without.
    fn secured(&self, shown: Option<(&Clients, &str)>) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let config = match shown.map(|(authority, name)| authority.certificate(name)) {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => config.with_client_auth_cert(vec![certificate], key).unwrap(),
        };
        let host = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), host).unwrap(), world::connect(self.amqp))
    }

    fn amqp(&self, mechanism: &str, response: &str, shown: Option<&str>) -> Result<Amqp, Closed> {
        let stream = self.secured(shown.map(|name| (&self.clients, name)));
        Amqp::over(Box::new(stream), mechanism, response.to_owned().into(), "/")
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

#[test]
fn amqp_over_tls_is_read_by_the_other_doors() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let broker = Broker::start(home);
    let made = broker.command(home, "https", &broker.authority, &["queue", "create", "orders"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let mut amqp = broker.amqp("PLAIN", &format!("\0admin\0{PASSWORD}"), None).unwrap();
    let published = amqp.publish("", "orders", Properties::default(), b"over AMQP");
    assert_eq!(published, Ok(Confirmed::Kept));
    let received = broker.command(home, "https", &broker.authority, &["queue", "receive", "orders", "--ack", "--body"]);
    assert_eq!(stdout(&received), "over AMQP\n");
}

#[test]
fn a_certificate_of_the_clients_authority_logs_in_as_its_common_name() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let broker = Broker::start(home);
    let mut admin = broker.amqp("EXTERNAL", "", Some("admin")).unwrap();
    let declare = queue::Declare { queue: world::short("mine"), durable: true, ..Default::default() };
    admin.call(declare).unwrap();
    // The queue is the administrator's, and so is what it publishes.
    let described =
        broker.command(home, "https", &broker.authority, &["queue", "describe", "mine", "--output", "json"]);
    let described: Value = serde_json::from_str(&stdout(&described)).unwrap();
    assert_eq!(described["owner"], "admin", "{described}");
    // A password is still taken of whoever shows one.
    broker.amqp("PLAIN", &format!("\0admin\0{PASSWORD}"), Some("admin")).unwrap();
    let refused = broker.amqp("EXTERNAL", "", Some("nobody")).err().unwrap();
    assert!(refused.code == 403 && refused.text.contains("mechanism EXTERNAL"), "{refused:?}");
    let not_offered = broker.amqp("EXTERNAL", "", None).err().unwrap();
    assert_eq!(not_offered.text, "EXTERNAL is not one of AMQPLAIN PLAIN");
}

#[test]
fn a_certificate_of_another_authority_is_no_way_in() {
    let home = tempfile::tempdir().unwrap();
    let broker = Broker::start(home.path());
    let stranger = Clients::new();
    let mut stream = broker.secured(Some((&stranger, "admin")));
    // The client may be done with its half of the handshake before it hears of its end.
    let _ = stream.write_all(&ProtocolHeader::BYTES);
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    assert!(ended.is_err() && answer.is_empty(), "{ended:?} {answer:?}");
    broker.amqp("EXTERNAL", "", Some("admin")).unwrap();
}
