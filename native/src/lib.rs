//! What every event passes through, compiled: `processor._native`.

#![deny(unsafe_op_in_unsafe_fn)]

mod as_it_stands;
mod batch;
mod canonical;
mod consent;
mod core;
mod core_functions;
mod delivery;
mod described_plan;
mod diff;
mod event;
mod export;
mod identities;
mod json;
mod names;
mod native_core;
mod number;
mod object;
mod plan;
mod profiles;
mod python;
mod reader;
mod record_functions;
mod records;
mod single;
mod special;
mod state_record;
mod text;
mod times;
mod tree;
mod twice;
mod xxh3;

use std::os::raw::c_char;
use std::ptr::null_mut;

use python::{PyMethodDef, PyModuleDef, PyModuleDefBase, PyObject, Py_ssize_t, METH_FASTCALL};

unsafe extern "C" fn version(
    _: *mut PyObject,
    _: *const *mut PyObject,
    _: Py_ssize_t,
) -> *mut PyObject {
    let text = env!("CARGO_PKG_VERSION");
    unsafe { python::PyUnicode_FromStringAndSize(text.as_ptr().cast::<c_char>(), text.len() as Py_ssize_t) }
}

struct Definition<T>(std::cell::UnsafeCell<T>);

// Python alone touches them, while it holds its lock.
unsafe impl<T> Sync for Definition<T> {}

static METHODS: Definition<[PyMethodDef; 8]> = Definition(std::cell::UnsafeCell::new([
    PyMethodDef {
        name: b"version\0".as_ptr().cast(),
        call: Some(version),
        flags: METH_FASTCALL,
        doc: b"version() -> str\0".as_ptr().cast(),
    },
    PyMethodDef {
        name: b"core\0".as_ptr().cast(),
        call: Some(core_functions::new_core),
        flags: METH_FASTCALL,
        doc: b"core(plan, standing, export_type) -> object | None\0".as_ptr().cast(),
    },
    PyMethodDef {
        name: b"apply\0".as_ptr().cast(),
        call: Some(core_functions::apply_event),
        flags: METH_FASTCALL,
        doc: b"apply(core, \xe2\x80\xa6) -> tuple | None\0".as_ptr().cast(),
    },
    PyMethodDef {
        name: b"process\0".as_ptr().cast(),
        call: Some(core_functions::process_batch),
        flags: METH_FASTCALL,
        doc: b"process(core, \xe2\x80\xa6) -> int\0".as_ptr().cast(),
    },
    PyMethodDef {
        name: b"counts\0".as_ptr().cast(),
        call: Some(core_functions::counts),
        flags: METH_FASTCALL,
        doc: b"counts(core) -> tuple\0".as_ptr().cast(),
    },
    PyMethodDef {
        name: b"find_records\0".as_ptr().cast(),
        call: Some(record_functions::find),
        flags: METH_FASTCALL,
        doc: b"find_records(records, profiles, found) -> list\0".as_ptr().cast(),
    },
    PyMethodDef {
        name: b"put_records\0".as_ptr().cast(),
        call: Some(record_functions::put),
        flags: METH_FASTCALL,
        doc: b"put_records(records, changes, entry_overhead_bytes) -> int\0".as_ptr().cast(),
    },
    PyMethodDef {
        name: std::ptr::null(),
        call: None,
        flags: 0,
        doc: std::ptr::null(),
    },
]));

static MODULE: Definition<PyModuleDef> = Definition(std::cell::UnsafeCell::new(PyModuleDef {
    base: PyModuleDefBase::new(),
    name: b"_native\0".as_ptr().cast(),
    doc: std::ptr::null(),
    size: -1,
    methods: null_mut(),
    slots: null_mut(),
    traverse: null_mut(),
    clear: null_mut(),
    free: null_mut(),
}));

/// Python's way in.
///
/// # Safety
/// Called by Python's import alone, with its lock held.
#[no_mangle]
pub unsafe extern "C" fn PyInit__native() -> *mut PyObject {
    // What it says may quote an event; that it happened is counted.
    std::panic::set_hook(Box::new(|_| {}));
    unsafe {
        (*MODULE.0.get()).methods = METHODS.0.get().cast();
        python::PyModule_Create2(MODULE.0.get(), python::API_VERSION)
    }
}
