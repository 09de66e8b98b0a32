//! Names, patterns of names, ids, receipts and the other words that clients send.

use model::access::{NamePattern, ResourceKind, Right, Role};
use model::code::Code;
use model::message::{DeadLetterReason, MessageId, MessageState};
use model::name::{MemberName, NamespaceName, QueueName, SubscriptionName, TopicName, UserName};
use model::page::PageRequest;
use model::receipt::Receipt;

use crate::bound::within;

macro_rules! round_trips {
    ($text:ident, $($name:ty),+) => {
        $(
            if let Ok(name) = <$name>::parse($text) {
                assert_eq!(name.as_str(), $text);
                assert!($text.len() <= 255 && !$text.is_empty() && !$text.contains('\0'));
            }
        )+
    };
}

/// One word, as everything that a word may be.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    within(bytes.len(), 64 << 10, 64, || {
        round_trips!(text, NamespaceName, QueueName, TopicName, SubscriptionName, MemberName, UserName);
        if let Ok(id) = MessageId::parse(text) {
            assert_eq!(id.as_str(), text);
        }
        if let Ok(receipt) = Receipt::parse(text) {
            assert_eq!(receipt.to_string(), text);
        }
        let (first, second) = text.split_once(' ').unwrap_or((text, text));
        for pattern in [NamePattern::Literal(first.to_owned()), NamePattern::Prefix(first.to_owned())] {
            if let Ok(pattern) = pattern.bounded() {
                let fits = match &pattern {
                    NamePattern::Literal(_) => second == first,
                    NamePattern::Prefix(_) => second.starts_with(first),
                };
                assert_eq!(pattern.matches(second), fits);
            }
        }
        let _ = PageRequest::new(Some(7), Some(text.to_owned()));
        let _ = (Right::parse(text), Role::parse(text), ResourceKind::parse(text), Code::parse(text));
        let _ = (DeadLetterReason::parse(text), MessageState::parse(text));
    });
}
