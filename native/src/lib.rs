//! What every event passes through, compiled: `processor._native`.

#![deny(unsafe_op_in_unsafe_fn)]

mod as_it_stands;
mod base64;
mod batch;
mod boundary;
mod canonical;
mod changelog;
mod consent;
mod core;
mod core_functions;
mod crc32c;
mod delivery;
mod described_plan;
mod diff;
mod event;
mod export;
mod fetch_functions;
mod fetched;
mod identities;
mod json;
mod json_text;
mod md5;
mod names;
mod native_core;
mod number;
mod object;
mod plan;
mod profiles;
mod put_records;
mod python;
mod reader;
mod record;
mod record_batch;
mod record_functions;
mod records;
mod shards;
mod single;
mod source_record;
mod special;
mod state_record;
mod text;
mod times;
mod tree;
mod twice;
mod xxh3;

use std::os::raw::c_char;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI64, Ordering};

use python::{PyMethodDef, PyModuleDef, PyModuleDefBase, PyObject, Py_ssize_t, METH_FASTCALL};

unsafe extern "C" fn version(
    _: *mut PyObject,
    _: *const *mut PyObject,
    _: Py_ssize_t,
) -> *mut PyObject {
    let text = env!("CARGO_PKG_VERSION");
    unsafe {
        python::PyUnicode_FromStringAndSize(
            text.as_ptr().cast::<c_char>(),
            text.len() as Py_ssize_t,
        )
    }
}

/// Panics of this process. Each is caught where Python called, and what it was called for is left to plain Python.
static PANICS: AtomicI64 = AtomicI64::new(0);

unsafe extern "C" fn panics(
    _: *mut PyObject,
    _: *const *mut PyObject,
    _: Py_ssize_t,
) -> *mut PyObject {
    unsafe { python::PyLong_FromLongLong(PANICS.load(Ordering::Relaxed)) }
}

struct Definition<T>(std::cell::UnsafeCell<T>);

// Python alone touches them, while it holds its lock.
unsafe impl<T> Sync for Definition<T> {}

/// A function of the module; what it takes and returns stands in `processor/_native.pyi`.
const fn method(name: &'static [u8], call: python::Function) -> PyMethodDef {
    PyMethodDef {
        name: name.as_ptr().cast(),
        call: Some(call),
        flags: METH_FASTCALL,
        doc: null(),
    }
}

const END: PyMethodDef = PyMethodDef {
    name: null(),
    call: None,
    flags: 0,
    doc: null(),
};

static METHODS: Definition<[PyMethodDef; 17]> = Definition(std::cell::UnsafeCell::new([
    method(b"version\0", version),
    method(b"panics\0", panics),
    method(b"core\0", core_functions::new_core),
    method(b"apply\0", core_functions::apply_event),
    method(b"process\0", core_functions::process_batch),
    method(b"counts\0", core_functions::counts),
    method(b"put_records_body\0", put_records::put_records_body),
    method(b"record_batches\0", changelog::record_batches),
    method(b"seal_batch\0", changelog::seal_batch),
    method(b"unpacked\0", fetch_functions::unpacked),
    method(b"is_whole\0", fetch_functions::is_whole_batch),
    method(b"size_bytes\0", fetch_functions::size_bytes),
    method(b"find_records\0", record_functions::find),
    method(b"put_records\0", record_functions::put),
    method(b"drop_same\0", record_functions::drop_same),
    method(b"places_of\0", shards::places_of),
    END,
]));

static MODULE: Definition<PyModuleDef> = Definition(std::cell::UnsafeCell::new(PyModuleDef {
    base: PyModuleDefBase::new(),
    name: b"_native\0".as_ptr().cast(),
    doc: null(),
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
    std::panic::set_hook(Box::new(|_| {
        PANICS.fetch_add(1, Ordering::Relaxed);
    }));
    unsafe {
        (*MODULE.0.get()).methods = METHODS.0.get().cast();
        let module = python::PyModule_Create2(MODULE.0.get(), python::API_VERSION);
        if module.is_null() || record::add_type(module) {
            return module;
        }
        python::Py_DecRef(module);
    }
    null_mut()
}
