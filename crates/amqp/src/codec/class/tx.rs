//! Class 90: publishes and settlements that are done together.

use crate::codec::method::class;

class! { 90:
    /// Makes the channel collect them.
    Select = 10 {} [] {}
    /// It does.
    SelectOk = 11 {} [] {}
    /// Does what was collected.
    Commit = 20 {} [] {}
    /// It is done.
    CommitOk = 21 {} [] {}
    /// Forgets what was collected.
    Rollback = 30 {} [] {}
    /// It is forgotten.
    RollbackOk = 31 {} [] {}
}
