//! Reading and writing of primitive values in everything that the machine persists.
//!
//! Integers are little-endian; lengths are u32 and checked against what is left before anything is
//! allocated; text is UTF-8. Called by `record`, `command` and `snapshot`; a reader never panics.
//! Tests: property tests beside each user.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// The bytes do not hold what they should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} at byte {offset} of {length}")]
pub struct WireError {
    /// What is wrong.
    pub what: &'static str,
    /// Where, from the start of the buffer.
    pub offset: usize,
    /// How long the buffer is.
    pub length: usize,
}

/// Takes values off the front of a buffer; slices share its memory.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
    offset: usize,
    version: u8,
}

macro_rules! read_number {
    ($($name:ident $kind:ty),*) => { $(
        /// The next number of this size.
        ///
        /// # Errors
        /// When the buffer ends before it does.
        pub fn $name(&mut self) -> Result<$kind, WireError> {
            const SIZE: usize = size_of::<$kind>();
            let mut raw = [0; SIZE];
            raw.copy_from_slice(self.slice(SIZE)?);
            Ok(<$kind>::from_le_bytes(raw))
        }
    )* };
}

impl Reader {
    /// Starts at the front of a buffer. Until a version is read, what follows is of the newest.
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes, offset: 0, version: u8::MAX }
    }

    /// Takes the version of what follows off the front; what is read from here on can ask for it.
    ///
    /// # Errors
    /// `what` when it is none of these.
    pub fn read_version(&mut self, known: std::ops::RangeInclusive<u8>, what: &'static str) -> Result<u8, WireError> {
        self.version = self.u8()?;
        if known.contains(&self.version) { Ok(self.version) } else { Err(self.error(what)) }
    }

    /// The version of what is read.
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// An error at the present place.
    pub fn error(&self, what: &'static str) -> WireError {
        WireError { what, offset: self.offset, length: self.bytes.len() }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// How many bytes have been taken.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], WireError> {
        if length > self.left() {
            return Err(self.error("the buffer ends too early"));
        }
        let start = self.offset;
        self.offset += length;
        Ok(&self.bytes[start..self.offset])
    }

    read_number!(u8 u8, u16 u16, u32 u32, u64 u64, i64 i64, f64 f64);

    /// The next `length` bytes, sharing memory.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn take(&mut self, length: usize) -> Result<Bytes, WireError> {
        if length > self.left() {
            return Err(self.error("the buffer ends too early"));
        }
        let part = self.bytes.slice(self.offset..self.offset + length);
        self.offset += length;
        Ok(part)
    }

    /// A count of items that each take at least `bytes_each_min`, so that it cannot promise more than is there.
    ///
    /// # Errors
    /// When the buffer could not hold so many.
    pub fn count(&mut self, bytes_each_min: usize) -> Result<usize, WireError> {
        let count = usize::try_from(self.u32()?).map_err(|_| self.error("a count is too large"))?;
        if count.saturating_mul(bytes_each_min.max(1)) > self.left() {
            return Err(self.error("a count promises more than the buffer holds"));
        }
        Ok(count)
    }

    /// Bytes with their length before them, sharing memory.
    ///
    /// # Errors
    /// When fewer are left than the length says.
    pub fn bytes(&mut self) -> Result<Bytes, WireError> {
        let length = self.count(1)?;
        self.take(length)
    }

    /// Text with its length before it.
    ///
    /// # Errors
    /// When it is short or not UTF-8.
    pub fn text(&mut self) -> Result<String, WireError> {
        let raw = self.bytes()?;
        String::from_utf8(raw.to_vec()).map_err(|_| self.error("text is not UTF-8"))
    }

    /// A byte that must be 0 or 1.
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("a flag is neither 0 nor 1")),
        }
    }

    /// A value that may be absent.
    ///
    /// # Errors
    /// Those of the value.
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, WireError>) -> Result<Option<T>, WireError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Items with their count before them.
    ///
    /// # Errors
    /// Those of the items, or a count beyond the buffer.
    pub fn list<T>(
        &mut self,
        bytes_each_min: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = self.count(bytes_each_min)?;
        (0..count).map(|_| read(self)).collect()
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn finish(self) -> Result<(), WireError> {
        if self.left() == 0 { Ok(()) } else { Err(self.error("bytes are left over")) }
    }
}

/// Puts values at the end of a buffer.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: BytesMut,
}

impl Writer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(bytes) }
    }

    /// How long the buffer is.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.put_u8(value);
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes.put_u16_le(value);
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes.put_u32_le(value);
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes.put_u64_le(value);
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, value: i64) {
        self.bytes.put_i64_le(value);
    }

    /// Eight bytes, floating point.
    pub fn f64(&mut self, value: f64) {
        self.bytes.put_f64_le(value);
    }

    /// 0 or 1.
    pub fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Bytes as they are.
    pub fn raw(&mut self, value: &[u8]) {
        self.bytes.put_slice(value);
    }

    /// A count of items. Every list that is written was bounded at the door.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("lists are bounded below 2^32 at the door"));
    }

    /// Bytes with their length before them.
    pub fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.raw(value);
    }

    /// Text with its length before it.
    pub fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// A value that may be absent.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Items with their count before them.
    pub fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.count(items.len());
        for item in items {
            write(self, item);
        }
    }

    /// Overwrites four bytes that were written before, such as a length known only now.
    pub fn patch_u32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// The buffer, shareable from now on.
    pub fn finish(self) -> Bytes {
        self.bytes.freeze()
    }

    /// The bytes since the last part, which share one buffer with the other parts.
    pub fn part(&mut self) -> Bytes {
        self.bytes.split().freeze()
    }
}
