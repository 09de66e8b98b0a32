//! Class 20: channels, the lanes of a connection.

use bytes::Bytes;

use crate::codec::ShortText;
use crate::codec::method::class;

class! { 20:
    /// Opens a channel.
    Open = 10 { out_of_band: ShortText } [] {}
    /// It is open.
    OpenOk = 11 { channel_id: Bytes } [] {}
    /// Stops or resumes content.
    Flow = 20 {} [active] {}
    /// Agrees.
    FlowOk = 21 {} [active] {}
    /// Ends the channel.
    Close = 40 { reply_code: u16, reply_text: ShortText, class_id: u16, method_id: u16 } [] {}
    /// Agrees.
    CloseOk = 41 {} [] {}
}
