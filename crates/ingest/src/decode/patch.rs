//! A copy of a payload with some bytes replaced, made only if something needs replacing.

use std::borrow::Cow;
use std::ops::Range;

/// Replacements in a payload, given from front to back.
pub(super) struct Patch<'a> {
    source: &'a [u8],
    patched: Vec<u8>,
    /// How much of `source` is already in `patched` or replaced there.
    done_bytes: usize,
}

impl<'a> Patch<'a> {
    pub(super) fn new(source: &'a [u8]) -> Self {
        Self {
            source,
            patched: Vec::new(),
            done_bytes: 0,
        }
    }

    /// Replaces `range`, which lies behind all earlier ones, by `with`.
    pub(super) fn replace(&mut self, range: Range<usize>, with: &[u8]) {
        let kept = self
            .source
            .get(self.done_bytes..range.start)
            .unwrap_or_default();
        self.patched.extend_from_slice(kept);
        self.patched.extend_from_slice(with);
        self.done_bytes = range.end;
    }

    /// The payload with its replacements: borrowed if there were none.
    pub(super) fn finish(mut self) -> Cow<'a, [u8]> {
        if self.done_bytes == 0 {
            return Cow::Borrowed(self.source);
        }
        self.patched
            .extend_from_slice(self.source.get(self.done_bytes..).unwrap_or_default());
        Cow::Owned(self.patched)
    }
}
