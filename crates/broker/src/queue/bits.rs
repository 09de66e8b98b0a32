//! A set of places within a chunk of 512, one bit each.

/// Places in a set.
pub(super) const PLACES: u64 = 512;
const WORDS: usize = 8;
const WORD_BITS: usize = 64;

/// Some places of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    /// Adds a place; false when it was in.
    pub(super) const fn insert(&mut self, place: usize) -> bool {
        let (word, bit) = address(place);
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// Takes a place out; false when it was not in.
    pub(super) const fn remove(&mut self, place: usize) -> bool {
        let (word, bit) = address(place);
        let was_in = self.0[word] & bit != 0;
        self.0[word] &= !bit;
        was_in
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many places before this one are in, if it is in itself.
    pub(super) fn rank(&self, place: usize) -> Option<usize> {
        let (word, bit) = address(place);
        if self.0[word] & bit == 0 {
            return None;
        }
        let before: u32 = self.0[..word].iter().map(|word| word.count_ones()).sum();
        let count = before + (self.0[word] & (bit - 1)).count_ones();
        Some(usize::try_from(count).expect("at most 512"))
    }

    /// The places in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + use<> {
        let words = (0_u64..).step_by(WORD_BITS).zip(self.0);
        words.flat_map(|(start, word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| u64::from(left.trailing_zeros()))?;
                left &= left - 1;
                Some(start + bit)
            })
        })
    }
}

const fn address(place: usize) -> (usize, u64) {
    (place / WORD_BITS, 1 << (place % WORD_BITS))
}

/// Where a sequence lies: the number of its chunk and its place in it.
pub(super) fn locate(sequence: u64) -> (u64, usize) {
    (sequence / PLACES, usize::try_from(sequence % PLACES).expect("below 512"))
}
