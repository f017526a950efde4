//! Kafka's record batch of format 2, written whole: https://kafka.apache.org/documentation/#recordbatch.
//!
//! As aiokafka's builder writes it; who sends it may compress what follows the head, and has `seal` put in at last what
//! depends on that and on the producer.

use crate::kafka::crc32c::crc32c;

/// Bytes before a batch's first record.
pub const HEAD: usize = 61;
/// Where what the checksum covers begins; it stands right before.
pub const CHECKED_FROM: usize = 21;
const BASE_OFFSET: usize = 8;
const LENGTH_TO: usize = 12;
const CHECKSUM_AT: usize = 17;
const CODEC_AT: usize = 22;
const LAST_OFFSET_AT: usize = 23;
const PRODUCER_AT: usize = 43;
const EPOCH_AT: usize = 51;
const SEQUENCE_AT: usize = 53;
const COUNT_AT: usize = 57;

/// A record's content; without a value it is a deletion.
pub struct Entry<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

/// A batch that grows.
pub struct Batch {
    bytes: Vec<u8>,
    count: i32,
}

impl Batch {
    /// An empty batch, all of whose records will have this time, in ms since the epoch.
    pub fn new(timestamp_ms: i64, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(&[0; LENGTH_TO]); // offset, given by the broker, and length
        bytes.extend_from_slice(&(-1i32).to_be_bytes()); // no leader's epoch
        bytes.push(2); // format
        bytes.extend_from_slice(&[0; 10]); // checksum, attributes, last offset
        bytes.extend_from_slice(&timestamp_ms.to_be_bytes()); // first
        bytes.extend_from_slice(&timestamp_ms.to_be_bytes()); // last
        bytes.extend_from_slice(&[0; 18]); // producer, epoch, sequence, count
        debug_assert_eq!(bytes.len(), HEAD);
        Self { bytes, count: 0 }
    }

    /// How many records it has.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Append a record, where the batch has fewer than `bytes_max` bytes with it; the first has room in any case.
    pub fn append(&mut self, entry: &Entry, bytes_max: usize) -> bool {
        let length = self.length_of(entry);
        let needed = varint_length(length as i64) + length;
        if self.count > 0 && self.bytes.len() + needed >= bytes_max {
            return false;
        }
        self.bytes.reserve(needed);
        self.put_varint(length as i64);
        self.bytes.extend_from_slice(&[0, 0]); // attributes, and no distance in time
        self.put_varint(i64::from(self.count));
        self.put(entry.key);
        match entry.value {
            Some(value) => self.put(value),
            None => self.put_varint(-1),
        }
        self.put_varint(entry.headers.len() as i64);
        for (name, value) in entry.headers {
            self.put(name);
            self.put(value);
        }
        self.count += 1;
        true
    }

    /// The batch, but for what `seal` puts in.
    pub fn finished(mut self) -> Vec<u8> {
        let last = (self.count - 1).max(0);
        self.bytes[LAST_OFFSET_AT..LAST_OFFSET_AT + 4].copy_from_slice(&last.to_be_bytes());
        self.bytes[COUNT_AT..HEAD].copy_from_slice(&self.count.to_be_bytes());
        self.bytes
    }

    /// Bytes of a record, its length not included.
    fn length_of(&self, entry: &Entry) -> usize {
        let headers = entry.headers.iter();
        let value = entry.value.map_or(1, field_length);
        let head = 2 + varint_length(i64::from(self.count)) + field_length(entry.key) + value;
        let named = headers.map(|(name, value)| field_length(name) + field_length(value));
        head + varint_length(entry.headers.len() as i64) + named.sum::<usize>()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as i64);
        self.bytes.extend_from_slice(bytes);
    }

    fn put_varint(&mut self, value: i64) {
        let mut rest = zigzag(value);
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }
}

/// Put into a batch its length, the codec of what follows its head, its producer's state, and the checksum of all; false
/// where it is too short for one.
pub fn seal(batch: &mut [u8], codec: u8, producer: i64, epoch: i16, sequence: i32) -> bool {
    if batch.len() < HEAD {
        return false;
    }
    let length = (batch.len() - LENGTH_TO) as i32;
    batch[BASE_OFFSET..LENGTH_TO].copy_from_slice(&length.to_be_bytes());
    batch[CODEC_AT] = codec;
    batch[PRODUCER_AT..EPOCH_AT].copy_from_slice(&producer.to_be_bytes());
    batch[EPOCH_AT..SEQUENCE_AT].copy_from_slice(&epoch.to_be_bytes());
    batch[SEQUENCE_AT..COUNT_AT].copy_from_slice(&sequence.to_be_bytes());
    let checksum = crc32c(&batch[CHECKED_FROM..]);
    batch[CHECKSUM_AT..CHECKED_FROM].copy_from_slice(&checksum.to_be_bytes());
    true
}

/// Small numbers of either sign as small ones of none, as in Protocol Buffers.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn varint_length(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    (bits + 6) / 7
}

fn field_length(bytes: &[u8]) -> usize {
    varint_length(bytes.len() as i64) + bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{seal, varint_length, Batch, Entry, HEAD};

    fn entry<'a>(key: &'a [u8], value: Option<&'a [u8]>) -> Entry<'a> {
        Entry {
            key,
            value,
            headers: &[],
        }
    }

    #[test]
    fn a_record_that_does_not_fit_is_not_taken_unless_it_is_the_first() {
        let mut batch = Batch::new(0, 0);
        assert!(batch.append(&entry(b"key", Some(&[7; 1_000])), 100));
        assert!(!batch.append(&entry(b"key", None), 100));
        assert_eq!(batch.count(), 1);
        // Length, attributes, time, offset, key, value of 1,000 bytes, and no headers.
        assert_eq!(batch.finished().len(), HEAD + 2 + 3 + 4 + 1_002 + 1);
    }

    #[test]
    fn lengths_of_numbers_grow_as_protocol_buffers_have_it() {
        let lengths = [
            (0, 1),
            (-1, 1),
            (63, 1),
            (-64, 1),
            (64, 2),
            (8_191, 2),
            (8_192, 3),
            (i64::MIN, 10),
        ];
        for (value, length) in lengths {
            assert_eq!(varint_length(value), length, "{value}");
        }
    }

    #[test]
    fn what_is_no_batch_is_not_sealed() {
        assert!(!seal(&mut [0; HEAD - 1], 0, 1, 1, 1));
    }
}
