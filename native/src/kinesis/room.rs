//! A buffer of the length that is needed, written from its start on.

/// What is not written yet of a buffer.
pub struct Room<'a>(pub &'a mut [u8]);

impl<'a> Room<'a> {
    /// The next bytes, to be written.
    pub fn next(&mut self, length: usize) -> &'a mut [u8] {
        let (next, rest) = std::mem::take(&mut self.0).split_at_mut(length);
        self.0 = rest;
        next
    }

    pub fn copy(&mut self, bytes: &[u8]) {
        self.next(bytes.len()).copy_from_slice(bytes);
    }
}
