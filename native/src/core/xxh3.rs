//! XXH3 in 64 bits with seed 0, after the xxHash algorithm's specification
//! (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>).
//!
//! The digest that a state record holds is the number's bytes, the highest first.

/// The hash of `data`.
pub fn xxh3_64(data: &[u8]) -> u64 {
    match data.len() {
        0 => last_avalanche(secret_64(56) ^ secret_64(64)),
        1..=3 => up_to_3(data),
        4..=8 => up_to_8(data),
        9..=16 => up_to_16(data),
        17..=128 => up_to_128(data),
        129..=240 => up_to_240(data),
        _ => long(data),
    }
}

const PRIME32_1: u64 = 0x9E37_79B1;
const PRIME32_2: u64 = 0x85EB_CA77;
const PRIME32_3: u64 = 0xC2B2_AE3D;
const PRIME64_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME64_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME64_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME64_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME64_5: u64 = 0x27D4_EB2F_1656_67C5;
const PRIME_MX1: u64 = 0x1656_6791_9E37_79F9;
const PRIME_MX2: u64 = 0x9FB2_1C65_1E98_DF25;

const STRIPE: usize = 64;
const STRIPES_A_BLOCK: usize = (SECRET_BYTES - STRIPE) / 8;
const SECRET_BYTES: usize = 192;
const BLOCK: usize = STRIPE * STRIPES_A_BLOCK;

/// The specification's default secret.
#[rustfmt::skip]
static SECRET: [u8; SECRET_BYTES] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

#[inline]
fn read_32(bytes: &[u8], at: usize) -> u64 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()).into()
}

#[inline]
fn read_64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[inline]
fn secret_64(at: usize) -> u64 {
    read_64(&SECRET, at)
}

#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn avalanche(mut x: u64) -> u64 {
    x ^= x >> 37;
    x = x.wrapping_mul(PRIME_MX1);
    x ^ x >> 32
}

/// That of XXH64, which the shortest inputs end in.
#[inline]
fn last_avalanche(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(PRIME64_2);
    x ^= x >> 29;
    x = x.wrapping_mul(PRIME64_3);
    x ^ x >> 32
}

fn up_to_3(data: &[u8]) -> u64 {
    let length = data.len();
    let combined = u64::from(data[length - 1])
        | (length as u64) << 8
        | u64::from(data[0]) << 16
        | u64::from(data[length >> 1]) << 24;
    last_avalanche(read_32(&SECRET, 0) ^ read_32(&SECRET, 4) ^ combined)
}

fn up_to_8(data: &[u8]) -> u64 {
    let length = data.len();
    let combined = read_32(data, length - 4) | read_32(data, 0) << 32;
    let mut x = secret_64(8) ^ secret_64(16) ^ combined;
    x ^= x.rotate_left(49) ^ x.rotate_left(24);
    x = x.wrapping_mul(PRIME_MX2);
    x ^= (x >> 35).wrapping_add(length as u64);
    x = x.wrapping_mul(PRIME_MX2);
    x ^ x >> 28
}

fn up_to_16(data: &[u8]) -> u64 {
    let length = data.len();
    let low = secret_64(24) ^ secret_64(32) ^ read_64(data, 0);
    let high = secret_64(40) ^ secret_64(48) ^ read_64(data, length - 8);
    let sum = (length as u64)
        .wrapping_add(low.swap_bytes())
        .wrapping_add(high)
        .wrapping_add(folded(low, high));
    avalanche(sum)
}

/// 16 bytes of data from `at` on, mixed with as many of the secret.
#[inline]
fn mixed(data: &[u8], at: usize, secret_at: usize) -> u64 {
    folded(
        read_64(data, at) ^ secret_64(secret_at),
        read_64(data, at + 8) ^ secret_64(secret_at + 8),
    )
}

fn up_to_128(data: &[u8]) -> u64 {
    let length = data.len();
    let mut sum = (length as u64).wrapping_mul(PRIME64_1);
    for round in 0..=(length - 1) / 32 {
        let (start, end) = (round * 16, length - round * 16 - 16);
        sum = sum
            .wrapping_add(mixed(data, start, round * 32))
            .wrapping_add(mixed(data, end, round * 32 + 16));
    }
    avalanche(sum)
}

fn up_to_240(data: &[u8]) -> u64 {
    let length = data.len();
    let mut sum = (length as u64).wrapping_mul(PRIME64_1);
    for chunk in 0..8 {
        sum = sum.wrapping_add(mixed(data, chunk * 16, chunk * 16));
    }
    sum = avalanche(sum);
    for chunk in 8..length / 16 {
        sum = sum.wrapping_add(mixed(data, chunk * 16, (chunk - 8) * 16 + 3));
    }
    avalanche(sum.wrapping_add(mixed(data, length - 16, 119)))
}

type Lanes = [u64; 8];

fn long(data: &[u8]) -> u64 {
    let length = data.len();
    let mut lanes: Lanes = [
        PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1,
    ];
    // The last block, full or not, ends without a scramble, and its last stripe is the data's last 64 bytes.
    let last_block = (length - 1) / BLOCK * BLOCK;
    for block in data[..last_block].chunks_exact(BLOCK) {
        accumulate_block(&mut lanes, block);
        scramble(&mut lanes);
    }
    accumulate_block(&mut lanes, &data[last_block..length - 1]);
    accumulate(
        &mut lanes,
        &data[length - STRIPE..],
        &SECRET[SECRET.len() - STRIPE - 7..],
    );
    let mut sum = (length as u64).wrapping_mul(PRIME64_1);
    for pair in 0..4 {
        sum = sum.wrapping_add(folded(
            lanes[pair * 2] ^ secret_64(11 + pair * 16),
            lanes[pair * 2 + 1] ^ secret_64(19 + pair * 16),
        ));
    }
    avalanche(sum)
}

/// What of `block` is whole stripes.
fn accumulate_block(lanes: &mut Lanes, block: &[u8]) {
    for (index, stripe) in block.chunks_exact(STRIPE).enumerate() {
        accumulate(lanes, stripe, &SECRET[index * 8..]);
    }
}

#[inline]
fn accumulate(lanes: &mut Lanes, stripe: &[u8], secret: &[u8]) {
    for lane in 0..lanes.len() {
        let data = read_64(stripe, lane * 8);
        let keyed = data ^ read_64(secret, lane * 8);
        lanes[lane ^ 1] = lanes[lane ^ 1].wrapping_add(data);
        lanes[lane] = lanes[lane].wrapping_add((keyed & 0xffff_ffff).wrapping_mul(keyed >> 32));
    }
}

fn scramble(lanes: &mut Lanes) {
    for (index, lane) in lanes.iter_mut().enumerate() {
        let secret = secret_64(SECRET.len() - STRIPE + index * 8);
        *lane = (*lane ^ *lane >> 47 ^ secret).wrapping_mul(PRIME32_1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that are the same in every language, from a linear congruential generator.
    fn data(length: usize) -> Vec<u8> {
        let mut state: u64 = 1;
        let next = || {
            state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
            (state >> 16) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    /// What the `xxhash` package says of the first bytes of [`data`].
    const KNOWN: [(usize, u64); 36] = [
        (0, 0x2d06_8005_38d3_94c2),
        (1, 0xe5e6_2017_e96f_839c),
        (2, 0xe99f_8ba7_5698_ec0f),
        (3, 0xd3bc_c83c_6f14_e70f),
        (4, 0xc7f1_59f3_4b12_6cb4),
        (7, 0xddce_99c0_0391_ea7c),
        (8, 0x0f25_a2a1_cc43_dda2),
        (9, 0x1e3b_e969_9baa_50cf),
        (12, 0xe52e_522a_84eb_bb71),
        (16, 0x9ec3_2414_5cea_1dcb),
        (17, 0x48f3_651d_7436_310a),
        (32, 0x3ecd_9234_4208_5a0d),
        (33, 0x0afe_bb54_eff3_a3b5),
        (64, 0x7abe_5085_4164_4d25),
        (65, 0xda2a_9fa5_2b7f_adf5),
        (96, 0x014d_bb30_ecd7_c670),
        (97, 0x7b0a_9dae_42e8_9ff6),
        (128, 0x5d81_3d42_c000_5ea8),
        (129, 0xc616_39b5_5222_5575),
        (143, 0x5933_9bd5_e6a8_a208),
        (144, 0x9e69_d5b5_f04a_37c8),
        (239, 0x9baa_b278_9601_e92a),
        (240, 0x7d85_b8d4_f8b1_0c82),
        (241, 0x5c56_141c_894c_d97e),
        (255, 0xa882_68bb_5849_66d3),
        (256, 0xcdb3_4974_678d_6687),
        (257, 0xb5c3_cd9c_180a_14b7),
        (1023, 0x1239_8970_4c81_4592),
        (1024, 0x0551_dea2_2e10_4ea8),
        (1025, 0xdbe2_ed3c_377d_9922),
        (1088, 0x98ce_47a5_8d70_5d59),
        (2048, 0x0e13_7a69_a82b_62c0),
        (2049, 0x2ba9_93b3_0fe8_7e40),
        (5000, 0x80b0_120f_c87d_bf6e),
        (65537, 0xd47f_6fc3_e641_0610),
        (100000, 0xa17a_ee0f_ec64_d284),
    ];

    #[test]
    fn the_first_and_last_length_of_every_way_has_the_known_hash() {
        let data = data(100_000);
        for (length, hash) in KNOWN {
            assert_eq!(xxh3_64(&data[..length]), hash, "{} bytes", length);
        }
    }

    #[test]
    fn every_length_up_to_2000_has_the_known_hash() {
        let data = data(2000);
        let digests: Vec<u8> = (0..=2000)
            .flat_map(|length| xxh3_64(&data[..length]).to_be_bytes())
            .collect();
        // The package's hash of its own digests, one behind the other.
        assert_eq!(xxh3_64(&digests), 0x1753_2085_6b7e_1c32);
    }
}
