//! The body of a PutRecords call in JSON: base64, escapes and joints written once, into the bytes that are sent.

use crate::json::quoted;
use crate::kinesis::base64;
use crate::kinesis::room::Room;
use crate::python::ahead::{fetch_bytes, OBJECTS_AHEAD};
use crate::python::call::NotMine;
use crate::python::object::Object;

const BEFORE_DATA: &[u8] = b"{\"Data\":\"";
const BEFORE_KEY: &[u8] = b"\",\"PartitionKey\":";
const AFTER_KEY: &[u8] = b"}";
/// How many records ahead of the one that is written the caches are filled.
const DATA_AHEAD: usize = 4;
const END: &[u8] = b"]}";

/// `put_records_body(head, records) -> bytes | None`: the body, which begins with `head`; None where it is not made here.
pub fn put_records_body([head, records]: [Object; 2]) -> Result<Object, NotMine> {
    let head = head.as_bytes()?;
    let (of_data, of_key) = (Object::name(b"data\0")?, Object::name(b"partition_key\0")?);
    let count = records.list_len()?;
    let mut entries = Vec::with_capacity(count);
    let mut length = head.len() + END.len() + count.saturating_sub(1);
    for index in 0..count {
        records.fetch_item(index + OBJECTS_AHEAD);
        let record = records.item(index)?;
        let data = record.attribute(&of_data)?.into_bytes()?;
        let key = record.attribute(&of_key)?.into_text()?;
        let quoted_length = quoted::length(&key);
        length += BEFORE_DATA.len() + base64::encoded_length(data.len());
        length += BEFORE_KEY.len() + quoted_length + AFTER_KEY.len();
        entries.push((data, key, quoted_length));
    }
    Ok(Object::new_bytes_written(length, |to| {
        let mut to = Room(to);
        to.copy(head);
        for (number, (data, key, quoted_length)) in entries.iter().enumerate() {
            if let Some((following, _, _)) = entries.get(number + DATA_AHEAD) {
                fetch_bytes(following);
            }
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
