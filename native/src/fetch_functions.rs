//! Fetched batches and their records, as Python asks for them.

use crate::boundary::{answer, bytes, given, members, none, whole, Held};
use crate::fetched::{is_compressed, is_whole, records};
use crate::python::{self, PyObject, Py_ssize_t};
use crate::record::{made, size_bytes_of};
use crate::record_batch::HEAD;

/// `unpacked(data, start, end, content)`: the records of the batch of format 2 that lies there in `data`, in order; what
/// follows its head is `content`, decompressed, or None where it is not compressed. None where it is not unpacked here.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn unpacked(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [data, start, end, content] = given(arguments, count)?;
            let batch = part(data, start, end)?;
            let content = if content != none() {
                bytes(content)?
            } else if is_compressed(batch)? {
                return None;
            } else {
                batch.get(HEAD..)?
            };
            let found = records(batch, content)?;
            let list = Held::new(python::PyList_New(found.len() as Py_ssize_t))?;
            let no_headers = Held::new(python::PyTuple_New(0))?;
            for (at, each) in found.iter().enumerate() {
                let record = made(each, &no_headers)?;
                // A list takes the reference over.
                python::PyList_SetItem(list.as_ptr(), at as Py_ssize_t, record.into_new());
            }
            Some(list)
        })
    }
}

/// `is_whole(data, start, end)`: whether the batch that lies there is as it was sent; None where it is not of format 2.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn is_whole_batch(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [data, start, end] = given(arguments, count)?;
            Held::new(python::PyBool_FromLong(
                is_whole(part(data, start, end)?)?.into(),
            ))
        })
    }
}

/// `size_bytes(records)`: bytes of all keys and values of a list; None where one is no `Record`.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn size_bytes(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [list] = given(arguments, count)?;
            let mut size = 0;
            for each in members(list)? {
                size += size_bytes_of(each)?;
            }
            Held::new(python::PyLong_FromLongLong(size as i64))
        })
    }
}

unsafe fn part<'a>(
    data: *mut PyObject,
    start: *mut PyObject,
    end: *mut PyObject,
) -> Option<&'a [u8]> {
    unsafe {
        let (start, end) = (
            usize::try_from(whole(start)?).ok()?,
            usize::try_from(whole(end)?).ok()?,
        );
        bytes(data)?.get(start..end)
    }
}
