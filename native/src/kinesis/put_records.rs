//! The body of a PutRecords call in JSON: base64, escapes and joints written once, into the bytes that are sent.

use crate::json::quoted;
use crate::kinesis::base64;
use crate::python::call::NotMine;
use crate::python::object::Object;

const BEFORE_DATA: &[u8] = b"{\"Data\":\"";
const BEFORE_KEY: &[u8] = b"\",\"PartitionKey\":";
const AFTER_KEY: &[u8] = b"}";
const END: &[u8] = b"]}";

/// `put_records_body(head, records) -> bytes | None`: the body, which begins with `head`; None where it is not made here.
pub fn put_records_body([head, records]: [Object; 2]) -> Result<Object, NotMine> {
    let head = head.as_bytes()?;
    let (of_data, of_key) = (Object::name(b"data\0")?, Object::name(b"partition_key\0")?);
    let count = records.list_len()?;
    let mut entries = Vec::with_capacity(count);
    let mut length = head.len() + END.len() + count.saturating_sub(1);
    for index in 0..count {
        let record = records.item(index)?;
        let data = record.attribute(&of_data)?.into_bytes()?;
        let key = record.attribute(&of_key)?.into_text()?;
        let quoted_length = quoted::length(&key);
        length += BEFORE_DATA.len() + base64::encoded_length(data.len());
        length += BEFORE_KEY.len() + quoted_length + AFTER_KEY.len();
        entries.push((data, key, quoted_length));
    }
    Ok(Object::new_bytes_written(length, |to| {
        let mut to = Ahead(to);
        to.copy(head);
        for (number, (data, key, quoted_length)) in entries.iter().enumerate() {
            if number > 0 {
                to.copy(b",");
            }
            to.copy(BEFORE_DATA);
            base64::write(data, to.next(base64::encoded_length(data.len())));
            to.copy(BEFORE_KEY);
            quoted::write(key, to.next(*quoted_length));
            to.copy(AFTER_KEY);
        }
        to.copy(END);
    })?)
}

/// What is not written yet of a buffer.
struct Ahead<'a>(&'a mut [u8]);

impl<'a> Ahead<'a> {
    fn next(&mut self, length: usize) -> &'a mut [u8] {
        let (next, rest) = std::mem::take(&mut self.0).split_at_mut(length);
        self.0 = rest;
        next
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.next(bytes.len()).copy_from_slice(bytes);
    }
}
