//! Fetched batches and their records, as Python asks for them.
//!
//! Python's lock is held throughout: this takes some tens of microseconds, which is less than to let go of the lock, and to
//! wait for it again, may cost.

use crate::kafka::fetched_batch::{self, is_compressed, records};
use crate::kafka::record::{self, new_record, size_bytes_of};
use crate::kafka::written_batch::HEAD;
use crate::python::call::NotMine;
use crate::python::object::Object;

/// `unpacked(data, start, end, content) -> [Record] | None`: the records of the batch of format 2 that lies there in `data`,
/// in order; what follows its head is `content`, decompressed, or None where it is not compressed. None where it is not
/// unpacked here.
pub fn unpacked([data, start, end, content]: [Object; 4]) -> Result<Object, NotMine> {
    let batch = part(&data, &start, &end)?;
    // Of a batch that is compressed much may be held for little, and nothing bounds how much.
    let fetched = if content.is_none() { Some(&data) } else { None };
    let content = if !content.is_none() {
        content.as_bytes()?
    } else if is_compressed(batch).ok_or(NotMine)? {
        return Err(NotMine);
    } else {
        batch.get(HEAD..).ok_or(NotMine)?
    };
    let found = records(batch, content).ok_or(NotMine)?;
    let no_headers = Object::new_tuple([])?;
    let made = found
        .iter()
        .map(|each| new_record(each, fetched, &no_headers));
    Ok(Object::new_list_of(made)?)
}

/// `is_whole(data, start, end) -> bool | None`: whether the batch that lies there is as it was sent; None where it is not
/// of format 2.
pub fn is_whole([data, start, end]: [Object; 3]) -> Result<Object, NotMine> {
    let is_whole = fetched_batch::is_whole(part(&data, &start, &end)?).ok_or(NotMine)?;
    Ok(Object::truth(is_whole)?)
}

/// `size_bytes(records) -> int | None`: bytes of all keys and values of a list; None where one is no `Record`.
pub fn size_bytes([records]: [Object; 1]) -> Result<Object, NotMine> {
    let size_bytes: Option<usize> =
        records.look_at_items(|records| records.iter().map(size_bytes_of).sum())?;
    Ok(Object::integer(size_bytes.ok_or(NotMine)? as i64)?)
}

/// `keys(records) -> [bytes] | None`: the keys of a list of records, in order, of those that have one; None where one is no
/// `Record`.
pub fn keys([records]: [Object; 1]) -> Result<Object, NotMine> {
    let keys = Object::new_list()?;
    for record in &records.items()? {
        let key = record::key_of(record).ok_or(NotMine)?;
        if !key.is_none() {
            keys.append(&key)?;
        }
    }
    Ok(keys)
}

/// `kept(record) -> Record | None`: the record by itself, apart from all that was fetched with it; None where it is no
/// `Record`.
pub fn kept([record]: [Object; 1]) -> Result<Object, NotMine> {
    Ok(record::kept(&record).ok_or(NotMine)??)
}

fn part<'a>(data: &'a Object, start: &Object, end: &Object) -> Result<&'a [u8], NotMine> {
    let place = |number: &Object| usize::try_from(number.as_integer()?).map_err(|_| NotMine);
    let (start, end) = (place(start)?, place(end)?);
    data.as_bytes()?.get(start..end).ok_or(NotMine)
}
