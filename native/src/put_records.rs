//! The body of a PutRecords call in JSON: base64, escapes and joints written once, into the bytes that are sent.

use crate::boundary::{answer, bytes, given, members, new_bytes, text, Held, Name};
use crate::python::{PyObject, Py_ssize_t};
use crate::{base64, json_text};

const BEFORE_DATA: &[u8] = b"{\"Data\":\"";
const BEFORE_KEY: &[u8] = b"\",\"PartitionKey\":";
const AFTER_KEY: &[u8] = b"}";
const END: &[u8] = b"]}";

static DATA: Name = Name::of(b"data\0");
static PARTITION_KEY: Name = Name::of(b"partition_key\0");

/// `put_records_body(head, records)`: the body's bytes, which begin with `head`; None where it is not made here.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn put_records_body(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [head, records] = given(arguments, count)?;
            body(bytes(head)?, records)
        })
    }
}

unsafe fn body(head: &[u8], records: *mut PyObject) -> Option<Held> {
    let records = unsafe { members(records)? };
    let mut entries = Vec::with_capacity(records.len());
    let mut length = head.len() + END.len() + records.len().saturating_sub(1);
    for record in records {
        let (data, key) = unsafe { (DATA.member(record)?, PARTITION_KEY.member(record)?) };
        let (of_data, of_key) = unsafe { (bytes(data.as_ptr())?, text(key.as_ptr())?) };
        length += BEFORE_DATA.len() + base64::encoded_length(of_data.len());
        length += BEFORE_KEY.len() + json_text::quoted_length(of_key) + AFTER_KEY.len();
        entries.push((data, key, of_data, of_key));
    }
    unsafe {
        new_bytes(length, |to| {
            let mut to = Ahead(to);
            to.copy(head);
            for (number, (_, _, data, key)) in entries.iter().enumerate() {
                if number > 0 {
                    to.copy(b",");
                }
                to.copy(BEFORE_DATA);
                base64::write(data, to.next(base64::encoded_length(data.len())));
                to.copy(BEFORE_KEY);
                json_text::write_quoted(key, to.next(json_text::quoted_length(key)));
                to.copy(AFTER_KEY);
            }
            to.copy(END);
        })
    }
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
