//! Class 60: publishing, consuming and settling.

use crate::codec::method::class;
use crate::codec::{ShortText, Table};

class! { 60:
    /// How much may be unsettled.
    Qos = 10 { prefetch_size: u32, prefetch_count: u16 } [global] {}
    /// It is set.
    QosOk = 11 {} [] {}
    /// Starts a consumer.
    Consume = 20 { reserved: u16, queue: ShortText, consumer_tag: ShortText }
        [no_local, no_ack, exclusive, no_wait] { arguments: Table }
    /// It is started.
    ConsumeOk = 21 { consumer_tag: ShortText } [] {}
    /// Ends a consumer; from the server: it has ended.
    Cancel = 30 { consumer_tag: ShortText } [no_wait] {}
    /// Agrees.
    CancelOk = 31 { consumer_tag: ShortText } [] {}
    /// Publishes; the content follows.
    Publish = 40 { reserved: u16, exchange: ShortText, routing_key: ShortText } [mandatory, immediate] {}
    /// A message that reached no queue; the content follows.
    Return = 50 { reply_code: u16, reply_text: ShortText, exchange: ShortText, routing_key: ShortText } [] {}
    /// A delivery; the content follows.
    Deliver = 60 { consumer_tag: ShortText, delivery_tag: u64 }
        [redelivered] { exchange: ShortText, routing_key: ShortText }
    /// Asks for one message.
    Get = 70 { reserved: u16, queue: ShortText } [no_ack] {}
    /// One message; the content follows.
    GetOk = 71 { delivery_tag: u64 } [redelivered] { exchange: ShortText, routing_key: ShortText, message_count: u32 }
    /// There is none.
    GetEmpty = 72 { reserved: ShortText } [] {}
    /// Settles; from the server: confirms a publish.
    Ack = 80 { delivery_tag: u64 } [multiple] {}
    /// Gives one back.
    Reject = 90 { delivery_tag: u64 } [requeue] {}
    /// As `Recover`, without an answer.
    RecoverAsync = 100 {} [requeue] {}
    /// Gives everything that is unsettled back.
    Recover = 110 {} [requeue] {}
    /// Done.
    RecoverOk = 111 {} [] {}
    /// Gives back; from the server: a publish was not taken.
    Nack = 120 { delivery_tag: u64 } [multiple, requeue] {}
}
