//! A small blocking HTTP/1.1 client: one connection, kept alive, and event streams.
//! Invariant: an answer is read to its end before the next request goes out.
//! Used by every suite through `world`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for a byte: longer than any wait that a test asks the broker for.
const READ: Duration = Duration::from_secs(40);

/// A connection that was idle for longer is not used again: the server closes one after 75 seconds.
const IDLE: Duration = Duration::from_secs(60);

/// A client with its credentials. A clone opens a connection of its own.
pub(crate) struct Client {
    address: SocketAddr,
    authorization: Option<String>,
    connection: Option<(BufReader<TcpStream>, Instant)>,
}

impl Clone for Client {
    fn clone(&self) -> Self {
        Self { address: self.address, authorization: self.authorization.clone(), connection: None }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first header of this name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when there is none.
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The document of an answer that must have this status.
    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// Demands a problem with this status and code, drawn as RFC 9457 says; its document.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.ok(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{problem}");
        assert_eq!(problem["type"], format!("/errors/{code}"));
        assert!(["title", "detail", "hint"].iter().all(|part| problem[part].as_str().is_some_and(|it| !it.is_empty())));
        problem
    }
}

impl Client {
    /// A client without credentials.
    pub(crate) fn nobody(address: SocketAddr) -> Self {
        Self { address, authorization: None, connection: None }
    }

    /// The same place with a token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { authorization: Some(format!("Bearer {token}")), ..self.clone() }
    }

    /// The same place with an `Authorization` header.
    pub(crate) fn with_authorization(&self, header: &str) -> Self {
        Self { authorization: Some(header.to_owned()), ..self.clone() }
    }

    /// The same credentials at another place.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The token that it shows.
    pub(crate) fn token(&self) -> &str {
        self.authorization.as_deref().and_then(|header| header.strip_prefix("Bearer ")).expect("a token")
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], &[])
    }

    pub(crate) fn delete(&mut self, path: &str) -> Answer {
        self.send("DELETE", path, &[], &[])
    }

    pub(crate) fn put(&mut self, path: &str, document: &Value) -> Answer {
        self.document("PUT", path, document)
    }

    pub(crate) fn post(&mut self, path: &str, document: &Value) -> Answer {
        self.document("POST", path, document)
    }

    pub(crate) fn patch(&mut self, path: &str, document: &Value) -> Answer {
        self.document("PATCH", path, document)
    }

    /// Sends a document; null means no body at all.
    pub(crate) fn document(&mut self, method: &str, path: &str, document: &Value) -> Answer {
        if document.is_null() {
            return self.send(method, path, &[], &[]);
        }
        self.send(method, path, &[("content-type", "application/json")], document.to_string().as_bytes())
    }

    /// Sends anything; an answer must come.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.attempt(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends anything, once; the connection may break.
    pub(crate) fn attempt(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some((connection, used)) if used.elapsed() < IDLE => connection,
            _ => self.connect()?,
        };
        self.write(&mut connection, method, path, headers, body)?;
        let (status, headers) = head(&mut connection)?;
        let body = match length(&headers, status) {
            Length::Known(bytes) => {
                let mut body = vec![0; bytes];
                connection.read_exact(&mut body)?;
                body
            }
            Length::Chunked => {
                let mut body = Vec::new();
                while let Some(chunk) = chunk(&mut connection)? {
                    body.extend(chunk);
                }
                body
            }
        };
        let answer = Answer { status, headers, body };
        if answer.header("connection") != Some("close") {
            self.connection = Some((connection, Instant::now()));
        }
        Ok(answer)
    }

    /// Opens a stream of events.
    pub(crate) fn events(&self, path: &str, headers: &[(&str, &str)]) -> Result<Events, Box<Answer>> {
        let mut connection = self.connect().expect("the door is open");
        self.write(&mut connection, "GET", path, headers, &[]).expect("the door reads");
        let (status, headers) = head(&mut connection).expect("the door answers");
        if status == 200 {
            assert!(headers.contains(&("content-type".to_owned(), "text/event-stream".to_owned())), "{headers:?}");
            return Ok(Events { connection, text: String::new() });
        }
        let Length::Known(bytes) = length(&headers, status) else { panic!("a refusal in chunks") };
        let mut body = vec![0; bytes];
        connection.read_exact(&mut body).expect("a whole refusal");
        Err(Box::new(Answer { status, headers, body }))
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(READ))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }

    fn write(
        &self,
        connection: &mut BufReader<TcpStream>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if let Some(authorization) = &self.authorization {
            request.push_str(&format!("authorization: {authorization}\r\n"));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        connection.get_mut().write_all(&bytes)
    }
}

enum Length {
    Known(usize),
    Chunked,
}

fn length(headers: &[(String, String)], status: u16) -> Length {
    let find = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if status == 204 || status == 304 {
        return Length::Known(0);
    }
    match find("content-length") {
        Some(bytes) => Length::Known(bytes.parse().expect("a length")),
        None if find("transfer-encoding") == Some("chunked") => Length::Chunked,
        None => Length::Known(0),
    }
}

fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn head(connection: &mut BufReader<TcpStream>) -> io::Result<(u16, Vec<(String, String)>)> {
    let first = line(connection)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let mut headers = Vec::new();
    loop {
        let text = line(connection)?;
        let Some((name, value)) = text.split_once(':') else { return Ok((status, headers)) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn chunk(connection: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let size = usize::from_str_radix(&line(connection)?, 16).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; size];
    connection.read_exact(&mut bytes)?;
    line(connection)?;
    Ok((size > 0).then_some(bytes))
}

/// An open stream of events; dropping it is a client that goes.
pub(crate) struct Events {
    connection: BufReader<TcpStream>,
    text: String,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Events {
    /// The next event that is not a comment; none at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let event = field("event:").map(|name| Event {
                    name: name.to_owned(),
                    id: field("id:").map(str::to_owned),
                    data: serde_json::from_str(field("data:").unwrap_or("null")).expect("events carry JSON"),
                });
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            match chunk(&mut self.connection) {
                Ok(Some(bytes)) => self.text.push_str(std::str::from_utf8(&bytes).expect("events are text")),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// The next event, which must be a message.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Value {
        let event = self.next().expect("the stream goes on");
        assert_eq!(event.name, "message", "{event:?}");
        event.data
    }
}
