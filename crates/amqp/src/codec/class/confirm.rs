//! Class 85: confirms of publishes.

use crate::codec::method::class;

class! { 85:
    /// Asks for them on this channel.
    Select = 10 {} [no_wait] {}
    /// They will come.
    SelectOk = 11 {} [] {}
}
