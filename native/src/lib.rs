//! What every event passes through, compiled: `processor._native`.

mod base64;
mod boundary;
mod changelog;
mod crc32c;
mod fetched;
mod json_text;
mod md5;
mod put_records;
mod python;
mod record;
mod record_batch;
mod shards;

use std::os::raw::c_char;
use std::ptr::null_mut;

use python::{PyMethodDef, PyModuleDef, PyModuleDefBase, PyObject, Py_ssize_t, METH_FASTCALL};

unsafe extern "C" fn version(
    _: *mut PyObject,
    _: *const *mut PyObject,
    _: Py_ssize_t,
) -> *mut PyObject {
    let text = env!("CARGO_PKG_VERSION");
    python::PyUnicode_FromStringAndSize(text.as_ptr().cast::<c_char>(), text.len() as Py_ssize_t)
}

struct Definition<T>(std::cell::UnsafeCell<T>);

// Python alone touches them, while it holds its lock.
unsafe impl<T> Sync for Definition<T> {}

const fn method(name: &'static [u8], call: python::Function) -> PyMethodDef {
    PyMethodDef {
        name: name.as_ptr().cast(),
        call: Some(call),
        flags: METH_FASTCALL,
        doc: std::ptr::null(),
    }
}

static METHODS: Definition<[PyMethodDef; 9]> = Definition(std::cell::UnsafeCell::new([
    method(b"version\0", version),
    method(b"put_records_body\0", put_records::put_records_body),
    method(b"record_batches\0", changelog::record_batches),
    method(b"seal_batch\0", changelog::seal_batch),
    method(b"unpacked\0", record::unpacked),
    method(b"is_whole\0", record::is_whole_batch),
    method(b"size_bytes\0", record::size_bytes),
    method(b"places_of\0", shards::places_of),
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
    (*MODULE.0.get()).methods = METHODS.0.get().cast();
    let module = python::PyModule_Create2(MODULE.0.get(), python::API_VERSION);
    if module.is_null() || record::add_type(module) {
        return module;
    }
    python::Py_DecRef(module);
    null_mut()
}
