//! MD5 (RFC 1321) of many texts, eight at a time: each step of it waits for the one before, so that one alone leaves most of
//! the CPU idle. It is Kinesis' way from a partition key to a shard; no secret depends on it.

const LANES: usize = 8;
const BLOCK: usize = 64;
const LENGTH: usize = 8;

type Words = [u32; LANES];

/// The digests of texts, in order.
pub fn digests(texts: &[&[u8]]) -> Vec<[u8; 16]> {
    let mut found = Vec::with_capacity(texts.len());
    for some in texts.chunks(LANES) {
        let mut state = START.map(|word| [word; LANES]);
        let blocks = some.iter().map(|text| blocks_of(text)).max().unwrap_or(0);
        for number in 0..blocks {
            let mut words = [[0; LANES]; 16];
            for (lane, text) in some.iter().enumerate() {
                let block = block_of(text, number);
                for (words, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
                    words[lane] = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                }
            }
            let mut next = state;
            hash(&mut next, &words);
            for (lane, text) in some.iter().enumerate() {
                if number < blocks_of(text) {
                    (0..state.len()).for_each(|word| state[word][lane] = next[word][lane]);
                }
            }
        }
        found.extend((0..some.len()).map(|lane| {
            let mut digest = [0; 16];
            for (bytes, words) in digest.chunks_exact_mut(4).zip(&state) {
                bytes.copy_from_slice(&words[lane].to_le_bytes());
            }
            digest
        }));
    }
    found
}

/// How many blocks a text takes, with its end and its length.
fn blocks_of(text: &[u8]) -> usize {
    (text.len() + LENGTH) / BLOCK + 1
}

/// A block of a text; zeros where it has ended before.
fn block_of(text: &[u8], number: usize) -> [u8; BLOCK] {
    let (mut block, start) = ([0; BLOCK], number * BLOCK);
    if start <= text.len() {
        let rest = &text[start..text.len().min(start + BLOCK)];
        block[..rest.len()].copy_from_slice(rest);
        if rest.len() < BLOCK {
            block[rest.len()] = 0x80;
        }
    }
    if number + 1 == blocks_of(text) {
        let bits = 8 * text.len() as u64;
        block[BLOCK - LENGTH..].copy_from_slice(&bits.to_le_bytes());
    }
    block
}

/// Take one block of each text into its state.
fn hash(state: &mut [Words; 4], block: &[Words; 16]) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // The CPU has what is asked for.
        return unsafe { hash_wide(state, block) };
    }
    hash_anyhow(state, block);
}

/// The same, for a CPU that computes eight words at once.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn hash_wide(state: &mut [Words; 4], block: &[Words; 16]) {
    hash_anyhow(state, block);
}

/// How far each step of a round turns, by the step's number modulo 4.
const TURNS: [[u32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

/// The whole part of 2^32 times the sine of 1 to 64, without its sign: RFC 1321, 3.4.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

#[inline(always)]
fn hash_anyhow(state: &mut [Words; 4], block: &[Words; 16]) {
    let start = *state;
    round(state, block, 0, |x, y, z| (x & y) | (!x & z));
    round(state, block, 1, |x, y, z| (x & z) | (y & !z));
    round(state, block, 2, |x, y, z| x ^ y ^ z);
    round(state, block, 3, |x, y, z| y ^ (x | !z));
    for (words, start) in state.iter_mut().zip(&start) {
        for (word, start) in words.iter_mut().zip(start) {
            *word = word.wrapping_add(*start);
        }
    }
}

/// Sixteen steps, which mix words in one way.
#[inline(always)]
fn round(
    state: &mut [Words; 4],
    block: &[Words; 16],
    round: usize,
    mix: impl Fn(u32, u32, u32) -> u32,
) {
    let [mut a, mut b, mut c, mut d] = *state;
    for step in 0..16 {
        let (word, turn) = (&block[word_of(round, step)], TURNS[round][step % 4]);
        let mut next = [0; LANES];
        for lane in 0..LANES {
            let mixed = mix(b[lane], c[lane], d[lane]);
            let sum = a[lane]
                .wrapping_add(SINES[16 * round + step])
                .wrapping_add(word[lane]);
            next[lane] = b[lane].wrapping_add(sum.wrapping_add(mixed).rotate_left(turn));
        }
        a = d;
        d = c;
        c = b;
        b = next;
    }
    *state = [a, b, c, d];
}

/// Which word of the block a round's step takes.
#[inline(always)]
fn word_of(round: usize, step: usize) -> usize {
    match round {
        0 => step,
        1 => (5 * step + 1) % 16,
        2 => (3 * step + 5) % 16,
        _ => 7 * step % 16,
    }
}

#[cfg(test)]
mod tests {
    use super::digests;

    fn hex(digest: [u8; 16]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn it_is_the_standards() {
        // RFC 1321, A.5.
        let texts: [&[u8]; 5] = [
            b"",
            b"a",
            b"abc",
            b"message digest",
            b"abcdefghijklmnopqrstuvwxyz",
        ];
        let expected = [
            "d41d8cd98f00b204e9800998ecf8427e",
            "0cc175b9c0f1b6a831c399e269772661",
            "900150983cd24fb0d6963f7d28e17f72",
            "f96b697d7cb7938d525a2f31aaf161d0",
            "c3fcd3d76192e4007dfb496cca67e13b",
        ];
        // Twice, so that they are more than are hashed at once.
        for (digest, text) in digests(&[texts, texts].concat())
            .into_iter()
            .zip(expected.iter().cycle())
        {
            assert_eq!(hex(digest), *text);
        }
    }

    #[test]
    fn texts_of_any_length_are_hashed_beside_each_other_as_alone() {
        let text: Vec<u8> = (0..=255).cycle().take(300).collect();
        let texts: Vec<&[u8]> = (0..300).map(|at| &text[..at * 7 % 300]).collect();
        let alone: Vec<[u8; 16]> = texts.iter().map(|text| digests(&[text])[0]).collect();
        assert_eq!(digests(&texts), alone);
        // RFC 1321, A.5: 80 bytes, two blocks.
        let digits = b"1234567890".repeat(8);
        assert_eq!(
            hex(digests(&[&digits])[0]),
            "57edf4a22be3c955ac49da2e2107b67a"
        );
    }
}
