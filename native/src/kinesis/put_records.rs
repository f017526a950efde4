//! The body of a PutRecords call in JSON: base64, escapes and joints written once, into the bytes that are sent.

use crate::json::quoted;
use crate::kinesis::base64;
use crate::kinesis::entries::{self, with_data_ahead};
use crate::kinesis::room::Room;
use crate::python::call::NotMine;
use crate::python::object::Object;

const BEFORE_DATA: &[u8] = b"{\"Data\":\"";
const BEFORE_KEY: &[u8] = b"\",\"PartitionKey\":";
const AFTER_KEY: &[u8] = b"}";
const END: &[u8] = b"]}";

/// `put_records_body(head, records) -> bytes | None`: the body, which begins with `head`; None where it is not made here.
pub fn put_records_body([head, records]: [Object; 2]) -> Result<Object, NotMine> {
    let head = head.as_bytes()?;
    let entries = entries::of(&records)?;
    let quoted_lengths: Vec<usize> = entries
        .iter()
        .map(|entry| quoted::length(&entry.key))
        .collect();
    let mut length = head.len() + END.len() + entries.len().saturating_sub(1);
    for (entry, quoted_length) in entries.iter().zip(&quoted_lengths) {
        length += BEFORE_DATA.len() + base64::encoded_length(entry.data.len());
        length += BEFORE_KEY.len() + quoted_length + AFTER_KEY.len();
    }
    Ok(Object::new_bytes_written(length, |to| {
        let mut to = Room(to);
        to.copy(head);
        for (number, (entry, quoted_length)) in
            with_data_ahead(&entries).zip(&quoted_lengths).enumerate()
        {
            if number > 0 {
                to.copy(b",");
            }
            to.copy(BEFORE_DATA);
            base64::write(
                &entry.data,
                to.next(base64::encoded_length(entry.data.len())),
            );
            to.copy(BEFORE_KEY);
            quoted::write(&entry.key, to.next(*quoted_length));
            to.copy(AFTER_KEY);
        }
        to.copy(END);
    })?)
}
