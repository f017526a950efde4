//! State records on their way from the core to the disk: looked for in, put into and dropped from dicts, by batches.

use std::ptr::null_mut;

use crate::boundary::{answer, bytes, given, members, whole, Held};
use crate::python::{self, PyObject, Py_ssize_t};
use crate::state_record::has_departed;

/// `recalled(records, profiles, found)`: put the records of those of a list of profiles that have one into `found`, and
/// return the others; None where this is not done here.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn recalled(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [records, profiles, found] = given(arguments, count)?;
            let unknown = Held::new(python::PyList_New(0))?;
            for profile in members(profiles)? {
                let record = python::PyDict_GetItemWithError(records, profile);
                let status = if !record.is_null() {
                    python::PyDict_SetItem(found, profile, record)
                } else if python::PyErr_Occurred().is_null() {
                    python::PyList_Append(unknown.as_ptr(), profile)
                } else {
                    return None;
                };
                if status != 0 {
                    return None;
                }
            }
            Some(unknown)
        })
    }
}

/// `put_changes(records, changes, overhead_bytes)`: put a dict of state records into another; by how many bytes that one
/// grew, with so many for a profile that is new in it, and the profiles that departed, in order. None, and nothing put,
/// where this is not done here.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn put_changes(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [records, changes, overhead_bytes] = given(arguments, count)?;
            let overhead_bytes = whole(overhead_bytes)?;
            let changes = entries(changes)?;
            let departed = Held::new(python::PyList_New(0))?;
            let mut grown_bytes = 0;
            for (profile, record) in &changes {
                let of_record = bytes(*record)?;
                let before = python::PyDict_GetItemWithError(records, *profile);
                if !before.is_null() {
                    grown_bytes -= bytes(before)?.len() as i64;
                } else if python::PyErr_Occurred().is_null() {
                    grown_bytes += overhead_bytes + bytes(*profile)?.len() as i64;
                } else {
                    return None;
                }
                grown_bytes += of_record.len() as i64;
                if has_departed(of_record)
                    && python::PyList_Append(departed.as_ptr(), *profile) != 0
                {
                    return None;
                }
            }
            let told = Held::new(python::PyTuple_New(2))?;
            // A tuple takes the references over.
            let grown_bytes = Held::new(python::PyLong_FromLongLong(grown_bytes))?;
            python::PyTuple_SetItem(told.as_ptr(), 0, grown_bytes.into_new());
            python::PyTuple_SetItem(told.as_ptr(), 1, departed.into_new());
            for (profile, record) in changes {
                if python::PyDict_SetItem(records, profile, record) != 0 {
                    return None;
                }
            }
            Some(told)
        })
    }
}

/// `drop_same(pending, changes)`: drop from a dict the entries of which another has the very same record; None where this
/// is not done here.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn drop_same(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [pending, changes] = given(arguments, count)?;
            for (profile, record) in entries(changes)? {
                if python::PyDict_GetItemWithError(pending, profile) == record
                    && python::PyDict_DelItem(pending, profile) != 0
                {
                    return None;
                }
            }
            python::PyErr_Occurred().is_null().then_some(())?;
            Held::new(python::PyBool_FromLong(1))
        })
    }
}

/// `any_departed(changes)`: whether any record of a dict is of a profile that departed; None where this is not told here.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn any_departed(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [changes] = given(arguments, count)?;
            let mut found = false;
            for (_, record) in entries(changes)? {
                found = found || has_departed(bytes(record)?);
            }
            Held::new(python::PyBool_FromLong(found.into()))
        })
    }
}

/// The entries of a dict, in order, borrowed from it; None of another object.
unsafe fn entries(dict: *mut PyObject) -> Option<Vec<(*mut PyObject, *mut PyObject)>> {
    unsafe {
        let mut found = Vec::with_capacity(usize::try_from(python::PyDict_Size(dict)).ok()?);
        let (mut position, mut key, mut value) = (0, null_mut(), null_mut());
        while python::PyDict_Next(dict, &mut position, &mut key, &mut value) != 0 {
            found.push((key, value));
        }
        Some(found)
    }
}
