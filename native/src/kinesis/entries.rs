//! What the records of a PutRecords call carry, taken out of its exports for whatever form they are written in.

use crate::python::ahead::{fetch_bytes, OBJECTS_AHEAD};
use crate::python::answer::Answer;
use crate::python::content::{Bytes, Text};
use crate::python::object::Object;

/// How many entries ahead of the one that is written the caches are filled.
const DATA_AHEAD: usize = 4;

pub struct Entry {
    pub data: Bytes,
    pub key: Text,
}

/// The data and the partition key of each of a list of exports, in order.
pub fn of(exports: &Object) -> Answer<Vec<Entry>> {
    let (of_data, of_key) = (Object::name(b"data\0")?, Object::name(b"partition_key\0")?);
    let count = exports.list_len()?;
    let mut entries = Vec::with_capacity(count);
    for index in 0..count {
        exports.fetch_item(index + OBJECTS_AHEAD);
        let export = exports.item(index)?;
        entries.push(Entry {
            data: export.attribute(&of_data)?.into_bytes()?,
            key: export.attribute(&of_key)?.into_text()?,
        });
    }
    Ok(entries)
}

/// The entries in order, to be written: the data of those that follow is on its way.
pub fn with_data_ahead(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().enumerate().map(move |(number, entry)| {
        if let Some(following) = entries.get(number + DATA_AHEAD) {
            fetch_bytes(&following.data);
        }
        entry
    })
}
