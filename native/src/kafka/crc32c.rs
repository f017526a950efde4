//! CRC-32C, Castagnoli's, which Kafka's batches of format 2 bear (RFC 3720, B.4).
//!
//! On x86-64 by the CPU's own instruction, three streams at once, for it takes three turns of the clock and can begin
//! one at each; elsewhere by tables, eight bytes at a time.

const POLYNOMIAL: u32 = 0x82f6_3b78;
/// Bytes of each of the three streams.
#[cfg(target_arch = "x86_64")]
const STREAM: usize = 512;

/// The checksum of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("sse4.2") {
        // The CPU has what is asked for.
        return !unsafe { by_instruction(!0, bytes) };
    }
    !by_tables(!0, bytes)
}

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

static TABLES: [[u32; 256]; 8] = tables();

fn by_tables(mut crc: u32, bytes: &[u8]) -> u32 {
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        let low = crc ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        crc = TABLES[7][(low & 0xff) as usize]
            ^ TABLES[6][(low >> 8 & 0xff) as usize]
            ^ TABLES[5][(low >> 16 & 0xff) as usize]
            ^ TABLES[4][(low >> 24) as usize]
            ^ TABLES[3][word[4] as usize]
            ^ TABLES[2][word[5] as usize]
            ^ TABLES[1][word[6] as usize]
            ^ TABLES[0][word[7] as usize];
    }
    for byte in words.remainder() {
        crc = (crc >> 8) ^ TABLES[0][((crc ^ u32::from(*byte)) & 0xff) as usize];
    }
    crc
}

/// What a checksum becomes once so many zero bytes follow, by each of its four bytes: it is linear in them.
#[cfg(target_arch = "x86_64")]
struct Shift([[u32; 256]; 4]);

#[cfg(target_arch = "x86_64")]
impl Shift {
    const fn by(zeros: usize) -> Self {
        let step = tables();
        let mut ones = [0; 32];
        let mut bit = 0;
        while bit < 32 {
            let mut crc = 1u32 << bit;
            let mut at = 0;
            while at < zeros {
                crc = (crc >> 8) ^ step[0][(crc & 0xff) as usize];
                at += 1;
            }
            ones[bit] = crc;
            bit += 1;
        }
        let mut shifted = [[0; 256]; 4];
        let mut byte = 0;
        while byte < 4 * 256 {
            let (which, value) = (byte / 256, byte % 256);
            let mut bit = 0;
            while bit < 8 {
                if value >> bit & 1 == 1 {
                    shifted[which][value] ^= ones[8 * which + bit];
                }
                bit += 1;
            }
            byte += 1;
        }
        Self(shifted)
    }

    fn of(&self, crc: u32) -> u32 {
        let [a, b, c, d] = crc.to_le_bytes();
        self.0[0][a as usize]
            ^ self.0[1][b as usize]
            ^ self.0[2][c as usize]
            ^ self.0[3][d as usize]
    }
}

#[cfg(target_arch = "x86_64")]
static STREAM_SHIFT: Shift = Shift::by(STREAM);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
#[allow(unused_unsafe)] // older compilers want it
unsafe fn by_instruction(crc: u32, bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u64, _mm_crc32_u8};

    fn word(stream: &[u8], at: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&stream[at..at + 8]);
        u64::from_le_bytes(word)
    }

    unsafe {
        let mut crc = u64::from(crc);
        let mut blocks = bytes.chunks_exact(3 * STREAM);
        for block in blocks.by_ref() {
            let (first, rest) = block.split_at(STREAM);
            let (second, third) = rest.split_at(STREAM);
            let (mut after, mut last) = (0, 0);
            for at in (0..STREAM).step_by(8) {
                crc = _mm_crc32_u64(crc, word(first, at));
                after = _mm_crc32_u64(after, word(second, at));
                last = _mm_crc32_u64(last, word(third, at));
            }
            let two = STREAM_SHIFT.of(crc as u32) ^ after as u32;
            crc = u64::from(STREAM_SHIFT.of(two) ^ last as u32);
        }
        let mut words = blocks.remainder().chunks_exact(8);
        for each in words.by_ref() {
            crc = _mm_crc32_u64(crc, word(each, 0));
        }
        let mut crc = crc as u32;
        for byte in words.remainder() {
            crc = _mm_crc32_u8(crc, *byte);
        }
        crc
    }
}

#[cfg(test)]
mod tests {
    use super::{by_tables, crc32c};

    #[test]
    fn it_is_the_standards() {
        // RFC 3720, B.4, and the check value of the catalogue of CRC algorithms.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn the_instruction_and_the_tables_agree_at_every_length() {
        let bytes: Vec<u8> = (0..8_000u32).map(|at| ((at * at) >> 3) as u8).collect();
        for length in (0..64).chain(1_500..1_600).chain([3_072, 4_613, 8_000]) {
            assert_eq!(
                crc32c(&bytes[..length]),
                !by_tables(!0, &bytes[..length]),
                "{length}"
            );
        }
    }
}
