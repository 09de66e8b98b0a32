//! Campaign: resident memory with many connections over AMQP that are logged in, have a channel, and do nothing.
//! Invariant: the figure is taken from the process itself while every connection is open.
//! Called by `faults`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::limits::{ANSWER_MAX, CONNECTIONS_MIB, CONNECTORS, IDLE_CONNECTIONS};
use super::options::Options;
use super::process::{Home, PASSWORD};
use super::report::Report;

/// Time in which buffers are let go.
const SETTLE: Duration = Duration::from_secs(3);
/// Class and method of what is sent and waited for.
const START: [u8; 4] = [0, 10, 0, 10];
const START_OK: [u8; 4] = [0, 10, 0, 11];
const TUNE: [u8; 4] = [0, 10, 0, 30];
const TUNE_OK: [u8; 4] = [0, 10, 0, 31];
const OPEN: [u8; 4] = [0, 10, 0, 40];
const OPEN_OK: [u8; 4] = [0, 10, 0, 41];
const CHANNEL_OPEN: [u8; 4] = [0, 20, 0, 10];
const CHANNEL_OPEN_OK: [u8; 4] = [0, 20, 0, 11];

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mut home = home.below(&[]);
    home.amqp = true;
    let broker = home.start()?;
    let address = broker.amqp.ok_or("the banner names no AMQP door")?;
    let count = options.runs.unwrap_or(IDLE_CONNECTIONS);
    // The first login hashes a password, which takes memory of its own.
    drop(open(address).map_err(|error| format!("the first connection: {error}"))?);
    thread::sleep(SETTLE);
    let before = broker.resident_kib();
    let open = many(address, count)?;
    thread::sleep(SETTLE);
    let after = broker.resident_kib();
    let each = after.saturating_sub(before) * 1024 / count.max(1);
    report.line(format_args!("  {} KiB before, {after} KiB with {count} connections: {each} bytes each", before));
    report.at_most(&format!("{count} idle connections over AMQP"), after.div_ceil(1024), CONNECTIONS_MIB, "MiB");
    let (alive, mut rest) = (open.len(), open);
    // They are open: the last one that came still has its channel opened again under another number.
    rest.truncate(1);
    let spoken = rest.first_mut().map(|stream| ask(stream, 2, CHANNEL_OPEN, &[0], CHANNEL_OPEN_OK));
    if !matches!(spoken, Some(Ok(()))) {
        report.violation(format_args!("of {alive} connections one does not answer any more"));
    }
    broker.stop().map(drop)
}

/// Opens connections, some at the same time.
fn many(address: SocketAddr, count: u64) -> Result<Vec<TcpStream>, String> {
    let work = |share: u64| -> io::Result<Vec<TcpStream>> { (0..share).map(|_| open(address)).collect() };
    thread::scope(|scope| {
        let shares = (0..CONNECTORS).map(|at| count / CONNECTORS + u64::from(at < count % CONNECTORS));
        let workers: Vec<_> = shares.map(|share| scope.spawn(move || work(share))).collect();
        let mut all = Vec::new();
        for worker in workers {
            let opened = worker.join().expect("a worker does not panic");
            all.extend(opened.map_err(|error| format!("a connection: {error}; does `ulimit -n` allow for {count}?"))?);
        }
        Ok(all)
    })
}

/// A connection that is logged in and has a channel.
fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(b"AMQP\x00\x00\x09\x01")?;
    expect(&mut stream, START)?;
    let response = format!("\0admin\0{PASSWORD}");
    // No properties, the mechanism, the response, the locale.
    let mut fields = vec![0, 0, 0, 0];
    short(&mut fields, "PLAIN");
    fields.extend(u32::try_from(response.len()).expect("a password is short").to_be_bytes());
    fields.extend(response.bytes());
    short(&mut fields, "en_US");
    ask(&mut stream, 0, START_OK, &fields, TUNE)?;
    // Channels, frames of 4 KiB, no heartbeat: an idle client needs none.
    send(&mut stream, 0, TUNE_OK, &[0, 16, 0, 0, 16, 0, 0, 0])?;
    ask(&mut stream, 0, OPEN, b"\x01/\x00\x00", OPEN_OK)?;
    ask(&mut stream, 1, CHANNEL_OPEN, &[0], CHANNEL_OPEN_OK)?;
    Ok(stream)
}

fn short(fields: &mut Vec<u8>, text: &str) {
    fields.push(u8::try_from(text.len()).expect("the texts here are short"));
    fields.extend(text.bytes());
}

fn ask(stream: &mut TcpStream, channel: u16, method: [u8; 4], fields: &[u8], answer: [u8; 4]) -> io::Result<()> {
    send(stream, channel, method, fields)?;
    expect(stream, answer)
}

fn send(stream: &mut TcpStream, channel: u16, method: [u8; 4], fields: &[u8]) -> io::Result<()> {
    let payload = [method.as_slice(), fields].concat();
    let mut frame = vec![1];
    frame.extend(channel.to_be_bytes());
    frame.extend(u32::try_from(payload.len()).expect("a method is short").to_be_bytes());
    frame.extend(payload);
    frame.push(0xCE);
    stream.write_all(&frame)
}

/// Reads the next frame, which must be this method.
fn expect(stream: &mut TcpStream, method: [u8; 4]) -> io::Result<()> {
    let mut head = [0; 7];
    stream.read_exact(&mut head)?;
    let [.., a, b, c, d] = head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let mut payload = Vec::new();
    stream.take(u64::try_from(length).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut payload)?;
    if payload.starts_with(&method) { Ok(()) } else { Err(io::Error::other(format!("{:?} came", payload.get(..4)))) }
}
