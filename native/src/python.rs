//! The part of Python's stable ABI that is used here (https://docs.python.org/3/c-api/stable.html), so that one
//! library serves every CPython from 3.11 on, and is built without its headers.

#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_int, c_void};

pub type Py_ssize_t = isize;

/// A Python object; never made or looked into here.
#[repr(C)]
pub struct PyObject {
    _opaque: [u8; 0],
}

/// A function of the module, called with its positional arguments in an array.
pub type Function =
    unsafe extern "C" fn(*mut PyObject, *const *mut PyObject, Py_ssize_t) -> *mut PyObject;

#[repr(C)]
pub struct PyMethodDef {
    pub name: *const c_char,
    pub call: Option<Function>,
    pub flags: c_int,
    pub doc: *const c_char,
}

#[repr(C)]
pub struct PyModuleDefBase {
    reference_count: Py_ssize_t,
    of_type: *mut PyObject,
    init: *mut c_void,
    index: Py_ssize_t,
    copy: *mut PyObject,
}

#[repr(C)]
pub struct PyModuleDef {
    pub base: PyModuleDefBase,
    pub name: *const c_char,
    pub doc: *const c_char,
    pub size: Py_ssize_t,
    pub methods: *mut PyMethodDef,
    pub slots: *mut c_void,
    pub traverse: *mut c_void,
    pub clear: *mut c_void,
    pub free: *mut c_void,
}

pub const METH_FASTCALL: c_int = 0x80;
pub const API_VERSION: c_int = 3;

impl PyModuleDefBase {
    pub const fn new() -> Self {
        Self {
            reference_count: 1,
            of_type: std::ptr::null_mut(),
            init: std::ptr::null_mut(),
            index: 0,
            copy: std::ptr::null_mut(),
        }
    }
}

extern "C" {
    pub fn PyModule_Create2(definition: *mut PyModuleDef, api_version: c_int) -> *mut PyObject;
    pub fn PyUnicode_FromStringAndSize(text: *const c_char, size: Py_ssize_t) -> *mut PyObject;
}
