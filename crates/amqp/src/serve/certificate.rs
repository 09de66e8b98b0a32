//! The user that a client's certificate names: the common name of its subject, or its first alternative name.
//! Invariant: read only after TLS has verified the certificate; what it does not hold as expected names nobody.
//! Called by `serve`; tests below, and with real handshakes at the binary.

/// The tags that are read, of X.690.
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTF8: u8 = 0x0C;
const PRINTABLE: u8 = 0x13;
const IA5: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Parts of a certificate that may be left out, of RFC 5280.
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
/// Kinds of alternative names that are text: mail, host, URI.
const TEXT_NAMES: [u8; 3] = [0x81, 0x82, 0x86];
/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// `id-ce-subjectAltName`, 2.5.29.17.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1D, 0x11];

/// Values one behind the other: tag, length, content.
struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&short, mut rest) = rest.split_first()?;
        let mut length = usize::from(short);
        if short & 0x80 != 0 {
            let (digits, behind) = rest.split_at_checked(usize::from(short & 0x7F))?;
            length =
                digits.iter().try_fold(0_usize, |sum, digit| sum.checked_mul(256)?.checked_add((*digit).into()))?;
            rest = behind;
        }
        let (content, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some((tag, content))
    }
}

impl<'a> Values<'a> {
    /// The content of the next value, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

/// Who it is.
pub(super) fn user(certificate: &[u8]) -> Option<String> {
    let whole = Values(certificate).expect(SEQUENCE)?;
    let mut fields = Values(Values(whole).expect(SEQUENCE)?);
    // Since version 2 the version comes first, then the serial number.
    match fields.next()? {
        (VERSION, _) => fields.expect(INTEGER)?,
        (INTEGER, serial) => serial,
        _ => return None,
    };
    let _algorithm = fields.expect(SEQUENCE)?;
    let _issuer = fields.expect(SEQUENCE)?;
    let _validity = fields.expect(SEQUENCE)?;
    let subject = fields.expect(SEQUENCE)?;
    common_name(subject).or_else(|| {
        let extensions = fields.find(|(tag, _)| *tag == EXTENSIONS)?.1;
        alternative_name(Values(extensions).expect(SEQUENCE)?)
    })
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn common_name(subject: &[u8]) -> Option<String> {
    let sets = Values(subject).filter(|(tag, _)| *tag == SET);
    let mut attributes = sets.flat_map(|(_, set)| Values(set)).filter(|(tag, _)| *tag == SEQUENCE);
    attributes.find_map(|(_, attribute)| {
        let mut parts = Values(attribute);
        (parts.expect(OBJECT_ID)? == COMMON_NAME).then_some(())?;
        let (tag, name) = parts.next()?;
        if matches!(tag, UTF8 | PRINTABLE | IA5) { text(name) } else { None }
    })
}

fn alternative_name(extensions: &[u8]) -> Option<String> {
    let names = Values(extensions).find_map(|(_, extension)| {
        let mut parts = Values(extension);
        (parts.expect(OBJECT_ID)? == ALTERNATIVE_NAMES).then_some(())?;
        // Whether it is critical may stand between.
        parts.find(|(tag, _)| *tag == OCTETS)
    })?;
    let mut names = Values(Values(names.1).expect(SEQUENCE)?);
    let (_, name) = names.find(|(tag, _)| TEXT_NAMES.contains(tag))?;
    text(name)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(common_name: Option<&str>, alternatives: &[&str]) -> Vec<u8> {
        let names: Vec<String> = alternatives.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names of hosts");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "The Authors");
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_common_name_is_the_user_and_without_one_the_first_alternative() {
        assert_eq!(user(&certificate(Some("ana"), &["host.example"])).as_deref(), Some("ana"));
        assert_eq!(user(&certificate(None, &["host.example", "other.example"])).as_deref(), Some("host.example"));
        assert_eq!(user(&certificate(None, &["127.0.0.1"])), None, "an address names nobody");
        assert_eq!(user(&certificate(None, &[])), None);
    }

    #[test]
    fn half_a_certificate_and_none_name_nobody_and_end_nothing() {
        let whole = certificate(Some("ana"), &["host.example"]);
        for end in 0..whole.len() {
            assert_eq!(user(&whole[..end]), None, "{end}");
        }
        for place in 0..whole.len() {
            let mut broken = whole.clone();
            broken[place] ^= 0x80;
            let _ = user(&broken);
        }
    }
}
