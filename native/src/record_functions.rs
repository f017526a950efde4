//! The functions for state records in dictionaries, as Python calls them: see `records`.

use crate::core_functions::taken;
use crate::object::answered;
use crate::python::{PyObject, Py_ssize_t};
use crate::records;

/// `find_records(records, profiles, found) -> unknown`.
///
/// # Safety
/// Called by Python alone.
pub unsafe extern "C" fn find(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    answered(|| records::find(unsafe { taken(arguments, count) }?))
}

/// `put_records(records, changes, entry_overhead_bytes) -> grown_bytes`.
///
/// # Safety
/// Called by Python alone.
pub unsafe extern "C" fn put(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    answered(|| records::put(unsafe { taken(arguments, count) }?))
}

/// `drop_same(pending, changes) -> 1`.
///
/// # Safety
/// Called by Python alone.
pub unsafe extern "C" fn drop_same(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    answered(|| records::drop_same(unsafe { taken(arguments, count) }?))
}
