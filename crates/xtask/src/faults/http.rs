//! A small blocking HTTP/1.1 client: one connection, kept alive, with credentials.
//! Invariant: an answer is read to its end before the next request goes out; nothing is sent twice unasked.
//! Used by `door`; tests below.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use super::limits::{ANSWER_BYTES_MAX, ANSWER_MAX, IDLE_MAX};

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The document; null when there is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(super) fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The code of the problem it tells, or its status.
    pub(super) fn code(&self) -> String {
        self.json()["code"].as_str().map_or_else(|| format!("status {}", self.status), str::to_owned)
    }
}

/// A client of one address.
pub(super) struct Client {
    address: SocketAddr,
    authorization: String,
    connection: Option<(BufReader<TcpStream>, Instant)>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, authorization: &str) -> Self {
        Self { address, authorization: authorization.to_owned(), connection: None }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request, once; an error leaves open whether it arrived.
    pub(super) fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some((connection, used)) if used.elapsed() < IDLE_MAX => connection,
            Some(_) | None => {
                let stream = TcpStream::connect_timeout(&self.address, ANSWER_MAX)?;
                stream.set_read_timeout(Some(ANSWER_MAX))?;
                stream.set_write_timeout(Some(ANSWER_MAX))?;
                stream.set_nodelay(true)?;
                BufReader::with_capacity(1 << 16, stream)
            }
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            self.authorization,
            body.len()
        );
        let stream = connection.get_mut();
        if body.len() < 4096 {
            stream.write_all(format!("{head}{body}").as_bytes())?;
        } else {
            stream.write_all(head.as_bytes())?;
            stream.write_all(body.as_bytes())?;
        }
        let (answer, keeps) = read(&mut connection)?;
        if keeps {
            self.connection = Some((connection, Instant::now()));
        }
        Ok(answer)
    }
}

/// Reads one answer, and whether the connection may be used again.
fn read(from: &mut impl BufRead) -> io::Result<(Answer, bool)> {
    let first = line(from)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let (mut length, mut chunked, mut keeps) = (0_usize, false, true);
    loop {
        let text = line(from)?;
        let Some((name, value)) = text.split_once(':') else { break };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => length = value.parse().map_err(|_| io::ErrorKind::InvalidData)?,
            ("transfer-encoding", _) => chunked = true,
            ("connection", "close") => keeps = false,
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            let size = usize::from_str_radix(&line(from)?, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            take(from, size, &mut body)?;
            line(from)?;
            if size == 0 {
                break;
            }
        }
    } else {
        take(from, length, &mut body)?;
    }
    Ok((Answer { status, body }, keeps))
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn take(from: &mut impl Read, size: usize, body: &mut Vec<u8>) -> io::Result<()> {
    let start = body.len();
    if ANSWER_BYTES_MAX < start + size {
        return Err(io::ErrorKind::InvalidData.into());
    }
    body.resize(start + size, 0);
    from.read_exact(&mut body[start..])
}

/// The value of an `Authorization` header with a name and a password.
pub(super) fn basic(user: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for three in format!("{user}:{password}").as_bytes().chunks(3) {
        let bits = three.iter().fold(0_usize, |bits, byte| (bits << 8) | usize::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) & 63];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_base64() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic("a", "bc"), "Basic YTpiYw==");
        assert_eq!(basic("a", "b"), "Basic YTpi");
    }

    #[test]
    fn answers_end_where_they_say() {
        let mut wire: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 14\r\n\r\n{\"code\":\"bus\"}HTTP/1.1 200 OK\r\n\
            transfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let (first, keeps) = read(&mut wire).expect("the first answer is whole");
        assert_eq!((first.status, first.code().as_str(), keeps), (503, "bus", true));
        let (second, keeps) = read(&mut wire).expect("the second answer is whole");
        assert_eq!((second.body.as_slice(), second.ok(), keeps), (&b"abc"[..], true, false));
        assert!(read(&mut wire).is_err(), "an end that comes early is an error");
    }
}
