//! Whether bytes are UTF-8. Most are ASCII, which is seen by the word: 0.97 of the core's time on the reference workload, whose
//! state records have many short texts.

const WORD_BYTES: usize = 8;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Whether `text` is UTF-8.
pub fn is_utf8(text: &[u8]) -> bool {
    is_ascii(text) || std::str::from_utf8(text).is_ok()
}

fn is_ascii(text: &[u8]) -> bool {
    let mut seen = match text.len().checked_sub(WORD_BYTES) {
        // The last word overlaps the one before it.
        Some(last) => word(&text[last..]),
        None => text.iter().fold(0, |seen, byte| seen | u64::from(*byte)),
    };
    for bytes in text.chunks_exact(WORD_BYTES) {
        seen |= word(bytes);
    }
    seen & HIGH_BITS == 0
}

fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(HIGH_BITS, u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::is_utf8;

    #[test]
    fn it_says_what_the_standard_library_says_wherever_a_byte_stands() {
        for length in 0..70 {
            let plain = vec![b'a'; length];
            assert!(is_utf8(&plain));
            for at in 0..length {
                for other in [
                    &b"\xc3\xa9"[..],
                    b"\x80",
                    b"\xff",
                    b"\xed\xa0\x80",
                    b"\xf0\x9f\x98\x80",
                ] {
                    let mut text = plain.clone();
                    text.splice(at..at + 1, other.iter().copied());
                    assert_eq!(
                        is_utf8(&text),
                        std::str::from_utf8(&text).is_ok(),
                        "{:?}",
                        text
                    );
                    text.truncate(at + 1);
                    assert_eq!(
                        is_utf8(&text),
                        std::str::from_utf8(&text).is_ok(),
                        "{:?}",
                        text
                    );
                }
            }
        }
    }
}
