//! Memory on its way into the CPU's caches before it is looked at.
//!
//! Objects that a batch left behind some milliseconds ago are in no cache: who goes through them waits for each. Fetched
//! ahead, they come while others are worked on.

const CACHE_LINE_BYTES: usize = 64;
const BYTES_AHEAD_MAX: usize = 4096;
/// A state record's bytes, most often.
const LINES_OF_AN_OBJECT: usize = 5;

/// How many objects ahead of the one that is looked at.
pub const OBJECTS_AHEAD: usize = 16;

/// Has the first bytes there on their way.
pub fn fetch_line<T>(pointer: *const T) {
    // It is a hint: an address of nobody's is as good as any.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        _mm_prefetch::<_MM_HINT_T0>(pointer.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = pointer;
}

/// Has a small object on its way: it may begin in one line and end in the next.
pub fn fetch_small<T>(pointer: *const T) {
    fetch_lines(pointer.cast(), 2);
}

/// Has an object on its way, whose content is read as well.
pub fn fetch_object<T>(pointer: *const T) {
    fetch_lines(pointer.cast(), LINES_OF_AN_OBJECT);
}

/// Has what is in `bytes` on its way: of what is long the beginning, for the CPU sees by itself what is read in a row.
pub fn fetch_bytes(bytes: &[u8]) {
    let ahead = bytes.len().min(BYTES_AHEAD_MAX);
    fetch_lines(bytes.as_ptr(), ahead / CACHE_LINE_BYTES + 1);
}

fn fetch_lines(from: *const u8, lines: usize) {
    for line in 0..lines {
        fetch_line(from.wrapping_add(line * CACHE_LINE_BYTES));
    }
}
