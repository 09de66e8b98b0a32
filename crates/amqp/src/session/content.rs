//! A publish from its three kinds of frames: method, header, body.
//! Invariant: the body never grows past the size that its header gave, which has a limit.

use bytes::{Bytes, BytesMut};

use super::ask::{Close, Publication};
use crate::codec::class::basic::Publish;
use crate::codec::properties::ContentHeader;
use crate::codec::{Properties, ReplyCode};
use crate::limits::BODY_BYTES_MAX;

/// A content that is not complete.
pub(super) struct Content {
    publish: Publish,
    header: Option<ContentHeader>,
    body: Body,
}

/// One frame needs no copy; more are put together.
enum Body {
    None,
    One(Bytes),
    Many(BytesMut),
}

/// Whether a content is complete.
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum Progress {
    More(Content),
    Complete(Publication),
}

fn unexpected(text: &str) -> Close {
    Close::new(ReplyCode::UnexpectedFrame, text)
}

impl Content {
    pub(super) const fn new(publish: Publish) -> Self {
        Self { publish, header: None, body: Body::None }
    }

    /// A method came while a content was expected.
    pub(super) fn interrupted(&self) -> Close {
        if self.header.is_none() {
            unexpected("expected content header for class 60, got non content header frame instead")
        } else {
            unexpected("expected content body, got non content body frame instead")
        }
    }

    /// Takes the header.
    pub(super) fn header(mut self, bytes: Bytes) -> Result<Progress, Close> {
        if self.header.is_some() {
            return Err(self.interrupted());
        }
        let header = ContentHeader::read(bytes)?;
        if header.body_size > BODY_BYTES_MAX {
            let text = format!("message size {} is larger than configured max size {BODY_BYTES_MAX}", header.body_size);
            return Err(Close::new(ReplyCode::PreconditionFailed, text));
        }
        self.header = Some(header);
        Ok(self.progress())
    }

    /// Takes a part of the body.
    pub(super) fn body(mut self, part: Bytes) -> Result<Progress, Close> {
        let Some(header) = &self.header else { return Err(self.interrupted()) };
        let wanted = header.body_size;
        self.body = match self.body {
            Body::None => Body::One(part),
            Body::One(first) => {
                // Grows with what comes, not with what was announced.
                let mut whole = BytesMut::from(first.as_ref());
                whole.extend_from_slice(&part);
                Body::Many(whole)
            }
            Body::Many(mut whole) => {
                whole.extend_from_slice(&part);
                Body::Many(whole)
            }
        };
        if self.received() > wanted {
            return Err(unexpected("the content body is longer than its header says"));
        }
        Ok(self.progress())
    }

    fn received(&self) -> u64 {
        let length = match &self.body {
            Body::None => 0,
            Body::One(part) => part.len(),
            Body::Many(whole) => whole.len(),
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    fn progress(self) -> Progress {
        let received = self.received();
        match self.header {
            Some(header) if header.body_size == received => {
                let body = match self.body {
                    Body::None => Bytes::new(),
                    Body::One(part) => part,
                    Body::Many(whole) => whole.freeze(),
                };
                Progress::Complete(publication(self.publish, header.properties, body))
            }
            header => Progress::More(Self { header, ..self }),
        }
    }
}

fn publication(publish: Publish, properties: Properties, body: Bytes) -> Publication {
    Publication {
        exchange: publish.exchange,
        routing_key: publish.routing_key,
        mandatory: publish.mandatory,
        properties,
        body,
    }
}
