//! The records of a batch of format 2, as a fetch returned it: https://kafka.apache.org/documentation/#recordbatch.
//!
//! What is out of the ordinary is not judged here: aiokafka's parser says what is wrong with it.

use crate::kafka::crc32c::crc32c;
use crate::kafka::written_batch::{CHECKED_FROM, HEAD};

const FORMAT_AT: usize = 16;
const CHECKSUM_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const FIRST_TIME_AT: usize = 27;
const LAST_TIME_AT: usize = 35;
const COUNT_AT: usize = 57;
const CODEC: u8 = 7;
const LOG_APPEND_TIME: u8 = 8;

/// A record's parts, within the batch's bytes; `timestamp_ms` is since the epoch.
pub struct Found<'a> {
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Vec<Header<'a>>,
}

/// A header's name and value.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// Whether a batch's checksum is that of its bytes; None where it is of no format that has this one.
pub fn is_whole(batch: &[u8]) -> Option<bool> {
    if *batch.get(FORMAT_AT)? != 2 || batch.len() < HEAD {
        return None;
    }
    Some(number::<4>(batch, CHECKSUM_AT)? == i64::from(crc32c(&batch[CHECKED_FROM..]) as i32))
}

/// Whether what follows a batch's head is compressed.
pub fn is_compressed(batch: &[u8]) -> Option<bool> {
    Some(batch.get(ATTRIBUTES_AT + 1)? & CODEC != 0)
}

/// The records of a batch, in order: those in `content`, what follows its head, decompressed.
pub fn records<'a>(batch: &[u8], content: &'a [u8]) -> Option<Vec<Found<'a>>> {
    if *batch.get(FORMAT_AT)? != 2 {
        return None;
    }
    let attributes = *batch.get(ATTRIBUTES_AT + 1)?;
    let is_given = attributes & LOG_APPEND_TIME != 0;
    let time_at = if is_given {
        LAST_TIME_AT
    } else {
        FIRST_TIME_AT
    };
    let (base, time_ms) = (number::<8>(batch, 0)?, number::<8>(batch, time_at)?);
    let count = usize::try_from(number::<4>(batch, COUNT_AT)?).ok()?;
    let mut rest = Rest(content);
    // A record has seven bytes at least: what says that it has more than there can be reserves nothing.
    let mut found = Vec::with_capacity(count.min(content.len() / 7));
    for _ in 0..count {
        let length = rest.varint()?;
        let after = rest.0.len().checked_sub(usize::try_from(length).ok()?)?;
        rest.varint()?; // attributes, which have no meaning yet
        let since_first_ms = rest.varint()?;
        let offset = base.checked_add(rest.varint()?)?;
        let (key, value) = (rest.field()?, rest.field()?);
        let headers = rest.headers()?;
        if rest.0.len() != after {
            return None;
        }
        let timestamp_ms = if is_given {
            time_ms
        } else {
            time_ms.checked_add(since_first_ms)?
        };
        found.push(Found {
            offset,
            timestamp_ms,
            key,
            value,
            headers,
        });
    }
    rest.0.is_empty().then_some(found)
}

/// A whole number of so many bytes, the highest first, with its sign.
fn number<const BYTES: usize>(batch: &[u8], at: usize) -> Option<i64> {
    let bytes = batch.get(at..at + BYTES)?;
    let first = i64::from(bytes[0] as i8);
    Some(
        bytes[1..]
            .iter()
            .fold(first, |number, byte| number << 8 | i64::from(*byte)),
    )
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// A number as Protocol Buffers have it, small ones of either sign in few bytes.
    fn varint(&mut self) -> Option<i64> {
        let mut number = 0u64;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Some((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        None
    }

    fn next(&mut self, length: i64) -> Option<&'a [u8]> {
        let length = usize::try_from(length).ok()?;
        let next = self.0.get(..length)?;
        self.0 = &self.0[length..];
        Some(next)
    }

    /// Bytes behind their length, or nothing behind -1.
    fn field(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint()? {
            -1 => Some(None),
            length => self.next(length).map(Some),
        }
    }

    fn headers(&mut self) -> Option<Vec<Header<'a>>> {
        let count = usize::try_from(self.varint()?).ok()?;
        // A header has two bytes at least.
        let mut found = Vec::with_capacity(count.min(self.0.len() / 2));
        for _ in 0..count {
            let length = self.varint()?;
            let name = std::str::from_utf8(self.next(length)?).ok()?;
            found.push((name, self.field()?));
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::{is_whole, records};
    use crate::kafka::written_batch::{seal, Batch, Entry, HEAD};

    fn batch(count: usize) -> Vec<u8> {
        let mut batch = Batch::new(1_700, 0);
        for _ in 0..count {
            let headers: &[(&[u8], &[u8])] = &[("ü".as_bytes(), b"v")];
            batch.append(
                &Entry {
                    key: b"key",
                    value: None,
                    headers,
                },
                1 << 20,
            );
        }
        let mut bytes = batch.finished();
        seal(&mut bytes, 0, 1, 2, 3);
        bytes
    }

    #[test]
    fn records_are_found_as_they_were_written() {
        let batch = batch(3);
        assert_eq!(is_whole(&batch), Some(true));
        let found = records(&batch, &batch[HEAD..]).unwrap();
        let offsets: Vec<i64> = found.iter().map(|each| each.offset).collect();
        assert_eq!(offsets, [0, 1, 2]);
        assert_eq!(found[2].timestamp_ms, 1_700);
        assert_eq!((found[2].key, found[2].value), (Some(&b"key"[..]), None));
        assert_eq!(found[2].headers, [("ü", Some(&b"v"[..]))]);
    }

    #[test]
    fn what_breaks_off_or_goes_on_is_handed_on() {
        let batch = batch(3);
        for end in HEAD..batch.len() {
            assert!(records(&batch, &batch[HEAD..end]).is_none(), "{end}");
        }
        let mut longer = batch.clone();
        longer.push(0);
        assert!(records(&batch, &longer[HEAD..]).is_none());
    }

    #[test]
    fn any_byte_that_changed_is_seen() {
        let mut batch = batch(2);
        for at in super::CHECKSUM_AT..batch.len() {
            batch[at] ^= 0x10;
            assert_eq!(is_whole(&batch), Some(false), "{at}");
            batch[at] ^= 0x10;
        }
        batch[super::FORMAT_AT] = 1;
        assert_eq!(is_whole(&batch), None);
    }

    #[test]
    fn no_byte_that_changed_makes_it_read_beyond_what_there_is() {
        let batch = batch(2);
        for at in 0..batch.len() {
            for bit in 0..8 {
                let mut changed = batch.clone();
                changed[at] ^= 1 << bit;
                let _ = records(&changed, &changed[HEAD..]);
            }
        }
    }
}
