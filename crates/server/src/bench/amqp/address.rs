//! Where an AMQP broker is and who asks: a URL as RabbitMQ's clients take it.
//! Invariant: everything that is left out has RabbitMQ's default.
//! Called by `bench::amqp`; tests below.

/// The parts of an AMQP URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Host and port.
    pub(super) host: String,
    /// Who logs in.
    pub(super) user: String,
    /// With which password.
    pub(super) password: String,
    /// The virtual host.
    pub(super) virtual_host: String,
}

impl Address {
    /// Reads `amqp://user:password@host:port/virtual-host`.
    ///
    /// # Errors
    /// Says what is expected.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("amqp://").ok_or("give a URL such as amqp://guest:guest@127.0.0.1:5672/%2f")?;
        let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
        let (login, host) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let port = if host.contains(':') { "" } else { ":5672" };
        Ok(Self {
            host: format!("{host}{port}"),
            user: decoded(user)?,
            password: decoded(password)?,
            virtual_host: path.filter(|path| !path.is_empty()).map_or(Ok("/".to_owned()), decoded)?,
        })
    }
}

/// Replaces `%2f` and the like.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.split_first_chunk::<2>().and_then(|(digits, behind)| {
            rest = behind;
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        });
        bytes.push(digits.ok_or("a % in a URL stands before two hexadecimal digits")?);
    }
    String::from_utf8(bytes).map_err(|_| "a URL holds UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> Result<[String; 4], String> {
        Address::parse(url).map(|found| [found.host, found.user, found.password, found.virtual_host])
    }

    #[test]
    fn a_url_is_read_as_the_clients_read_it() {
        let all = parts("amqp://me:p%40ss@example.org:1234/a%2Fb").unwrap();
        assert_eq!(all, ["example.org:1234", "me", "p@ss", "a/b"]);
        for short in ["amqp://localhost", "amqp://localhost/", "amqp://localhost:5672/%2f"] {
            assert_eq!(parts(short).unwrap(), ["localhost:5672", "guest", "guest", "/"]);
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for wrong in ["localhost", "http://localhost", "amqp://a%2@b", "amqp://a%zz@b", "amqp://b/%ff"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }
}
