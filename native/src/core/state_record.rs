//! The state record in bytes, as `processor/profile/state_record.py` has it: a version, then a MessagePack array.

use crate::core::duplicates::has_twice;
use crate::json::utf8::is_utf8;

/// What was last exported for one profile, with every text borrowed.
///
/// A profile that left its last segment has no memberships, no attributes, and `{}` for identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRecord<'a> {
    /// The source offset of the event that made it, -1 where there is none.
    pub offset: i64,
    /// 12 bytes an exported attribute.
    pub attributes: &'a [u8],
    /// The exported `identityMap`; bytes that nobody has looked into.
    pub identities: &'a [u8],
    /// Segment key and `lastQualificationTime`, both UTF-8, no key twice.
    pub memberships: Vec<(&'a [u8], &'a [u8])>,
    /// The number of the partition's note, 0 before its first backfill.
    pub backfill: i64,
}

const PLAIN: u8 = 1;
const NUMBERED: u8 = 2;
const NO_IDENTITIES: &[u8] = b"{}";

/// The record in `state`; None for what [`encode`] and [`encode_departed`] do not write, which may be a record still.
pub fn decode(state: &[u8]) -> Option<StateRecord<'_>> {
    let (&version, packed) = state.split_first()?;
    let (&array, packed) = packed.split_first()?;
    let mut rest = Packed(packed);
    let mut record = StateRecord {
        offset: rest.integer()?,
        attributes: b"",
        identities: NO_IDENTITIES,
        memberships: Vec::new(),
        backfill: 0,
    };
    match (version, array) {
        (PLAIN, 0x91) | (NUMBERED, 0x92) => {}
        (PLAIN, 0x94) | (NUMBERED, 0x95) => {
            record.attributes = rest.binary()?;
            record.identities = rest.binary()?;
            record.memberships = rest.texts_by_text()?;
        }
        _ => return None,
    }
    if version == NUMBERED {
        record.backfill = rest.integer()?;
    }
    rest.0.is_empty().then_some(record)
}

/// Append the bytes of a member's record to `into`.
pub fn encode(record: &StateRecord<'_>, into: &mut Vec<u8>) {
    if record.backfill == 0 {
        into.extend_from_slice(&[PLAIN, 0x94]);
    } else {
        into.extend_from_slice(&[NUMBERED, 0x95]);
    }
    put_integer(record.offset, into);
    put_binary(record.attributes, into);
    put_binary(record.identities, into);
    put_length(record.memberships.len(), &MAP, into);
    for (key, time) in &record.memberships {
        put_text(key, into);
        put_text(time, into);
    }
    if record.backfill != 0 {
        put_integer(record.backfill, into);
    }
}

/// Append the bytes of the record of a profile in no segment to `into`.
pub fn encode_departed(offset: i64, backfill: i64, into: &mut Vec<u8>) {
    if backfill == 0 {
        into.extend_from_slice(&[PLAIN, 0x91]);
        put_integer(offset, into);
    } else {
        into.extend_from_slice(&[NUMBERED, 0x92]);
        put_integer(offset, into);
        put_integer(backfill, into);
    }
}

/// MessagePack that is yet to be read.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.0.get(..length)?;
        self.0 = self.0.get(length..)?;
        Some(taken)
    }

    /// A number of `width` bytes, at most 8, the highest first.
    fn number(&mut self, width: usize) -> Option<u64> {
        let bytes = self.bytes(width)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        )
    }

    fn integer(&mut self) -> Option<i64> {
        match self.byte()? {
            byte @ 0x00..=0x7f => Some(i64::from(byte)),
            byte @ 0xe0..=0xff => Some(i64::from(byte as i8)),
            0xcc => self.number(1).map(|number| number as i64),
            0xcd => self.number(2).map(|number| number as i64),
            0xce => self.number(4).map(|number| number as i64),
            0xcf => i64::try_from(self.number(8)?).ok(),
            0xd0 => self.number(1).map(|number| i64::from(number as i8)),
            0xd1 => self.number(2).map(|number| i64::from(number as i16)),
            0xd2 => self.number(4).map(|number| i64::from(number as i32)),
            0xd3 => self.number(8).map(|number| number as i64),
            _ => None,
        }
    }

    fn length(&mut self, width: usize) -> Option<usize> {
        usize::try_from(self.number(width)?).ok()
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let length = match self.byte()? {
            0xc4 => self.length(1)?,
            0xc5 => self.length(2)?,
            0xc6 => self.length(4)?,
            _ => return None,
        };
        self.bytes(length)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = match self.byte()? {
            byte @ 0xa0..=0xbf => usize::from(byte & 0x1f),
            0xd9 => self.length(1)?,
            0xda => self.length(2)?,
            0xdb => self.length(4)?,
            _ => return None,
        };
        let text = self.bytes(length)?;
        is_utf8(text).then_some(text)
    }

    fn texts_by_text(&mut self) -> Option<Vec<(&'a [u8], &'a [u8])>> {
        let length = match self.byte()? {
            byte @ 0x80..=0x8f => usize::from(byte & 0x0f),
            0xde => self.length(2)?,
            0xdf => self.length(4)?,
            _ => return None,
        };
        // No entry is shorter than two bytes: what a damaged record claims takes no memory.
        let mut entries = Vec::with_capacity(length.min(self.0.len() / 2));
        for _ in 0..length {
            entries.push((self.text()?, self.text()?));
        }
        (!has_twice(&entries, |entry| entry.0)).then_some(entries)
    }
}

/// The bytes that announce a length: within themselves below a bound, else followed by 8, 16 or 32 bits.
struct Forms {
    inline: u8,
    inline_below: usize,
    in_8_bits: Option<u8>,
    in_16_bits: u8,
    in_32_bits: u8,
}

const MAP: Forms = Forms {
    inline: 0x80,
    inline_below: 16,
    in_8_bits: None,
    in_16_bits: 0xde,
    in_32_bits: 0xdf,
};
const TEXT: Forms = Forms {
    inline: 0xa0,
    inline_below: 32,
    in_8_bits: Some(0xd9),
    in_16_bits: 0xda,
    in_32_bits: 0xdb,
};
const BINARY: Forms = Forms {
    inline: 0,
    inline_below: 0,
    in_8_bits: Some(0xc4),
    in_16_bits: 0xc5,
    in_32_bits: 0xc6,
};

/// A record is shorter than a Kafka message, so no length in it goes beyond 32 bits.
fn put_length(length: usize, forms: &Forms, into: &mut Vec<u8>) {
    if length < forms.inline_below {
        into.push(forms.inline | length as u8);
        return;
    }
    match forms.in_8_bits {
        Some(form) if length <= usize::from(u8::MAX) => {
            into.extend_from_slice(&[form, length as u8]);
        }
        _ if length <= usize::from(u16::MAX) => {
            into.push(forms.in_16_bits);
            into.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            into.push(forms.in_32_bits);
            into.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}

fn put_text(text: &[u8], into: &mut Vec<u8>) {
    put_length(text.len(), &TEXT, into);
    into.extend_from_slice(text);
}

fn put_binary(bytes: &[u8], into: &mut Vec<u8>) {
    put_length(bytes.len(), &BINARY, into);
    into.extend_from_slice(bytes);
}

fn put_integer(number: i64, into: &mut Vec<u8>) {
    match number {
        -32..=127 => into.push(number as u8),
        128..=0xff => into.extend_from_slice(&[0xcc, number as u8]),
        0x100..=0xffff => {
            into.push(0xcd);
            into.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            into.push(0xce);
            into.extend_from_slice(&(number as u32).to_be_bytes());
        }
        0x1_0000_0000..=i64::MAX => {
            into.push(0xcf);
            into.extend_from_slice(&number.to_be_bytes());
        }
        -0x80..=-33 => into.extend_from_slice(&[0xd0, number as u8]),
        -0x8000..=-0x81 => {
            into.push(0xd1);
            into.extend_from_slice(&(number as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            into.push(0xd2);
            into.extend_from_slice(&(number as i32).to_be_bytes());
        }
        i64::MIN..=-0x8000_0001 => {
            into.push(0xd3);
            into.extend_from_slice(&number.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: &[u8] = b"\x01\x94\xcd\x01\x2c\xc4\x0ca path diges\xc4\x02{}\x81\xa1s\xa1t";

    fn member() -> StateRecord<'static> {
        StateRecord {
            offset: 300,
            attributes: b"a path diges",
            identities: b"{}",
            memberships: vec![(b"s", b"t")],
            backfill: 0,
        }
    }

    fn encoded(record: &StateRecord<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(record, &mut bytes);
        bytes
    }

    fn departed(offset: i64, backfill: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_departed(offset, backfill, &mut bytes);
        bytes
    }

    #[test]
    fn a_member_and_one_that_a_backfill_made_are_written_as_the_python_core_does() {
        assert_eq!(encoded(&member()), MEMBER);
        let again = StateRecord {
            backfill: 3,
            ..member()
        };
        let bytes = encoded(&again);
        assert_eq!(bytes[..2], [2, 0x95]);
        assert_eq!(bytes[2..bytes.len() - 1], MEMBER[2..]);
        assert_eq!(bytes.last(), Some(&3));
    }

    #[test]
    fn what_was_written_is_read_as_it_was() {
        let times: Vec<Vec<u8>> = (0..70_000)
            .map(|n: u32| n.to_string().into_bytes())
            .collect();
        let blob = vec![b'x'; 70_000];
        for length in [0, 1, 15, 16, 17, 65_535, 65_536] {
            for bytes in [0, 31, 32, 255, 256, 65_535, 65_536] {
                for backfill in [0, 1, -1, i64::MAX] {
                    let record = StateRecord {
                        offset: length as i64,
                        attributes: &blob[..bytes],
                        identities: &blob[..bytes],
                        memberships: times[..length]
                            .iter()
                            .map(|time| (&time[..], &blob[..bytes.min(300)]))
                            .collect(),
                        backfill,
                    };
                    assert_eq!(decode(&encoded(&record)), Some(record));
                }
                if length > 17 {
                    break;
                }
            }
        }
    }

    #[test]
    fn who_left_keeps_an_offset_and_the_backfill() {
        assert_eq!(departed(300, 0), b"\x01\x91\xcd\x01\x2c");
        assert_eq!(departed(300, 7), b"\x02\x92\xcd\x01\x2c\x07");
        for backfill in [0, 7] {
            let bytes = departed(300, backfill);
            let record = decode(&bytes).unwrap();
            assert_eq!((record.offset, record.backfill), (300, backfill));
            assert_eq!(record.identities, b"{}");
            assert!(record.attributes.is_empty() && record.memberships.is_empty());
        }
    }

    #[test]
    fn integers_take_the_fewest_bytes() {
        for (number, bytes) in [
            (0, &b"\x00"[..]),
            (127, b"\x7f"),
            (128, b"\xcc\x80"),
            (255, b"\xcc\xff"),
            (256, b"\xcd\x01\x00"),
            (65_535, b"\xcd\xff\xff"),
            (65_536, b"\xce\x00\x01\x00\x00"),
            (u32::MAX.into(), b"\xce\xff\xff\xff\xff"),
            (1 << 32, b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
            (i64::MAX, b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
            (-1, b"\xff"),
            (-32, b"\xe0"),
            (-33, b"\xd0\xdf"),
            (-128, b"\xd0\x80"),
            (-129, b"\xd1\xff\x7f"),
            (-32_768, b"\xd1\x80\x00"),
            (-32_769, b"\xd2\xff\xff\x7f\xff"),
            (i32::MIN.into(), b"\xd2\x80\x00\x00\x00"),
            (
                i64::from(i32::MIN) - 1,
                b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff",
            ),
            (i64::MIN, b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
        ] {
            let mut written = Vec::new();
            put_integer(number, &mut written);
            assert_eq!(written, bytes);
            let mut packed = Packed(bytes);
            assert_eq!(packed.integer(), Some(number));
            assert!(packed.0.is_empty());
        }
    }

    #[test]
    fn another_release_s_record_and_a_damaged_one_are_handed_on() {
        for end in 0..MEMBER.len() {
            assert_eq!(decode(&MEMBER[..end]), None);
        }
        for other in [
            &b"\x03\x91\x01"[..],
            b"\x01\x92\x01\x01",
            b"\x02\x91\x01",
            b"\x01\x91\x01\x01",
            b"\x01\x91\xc0",
            b"\x01\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x01\x94\x01\xc4\x00\xc4\x02{}\x81\xa1\xff\xa1t",
            b"\x01\x94\x01\xc4\x00\xc4\x02{}\x81\xa1s\xc0",
            b"\x01\x94\x01\xa0\xc4\x02{}\x80",
            b"\x01\x94\x01\xc4\x00\xc4\x02{}\x82\xa1s\xa1t\xa1s\xa1u",
            b"\x01\x94\x01\xc4\x00\xc4\x02{}\xdf\xff\xff\xff\xff",
        ] {
            assert_eq!(decode(other), None, "{:?}", other);
        }
    }
}
