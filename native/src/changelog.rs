//! Entries of the changelog as batches for Kafka, and what their sender puts in.

use std::os::raw::c_char;
use std::ptr::null_mut;

use crate::boundary::{answer, byte_array, bytes, given, whole, Held};
use crate::python::{self, PyObject, Py_ssize_t};
use crate::record_batch::{seal, Batch, Entry};

/// `record_batches(entries, bytes_max, timestamp_ms, offset_name, backfill_name)`: batches of a dict's entries, in order,
/// each a bytearray and its count of records; None where they are not made here.
///
/// A value is a record's, or a deletion: a tuple of a source offset and a backfill's number, which stand in headers of
/// these names, the latter where it is not 0.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn record_batches(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [entries, bytes_max, timestamp_ms, offset_name, backfill_name] =
                given(arguments, count)?;
            let names = [bytes(offset_name)?, bytes(backfill_name)?];
            let bytes_max = usize::try_from(whole(bytes_max)?).ok()?;
            batches(entries, bytes_max, whole(timestamp_ms)?, names)
        })
    }
}

/// `seal_batch(batch, codec, producer, epoch, sequence)`: put them, and the checksum, into a bytearray of `record_batches`,
/// and return it; None where it is none.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn seal_batch(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [batch, codec, producer, epoch, sequence] = given(arguments, count)?;
            let bytes = byte_array(batch)?;
            let codec = whole(codec)?.try_into().ok()?;
            let (epoch, sequence) = (
                whole(epoch)?.try_into().ok()?,
                whole(sequence)?.try_into().ok()?,
            );
            seal(bytes, codec, whole(producer)?, epoch, sequence).then(|| Held::borrowed(batch))
        })
    }
}

unsafe fn batches(
    entries: *mut PyObject,
    bytes_max: usize,
    timestamp_ms: i64,
    names: [&[u8]; 2],
) -> Option<Held> {
    unsafe {
        let made = Held::new(python::PyList_New(0))?;
        let (mut key, mut value): (*mut PyObject, *mut PyObject) = (null_mut(), null_mut());
        let (mut position, mut batch) = (0, None::<Batch>);
        // Another than a dict has no entries for it, and no size.
        let mut left = usize::try_from(python::PyDict_Size(entries)).ok()?;
        while python::PyDict_Next(entries, &mut position, &mut key, &mut value) != 0 {
            let key = bytes(key)?;
            let texts;
            let mut headers = [(names[0], names[1]); 2];
            let entry = if let Some(value) = bytes(value) {
                Entry {
                    key,
                    value: Some(value),
                    headers: &[],
                }
            } else {
                python::PyErr_Clear();
                texts = deletion(value)?;
                headers[0].1 = texts.0.as_bytes();
                headers[1] = (names[1], texts.1.as_bytes());
                let told = 2 - usize::from(texts.1 == "0");
                Entry {
                    key,
                    value: None,
                    headers: &headers[..told],
                }
            };
            let mut current = batch
                .take()
                .unwrap_or_else(|| Batch::new(timestamp_ms, bytes_max.min(left * 300)));
            if !current.append(&entry, bytes_max) {
                add(&made, current)?;
                current = Batch::new(timestamp_ms, bytes_max.min(left * 300));
                current.append(&entry, bytes_max);
            }
            batch = Some(current);
            left -= 1;
        }
        if let Some(last) = batch {
            add(&made, last)?;
        }
        Some(made)
    }
}

/// A deletion's source offset and its backfill's number, as texts.
unsafe fn deletion(value: *mut PyObject) -> Option<(String, String)> {
    unsafe {
        if python::PyTuple_Size(value) != 2 {
            return None;
        }
        let (offset, backfill) = (
            python::PyTuple_GetItem(value, 0),
            python::PyTuple_GetItem(value, 1),
        );
        Some((whole(offset)?.to_string(), whole(backfill)?.to_string()))
    }
}

unsafe fn add(to: &Held, batch: Batch) -> Option<()> {
    let count = batch.count() as i64;
    let bytes = batch.finished();
    unsafe {
        let (from, size) = (bytes.as_ptr().cast::<c_char>(), bytes.len() as Py_ssize_t);
        let bytes = Held::new(python::PyByteArray_FromStringAndSize(from, size))?;
        let count = Held::new(python::PyLong_FromLongLong(count))?;
        let pair = Held::new(python::PyTuple_New(2))?;
        // A tuple takes the references over.
        python::PyTuple_SetItem(pair.as_ptr(), 0, bytes.into_new());
        python::PyTuple_SetItem(pair.as_ptr(), 1, count.into_new());
        (python::PyList_Append(to.as_ptr(), pair.as_ptr()) == 0).then_some(())
    }
}
