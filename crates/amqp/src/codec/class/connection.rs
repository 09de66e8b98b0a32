//! Class 10: opening, tuning, blocking and closing a connection.

use bytes::Bytes;

use crate::codec::method::class;
use crate::codec::{ShortText, Table};

class! { 10:
    /// The server opens the handshake.
    Start = 10 { version_major: u8, version_minor: u8, server_properties: Table, mechanisms: Bytes, locales: Bytes } [] {}
    /// The client answers with its credentials.
    StartOk = 11 { client_properties: Table, mechanism: ShortText, response: Bytes, locale: ShortText } [] {}
    /// A challenge.
    Secure = 20 { challenge: Bytes } [] {}
    /// Its answer.
    SecureOk = 21 { response: Bytes } [] {}
    /// The server's limits.
    Tune = 30 { channel_max: u16, frame_max: u32, heartbeat: u16 } [] {}
    /// What the client makes of them.
    TuneOk = 31 { channel_max: u16, frame_max: u32, heartbeat: u16 } [] {}
    /// Opens a virtual host.
    Open = 40 { virtual_host: ShortText, capabilities: ShortText } [insist] {}
    /// It is open.
    OpenOk = 41 { known_hosts: ShortText } [] {}
    /// Ends the connection.
    Close = 50 { reply_code: u16, reply_text: ShortText, class_id: u16, method_id: u16 } [] {}
    /// Agrees.
    CloseOk = 51 {} [] {}
    /// Publishes are not read for now.
    Blocked = 60 { reason: ShortText } [] {}
    /// They are again.
    Unblocked = 61 {} [] {}
    /// New credentials for the same connection.
    UpdateSecret = 70 { new_secret: Bytes, reason: ShortText } [] {}
    /// They are good.
    UpdateSecretOk = 71 {} [] {}
}
