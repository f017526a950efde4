//! Entries of the changelog as batches for Kafka, and what their sender puts in.

use crate::kafka::written_batch::{seal, Batch, Entry};
use crate::python::answer::forget;
use crate::python::call::NotMine;
use crate::python::object::Object;

/// What a batch is given room for, for each entry that may come into it.
const ROOM_BYTES_AN_ENTRY: usize = 300;

/// `record_batches(entries, bytes_max, timestamp_ms, offset_name, backfill_name) -> [(bytearray, count)] | None`: batches of
/// a dict's entries, in order, each with its count of records; None where they are not made here.
///
/// A value is a record's, or a deletion: a tuple of a source offset and a backfill's number, which stand in headers of
/// these names, the latter where it is not 0.
pub fn record_batches(
    [entries, bytes_max, timestamp_ms, offset_name, backfill_name]: [Object; 5],
) -> Result<Object, NotMine> {
    let names = [offset_name.as_bytes()?, backfill_name.as_bytes()?];
    let bytes_max = usize::try_from(bytes_max.as_integer()?).map_err(|_| NotMine)?;
    let timestamp_ms = timestamp_ms.as_integer()?;
    let new_batch =
        |entries: usize| Batch::new(timestamp_ms, bytes_max.min(entries * ROOM_BYTES_AN_ENTRY));
    let made = Object::new_list()?;
    let mut left = entries.dict_len()?;
    let mut batch = None;
    for (key, value) in entries.entries() {
        let key = key.as_bytes()?;
        let (told, headers);
        let entry = match value.as_bytes() {
            Ok(value) => Entry {
                key,
                value: Some(value),
                headers: &[],
            },
            Err(raised) => {
                forget(raised);
                told = Deletion::of(&value)?;
                headers = [
                    (names[0], told.offset.as_bytes()),
                    (names[1], told.backfill.as_bytes()),
                ];
                Entry {
                    key,
                    value: None,
                    headers: &headers[..told.headers()],
                }
            }
        };
        let mut current = batch.take().unwrap_or_else(|| new_batch(left));
        if !current.append(&entry, bytes_max) {
            add(&made, current)?;
            current = new_batch(left);
            current.append(&entry, bytes_max);
        }
        batch = Some(current);
        left = left.saturating_sub(1);
    }
    if let Some(last) = batch {
        add(&made, last)?;
    }
    Ok(made)
}

/// `seal_batch(batch, codec, producer, epoch, sequence) -> batch | None`: puts them, and the checksum, into a bytearray of
/// `record_batches`; None where it is none.
pub fn seal_batch(
    [batch, codec, producer, epoch, sequence]: [Object; 5],
) -> Result<Object, NotMine> {
    let codec = codec.as_integer()?.try_into().map_err(|_| NotMine)?;
    let producer = producer.as_integer()?;
    let epoch = epoch.as_integer()?.try_into().map_err(|_| NotMine)?;
    let sequence = sequence.as_integer()?.try_into().map_err(|_| NotMine)?;
    let is_sealed =
        batch.change_byte_array(|bytes| seal(bytes, codec, producer, epoch, sequence))?;
    if is_sealed {
        Ok(batch)
    } else {
        Err(NotMine)
    }
}

/// What the headers of a deletion say.
struct Deletion {
    offset: String,
    backfill: String,
}

impl Deletion {
    fn of(value: &Object) -> Result<Self, NotMine> {
        if !value.is_tuple() || value.len()? != 2 {
            return Err(NotMine);
        }
        Ok(Self {
            offset: value.item(0)?.as_integer()?.to_string(),
            backfill: value.item(1)?.as_integer()?.to_string(),
        })
    }

    /// How many headers there are: a backfill's number stands there where there was a backfill.
    fn headers(&self) -> usize {
        if self.backfill == "0" {
            1
        } else {
            2
        }
    }
}

fn add(to: &Object, batch: Batch) -> Result<(), NotMine> {
    let count = Object::integer(batch.count() as i64)?;
    let bytes = Object::new_byte_array(&batch.finished())?;
    Ok(to.append(&Object::new_tuple([bytes, count])?)?)
}
