//! Base64 with padding (RFC 4648, 4), written into a place of just its length.
//!
//! With AVX2 24 bytes at a time, elsewhere three by a table of pairs of characters.

const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Characters of `bytes` bytes.
pub fn encoded_length(bytes: usize) -> usize {
    (bytes + 2) / 3 * 4
}

/// Write `bytes`, encoded, into `to`, which has `encoded_length` of them.
pub fn write(bytes: &[u8], to: &mut [u8]) {
    assert_eq!(to.len(), encoded_length(bytes.len()));
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // The CPU has what is asked for, and there is room for all.
        let done = unsafe { write_wide(bytes, to) };
        return write_by_three(&bytes[done..], &mut to[done / 3 * 4..]);
    }
    write_by_three(bytes, to);
}

const fn pairs() -> [[u8; 2]; 4096] {
    let mut pairs = [[0; 2]; 4096];
    let mut at = 0;
    while at < 4096 {
        pairs[at] = [CHARACTERS[at >> 6], CHARACTERS[at & 63]];
        at += 1;
    }
    pairs
}

static PAIRS: [[u8; 2]; 4096] = pairs();

fn write_by_three(bytes: &[u8], to: &mut [u8]) {
    let (mut threes, mut fours) = (bytes.chunks_exact(3), to.chunks_exact_mut(4));
    for (three, four) in threes.by_ref().zip(fours.by_ref()) {
        let bits = usize::from(three[0]) << 16 | usize::from(three[1]) << 8 | usize::from(three[2]);
        four[..2].copy_from_slice(&PAIRS[bits >> 12]);
        four[2..].copy_from_slice(&PAIRS[bits & 0xfff]);
    }
    let rest = match *threes.remainder() {
        [first] => {
            let [a, b] = PAIRS[usize::from(first) << 4];
            [a, b, b'=', b'=']
        }
        [first, second] => {
            let bits = usize::from(first) << 16 | usize::from(second) << 8;
            let [[a, b], [c, _]] = [PAIRS[bits >> 12], PAIRS[bits & 0xfff]];
            [a, b, c, b'=']
        }
        _ => return,
    };
    if let Some(last) = fours.next() {
        last.copy_from_slice(&rest);
    }
}

/// Write as many bytes as go in steps of 24, and return how many.
///
/// # Safety
/// The CPU has AVX2, and `to` has room for all of `bytes`, encoded.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[allow(unsafe_op_in_unsafe_fn)] // all of it is the CPU's instructions, which were unsafe before Rust 1.86
unsafe fn write_wide(bytes: &[u8], to: &mut [u8]) -> usize {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm256_add_epi8, _mm256_and_si256, _mm256_cmpgt_epi8, _mm256_mulhi_epu16,
        _mm256_mullo_epi16, _mm256_or_si256, _mm256_set1_epi32, _mm256_set1_epi8, _mm256_set_m128i,
        _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_storeu_si256, _mm256_subs_epu8,
        _mm_loadu_si128,
    };
    const STEP: usize = 24;
    const READ: usize = 28;

    // Of each three bytes a b c, four bytes b a c b: their four sixes of bits lie within pairs then.
    let spread = _mm256_setr_epi8(
        1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10, 1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10,
        9, 11, 10,
    );
    // What is added to a six for its character, by its range: a-z, ten digits, +, /, A-Z.
    let distances = _mm256_setr_epi8(
        71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 65, 0, 0, 71, -4, -4, -4, -4, -4, -4,
        -4, -4, -4, -4, -19, -16, 65, 0, 0,
    );
    let steps = (bytes.len() + STEP).saturating_sub(READ) / STEP;
    let (mut from, mut into) = (bytes.as_ptr(), to.as_mut_ptr());
    for _ in 0..steps {
        let low = _mm_loadu_si128(from.cast::<__m128i>());
        let high = _mm_loadu_si128(from.add(12).cast::<__m128i>());
        let spread = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread);
        let outer = _mm256_mulhi_epu16(
            _mm256_and_si256(spread, _mm256_set1_epi32(0x0fc0_fc00)),
            _mm256_set1_epi32(0x0400_0040),
        );
        let inner = _mm256_mullo_epi16(
            _mm256_and_si256(spread, _mm256_set1_epi32(0x003f_03f0)),
            _mm256_set1_epi32(0x0100_0010),
        );
        let sixes = _mm256_or_si256(outer, inner);
        let capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), sixes);
        let range = _mm256_or_si256(
            _mm256_subs_epu8(sixes, _mm256_set1_epi8(51)),
            _mm256_and_si256(capital, _mm256_set1_epi8(13)),
        );
        let characters = _mm256_add_epi8(sixes, _mm256_shuffle_epi8(distances, range));
        _mm256_storeu_si256(into.cast::<__m256i>(), characters);
        from = from.add(STEP);
        into = into.add(32);
    }
    steps * STEP
}

#[cfg(test)]
mod tests {
    use super::{encoded_length, write, write_by_three};

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut to = vec![0; encoded_length(bytes.len())];
        write(bytes, &mut to);
        to
    }

    #[test]
    fn it_is_the_standards() {
        // RFC 4648, 10.
        let examples = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        for (length, expected) in examples.iter().enumerate() {
            assert_eq!(encoded(&b"foobar"[..length]), expected.as_bytes());
        }
    }

    #[test]
    fn all_ways_agree_at_every_length_and_for_all_bytes() {
        let bytes: Vec<u8> = (0..3 * 4096u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for length in (0..200).chain([1_000, bytes.len()]) {
            let mut expected = vec![0; encoded_length(length)];
            write_by_three(&bytes[..length], &mut expected);
            assert_eq!(encoded(&bytes[..length]), expected, "{length}");
        }
    }
}
