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

/// A Python object's head: its count of references and its type.
#[repr(C)]
pub struct PyObjectHead {
    pub reference_count: Py_ssize_t,
    pub of_type: *mut PyObject,
}

#[repr(C)]
pub struct PyMemberDef {
    pub name: *const c_char,
    pub kind: c_int,
    pub offset: Py_ssize_t,
    pub flags: c_int,
    pub doc: *const c_char,
}

#[repr(C)]
pub struct PyGetSetDef {
    pub name: *const c_char,
    pub get: Option<unsafe extern "C" fn(*mut PyObject, *mut c_void) -> *mut PyObject>,
    pub set: *mut c_void,
    pub doc: *const c_char,
    pub closure: *mut c_void,
}

#[repr(C)]
pub struct PyTypeSlot {
    pub slot: c_int,
    pub value: *mut c_void,
}

#[repr(C)]
pub struct PyTypeSpec {
    pub name: *const c_char,
    pub basic_size: c_int,
    pub item_size: c_int,
    pub flags: std::os::raw::c_uint,
    pub slots: *mut PyTypeSlot,
}

pub const MEMBER_OBJECT: c_int = 16;
pub const MEMBER_I64: c_int = 17;
pub const MEMBER_READ_ONLY: c_int = 1;
pub const SLOT_DEALLOC: c_int = 52;
pub const SLOT_DOC: c_int = 56;
pub const SLOT_MEMBERS: c_int = 72;
pub const SLOT_GETTERS: c_int = 73;
pub const TYPE_DEFAULT: std::os::raw::c_uint = 1 << 18;
pub const TYPE_MAKES_NONE: std::os::raw::c_uint = 1 << 7;

extern "C" {
    pub static PyExc_KeyError: *mut PyObject;
    pub static PyExc_RuntimeError: *mut PyObject;
    #[link_name = "_Py_NoneStruct"]
    pub static NONE: PyObject;
    #[link_name = "PyByteArray_Type"]
    pub static BYTE_ARRAY: PyObject;

    pub fn PyModule_Create2(definition: *mut PyModuleDef, api_version: c_int) -> *mut PyObject;
    pub fn Py_IncRef(object: *mut PyObject);
    pub fn Py_DecRef(object: *mut PyObject);
    pub fn PyErr_Clear();
    pub fn PyErr_Occurred() -> *mut PyObject;
    pub fn PyErr_SetObject(exception: *mut PyObject, value: *mut PyObject);
    pub fn PyErr_SetString(exception: *mut PyObject, message: *const c_char);
    pub fn PyEval_SaveThread() -> *mut c_void;
    pub fn PyEval_RestoreThread(state: *mut c_void);

    pub fn PyCapsule_New(
        pointer: *mut c_void,
        name: *const c_char,
        destructor: Option<unsafe extern "C" fn(*mut PyObject)>,
    ) -> *mut PyObject;
    pub fn PyCapsule_GetPointer(capsule: *mut PyObject, name: *const c_char) -> *mut c_void;

    pub fn PyObject_CallFunctionObjArgs(callable: *mut PyObject, ...) -> *mut PyObject;
    pub fn PyObject_GetAttr(object: *mut PyObject, name: *mut PyObject) -> *mut PyObject;
    pub fn PyObject_Hash(object: *mut PyObject) -> Py_ssize_t;
    pub fn PyObject_IsTrue(object: *mut PyObject) -> c_int;
    pub fn PyObject_IsInstance(object: *mut PyObject, of_type: *mut PyObject) -> c_int;
    pub fn PyObject_SetAttrString(
        object: *mut PyObject,
        name: *const c_char,
        value: *mut PyObject,
    ) -> c_int;
    pub fn PyObject_Free(memory: *mut c_void);

    pub fn PyLong_AsLongLong(object: *mut PyObject) -> i64;
    pub fn PyLong_FromLongLong(value: i64) -> *mut PyObject;
    pub fn PyBool_FromLong(value: std::os::raw::c_long) -> *mut PyObject;
    pub fn PyBytes_AsStringAndSize(
        object: *mut PyObject,
        text: *mut *mut c_char,
        size: *mut Py_ssize_t,
    ) -> c_int;
    pub fn PyBytes_FromStringAndSize(text: *const c_char, size: Py_ssize_t) -> *mut PyObject;
    pub fn PyByteArray_FromStringAndSize(bytes: *const c_char, size: Py_ssize_t) -> *mut PyObject;
    pub fn PyByteArray_AsString(bytes: *mut PyObject) -> *mut c_char;
    pub fn PyByteArray_Size(bytes: *mut PyObject) -> Py_ssize_t;
    pub fn PyUnicode_AsUTF8AndSize(object: *mut PyObject, size: *mut Py_ssize_t) -> *const c_char;
    pub fn PyUnicode_FromStringAndSize(text: *const c_char, size: Py_ssize_t) -> *mut PyObject;
    pub fn PyUnicode_InternFromString(text: *const c_char) -> *mut PyObject;

    pub fn PySequence_Size(sequence: *mut PyObject) -> Py_ssize_t;
    pub fn PySequence_GetItem(sequence: *mut PyObject, index: Py_ssize_t) -> *mut PyObject;
    pub fn PyTuple_New(size: Py_ssize_t) -> *mut PyObject;
    pub fn PyTuple_Size(tuple: *mut PyObject) -> Py_ssize_t;
    pub fn PyTuple_SetItem(tuple: *mut PyObject, index: Py_ssize_t, item: *mut PyObject) -> c_int;
    pub fn PyList_New(size: Py_ssize_t) -> *mut PyObject;
    pub fn PyList_Size(list: *mut PyObject) -> Py_ssize_t;
    pub fn PyList_GetItem(list: *mut PyObject, at: Py_ssize_t) -> *mut PyObject;
    pub fn PyList_SetItem(list: *mut PyObject, at: Py_ssize_t, item: *mut PyObject) -> c_int;
    pub fn PyList_Append(list: *mut PyObject, item: *mut PyObject) -> c_int;

    pub fn PyDict_Size(dict: *mut PyObject) -> Py_ssize_t;
    pub fn PyDict_Next(
        dict: *mut PyObject,
        at: *mut Py_ssize_t,
        key: *mut *mut PyObject,
        item: *mut *mut PyObject,
    ) -> c_int;
    pub fn PyDict_Contains(dict: *mut PyObject, key: *mut PyObject) -> c_int;
    pub fn PyDict_DelItem(dict: *mut PyObject, key: *mut PyObject) -> c_int;
    pub fn PyDict_GetItemWithError(dict: *mut PyObject, key: *mut PyObject) -> *mut PyObject;
    pub fn PyDict_SetItem(dict: *mut PyObject, key: *mut PyObject, item: *mut PyObject) -> c_int;

    pub fn PyType_FromSpec(spec: *mut PyTypeSpec) -> *mut PyObject;
    pub fn PyType_GenericAlloc(of_type: *mut PyObject, items: Py_ssize_t) -> *mut PyObject;
}
