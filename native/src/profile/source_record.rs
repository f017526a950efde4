//! What is in a record of the source topic, whoever made it.

use crate::kafka::record;
use crate::python::answer::{forget, Answer};
use crate::python::content::Bytes;
use crate::python::object::Object;

/// The names by which a record is asked: `processor.profile.source_record.Record`.
pub struct Names {
    key: Object,
    value: Object,
    headers: Object,
    timestamp: Object,
    offset: Object,
}

impl Names {
    pub fn new() -> Answer<Self> {
        Ok(Self {
            key: Object::name(b"key\0")?,
            value: Object::name(b"value\0")?,
            headers: Object::name(b"headers\0")?,
            timestamp: Object::name(b"timestamp\0")?,
            offset: Object::name(b"offset\0")?,
        })
    }
}

/// A record's parts; key and value are None where they are not bytes, times and offset where they are no integers: a record
/// of Kafka's oldest format has no time.
pub struct Fields {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Object,
    pub timestamp_ms: Option<i64>,
    pub offset: Option<i64>,
}

impl Fields {
    /// Reads a record: one of our own without asking Python, which takes 0.2 µs less than asking a named tuple.
    pub fn of(record: &Object, names: &Names) -> Answer<Self> {
        if let Some(own) = record::fields_of(record) {
            return Ok(own);
        }
        Ok(Self {
            key: record.attribute(&names.key)?.into_bytes_or_none(),
            value: record.attribute(&names.value)?.into_bytes_or_none(),
            headers: record.attribute(&names.headers)?,
            timestamp_ms: integer(&record.attribute(&names.timestamp)?),
            offset: integer(&record.attribute(&names.offset)?),
        })
    }
}

fn integer(number: &Object) -> Option<i64> {
    number.as_integer().map_err(forget).ok()
}
