//! A PutRecords call in CBOR (RFC 8949), as Kinesis takes it under the content type `application/x-amz-cbor-1.1`: the body as
//! AWS' client for Java writes it, byte by byte, and its answer. `processor/kinesis/kinesis_cbor.py` has the same in plain Python.

use crate::kinesis::entries::{self, with_data_ahead, Entry};
use crate::kinesis::room::Room;
use crate::python::call::NotMine;
use crate::python::object::Object;

const BEGIN: &[u8] = b"\xbf\x67Records\x9f";
const BEFORE_DATA: &[u8] = b"\xbf\x64Data";
const BEFORE_KEY: &[u8] = b"\x6cPartitionKey";
const AFTER_KEY: &[u8] = b"\xff";
const AFTER_RECORDS: &[u8] = b"\xff";
const END: &[u8] = b"\xff";

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const BREAK: u8 = 0xff;
const NULL: u8 = 0xf6;
const DEPTH_MAX: usize = 16;
const HEAD_BYTES_MAX: usize = 9;

/// `put_records_cbor(address, records) -> bytes | None`: the body of a call to the stream that `address`, a `dict` of texts,
/// names; None where it is not made here.
pub fn put_records_cbor([address, records]: [Object; 2]) -> Result<Object, NotMine> {
    address.dict_len()?; // raises where it is none
    let mut tail = AFTER_RECORDS.to_vec();
    for (name, value) in address.entries() {
        for text in [name.as_text()?, value.as_text()?] {
            tail.extend_from_slice(Head::of(TEXT, text.len()).bytes());
            tail.extend_from_slice(text.as_bytes());
        }
    }
    tail.extend_from_slice(END);
    let entries = entries::of(&records)?;
    let mut length = BEGIN.len() + tail.len();
    for Entry { data, key } in &entries {
        length += BEFORE_DATA.len() + Head::of(BYTES, data.len()).bytes().len() + data.len();
        length += BEFORE_KEY.len()
            + Head::of(TEXT, key.len()).bytes().len()
            + key.len()
            + AFTER_KEY.len();
    }
    Ok(Object::new_bytes_written(length, |to| {
        let mut to = Room(to);
        to.copy(BEGIN);
        for Entry { data, key } in with_data_ahead(&entries) {
            to.copy(BEFORE_DATA);
            to.copy(Head::of(BYTES, data.len()).bytes());
            to.copy(data);
            to.copy(BEFORE_KEY);
            to.copy(Head::of(TEXT, key.len()).bytes());
            to.copy(key.as_bytes());
            to.copy(AFTER_KEY);
        }
        to.copy(&tail);
    })?)
}

/// `stored_in(answer) -> [str] | None`: the shards that all records of a call are stored in, in order; None where not all
/// are stored, or the answer is none that is read here.
pub fn stored_in([answer]: [Object; 1]) -> Result<Object, NotMine> {
    let shards = shards(answer.as_bytes()?).ok_or(NotMine)?;
    let mut texts = Vec::<Object>::with_capacity(shards.len());
    let mut last: &[u8] = b"";
    for shard in shards {
        // Records of one shard follow each other.
        let text = match texts.last() {
            Some(text) if shard == last => text.another(),
            _ => Object::new_text(shard)?,
        };
        last = shard;
        texts.push(text);
    }
    Ok(Object::new_list_of(texts.into_iter().map(Ok))?)
}

/// The `ShardId` of each record of an answer, none of which has an `ErrorCode`.
fn shards(answer: &[u8]) -> Option<Vec<&[u8]>> {
    let mut reader = Reader(answer);
    let mut shards = None;
    let mut members = reader.length_of(MAP)?;
    while reader.another(&mut members)? {
        match reader.text()? {
            b"Records" if shards.is_none() => shards = Some(reader.shards_of_records()?),
            b"Records" => return None,
            b"FailedRecordCount" if !reader.is_null() => {
                if reader.length_of(UNSIGNED)? != Some(0) {
                    return None;
                }
            }
            _ => reader.pass(DEPTH_MAX)?,
        }
    }
    reader.0.is_empty().then_some(shards?)
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn shards_of_records(&mut self) -> Option<Vec<&'a [u8]>> {
        let mut shards = Vec::new();
        let mut records = self.length_of(LIST)?;
        while self.another(&mut records)? {
            let mut shard = None;
            let mut members = self.length_of(MAP)?;
            while self.another(&mut members)? {
                match self.text()? {
                    b"ShardId" => shard = Some(self.text()?),
                    b"ErrorCode" if !self.is_null() => return None,
                    _ => self.pass(DEPTH_MAX)?,
                }
            }
            shards.push(shard.filter(|shard| !shard.is_empty())?);
        }
        Some(shards)
    }

    /// Whether another item follows, of which `left` are left, or as many as there are up to a break.
    fn another(&mut self, left: &mut Option<usize>) -> Option<bool> {
        match left {
            Some(0) => Some(false),
            Some(left) => {
                *left -= 1;
                Some(true)
            }
            None if *self.0.first()? == BREAK => {
                self.0 = &self.0[1..];
                Some(false)
            }
            None => Some(true),
        }
    }

    fn is_null(&self) -> bool {
        self.0.first() == Some(&NULL)
    }

    /// The number of an item of a kind; None within where a break ends it.
    fn length_of(&mut self, kind: u8) -> Option<Option<usize>> {
        let (found, number) = self.head()?;
        (found == kind).then_some(number)
    }

    fn head(&mut self) -> Option<(u8, Option<usize>)> {
        let (first, rest) = self.0.split_first()?;
        let (kind, short) = (first >> 5, first & 0x1f);
        self.0 = rest;
        let number = match short {
            0..=23 => Some(usize::from(short)),
            24..=27 => {
                let bytes = self.bytes(1 << (short - 24))?;
                let number = bytes
                    .iter()
                    .fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
                Some(usize::try_from(number).ok()?)
            }
            31 if (BYTES..=MAP).contains(&kind) => None,
            _ => return None,
        };
        Some((kind, number))
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let bytes = self.0.get(..length)?;
        self.0 = &self.0[length..];
        Some(bytes)
    }

    /// A text in one piece.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.length_of(TEXT)??;
        self.bytes(length)
    }

    /// Passes an item of any kind, and what it holds down to a depth.
    fn pass(&mut self, depth: usize) -> Option<()> {
        let (kind, number) = self.head()?;
        match (kind, number) {
            (BYTES | TEXT, Some(length)) => self.bytes(length).map(drop),
            (BYTES | TEXT | LIST, number) => self.pass_items(number, 1, depth),
            (MAP, number) => self.pass_items(number, 2, depth),
            (TAG, _) => self.pass(depth.checked_sub(1)?),
            _ => Some(()),
        }
    }

    fn pass_items(&mut self, mut left: Option<usize>, each: usize, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        while self.another(&mut left)? {
            for _ in 0..each {
                self.pass(depth)?;
            }
        }
        Some(())
    }
}

/// What stands before a string: its kind and its length, in as few bytes as there may be.
struct Head {
    bytes: [u8; HEAD_BYTES_MAX],
    size: usize,
}

impl Head {
    fn of(kind: u8, length: usize) -> Self {
        let (short, size) = match length {
            0..=23 => (length as u8, 1),
            24..=0xff => (24, 2),
            0x100..=0xffff => (25, 3),
            0x1_0000..=0xffff_ffff => (26, 5),
            _ => (27, HEAD_BYTES_MAX),
        };
        let mut bytes = [0; HEAD_BYTES_MAX];
        bytes[0] = kind << 5 | short;
        let number = (length as u64).to_be_bytes();
        bytes[1..size].copy_from_slice(&number[HEAD_BYTES_MAX - size..]);
        Self { bytes, size }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::{shards, Head, BYTES};

    const STORED: &[u8] = b"\xa2\x71FailedRecordCount\x00\x67Records\x82\xa2\x6eSequenceNumber\x611\x67ShardId\x61a\xbf\x67ShardId\x61b\xff";

    #[test]
    fn the_shards_of_an_answer_are_read_whether_lengths_or_breaks_tell_its_ends() {
        assert_eq!(shards(STORED), Some(vec![&b"a"[..], b"b"]));
        let broken = b"\xbf\x67Records\x9f\xbf\x67ShardId\x61a\x69ErrorCode\xf6\xff\xff\x64More\xc1\x9f\x01\xfb12345678\xff\xff";
        assert_eq!(shards(broken), Some(vec![&b"a"[..]]));
        assert_eq!(shards(b"\xa1\x67Records\x80"), Some(vec![]));
    }

    #[test]
    fn what_failed_and_what_is_no_answer_is_not_read_here() {
        for end in 0..STORED.len() {
            assert_eq!(shards(&STORED[..end]), None);
        }
        for other in [
            &b"\xa1\x67Records\x81\xa1\x69ErrorCode\x61x"[..],
            b"\xa1\x67Records\x81\xa1\x6eSequenceNumber\x611",
            b"\xa1\x67Records\x81\xa1\x67ShardId\x60",
            b"\xa2\x71FailedRecordCount\x01\x67Records\x81\xa1\x67ShardId\x61a",
            b"\xa2\x67Records\x80\x67Records\x80",
            b"\xa1\x67Records\xa0",
            b"\xa0",
            b"{}",
            b"\xa1\x67Records\x80\x00",
            b"\xa1\x67Records\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            &[&b"\xa1\x61x"[..], &[0x81; 40]].concat(),
        ] {
            assert_eq!(shards(other), None, "{:?}", other);
        }
    }

    #[test]
    fn lengths_take_the_fewest_bytes() {
        for (length, bytes) in [
            (0, &b"\x40"[..]),
            (23, b"\x57"),
            (24, b"\x58\x18"),
            (255, b"\x58\xff"),
            (256, b"\x59\x01\x00"),
            (65_536, b"\x5a\x00\x01\x00\x00"),
            (1 << 32, b"\x5b\x00\x00\x00\x01\x00\x00\x00\x00"),
        ] {
            assert_eq!(Head::of(BYTES, length).bytes(), bytes);
        }
    }
}
