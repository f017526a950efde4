//! A record of a topic as an object of Python's: `processor._native.Record`.
//!
//! aiokafka's has the same members; this one is made and let go of with less, knows its size, and is read here without a
//! call.

use std::mem::size_of;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::{addr_of_mut, null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::boundary::{none, Held};
use crate::fetched::Found;
use crate::object::Object;
use crate::python::{
    self, PyMemberDef, PyObject, PyObjectHead, PyTypeSlot, PyTypeSpec, Py_ssize_t,
};
use crate::source_record::Fields;

/// The object; its key and value are bytes or None, its headers are a tuple of pairs.
#[repr(C)]
pub struct Record {
    head: PyObjectHead,
    offset: i64,
    timestamp_ms: i64,
    key: *mut PyObject,
    value: *mut PyObject,
    headers: *mut PyObject,
    /// Bytes of key and value.
    size_bytes: usize,
}

/// The parts of a record, where it is one of these.
pub fn fields_of(record: &Object) -> Option<Fields> {
    let found = unsafe { Record::of(record.pointer())? };
    // They live as long as the record does.
    let [key, headers, value] =
        [found.key, found.headers, found.value].map(|part| unsafe { Object::of(part) });
    Some(Fields {
        key: key.into_bytes_or_none(),
        value: value.into_bytes_or_none(),
        headers,
        timestamp_ms: Some(found.timestamp_ms),
        offset: Some(found.offset),
    })
}

static TYPE: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());

impl Record {
    /// The record that an object is; None where it is none of these.
    ///
    /// # Safety
    /// The object is alive for as long as what is returned, and Python's lock is held.
    unsafe fn of<'a>(object: *mut PyObject) -> Option<&'a Self> {
        unsafe {
            if (*object.cast::<PyObjectHead>()).of_type != TYPE.load(Ordering::Relaxed) {
                return None;
            }
            Some(&*object.cast::<Self>())
        }
    }
}

/// Bytes of a record's key and value; None where an object is none of these.
///
/// # Safety
/// The object is alive, and Python's lock is held.
pub unsafe fn size_bytes_of(object: *mut PyObject) -> Option<usize> {
    unsafe { Record::of(object).map(|record| record.size_bytes) }
}

/// Make the type, and put it into the module; whether that went well.
///
/// # Safety
/// Called by Python's import alone, with its lock held.
pub unsafe fn add_type(module: *mut PyObject) -> bool {
    fn member(name: &'static [u8], kind: c_int, place: usize) -> PyMemberDef {
        let at = size_of::<PyObjectHead>() + place * size_of::<i64>();
        let (name, offset) = (name.as_ptr().cast(), at as Py_ssize_t);
        PyMemberDef {
            name,
            kind,
            offset,
            flags: python::MEMBER_READ_ONLY,
            doc: null(),
        }
    }
    let end = PyMemberDef {
        name: null(),
        kind: 0,
        offset: 0,
        flags: 0,
        doc: null(),
    };
    // Python keeps them as long as the type, which is for ever.
    let members: &'static mut [PyMemberDef; 6] = Box::leak(Box::new([
        member(b"offset\0", python::MEMBER_I64, 0),
        member(b"timestamp\0", python::MEMBER_I64, 1),
        member(b"key\0", python::MEMBER_OBJECT, 2),
        member(b"value\0", python::MEMBER_OBJECT, 3),
        member(b"headers\0", python::MEMBER_OBJECT, 4),
        end,
    ]));
    let doc = b"A record of a topic, as a fetch returned it.\0".as_ptr();
    let mut slots = [
        PyTypeSlot {
            slot: python::SLOT_MEMBERS,
            value: members.as_mut_ptr().cast(),
        },
        PyTypeSlot {
            slot: python::SLOT_DEALLOC,
            value: let_go as *mut c_void,
        },
        PyTypeSlot {
            slot: python::SLOT_DOC,
            value: doc as *mut c_void,
        },
        PyTypeSlot {
            slot: 0,
            value: null_mut(),
        },
    ];
    let mut spec = PyTypeSpec {
        name: b"processor._native.Record\0".as_ptr().cast(),
        basic_size: size_of::<Record>() as c_int,
        item_size: 0,
        flags: python::TYPE_DEFAULT | python::TYPE_MAKES_NONE,
        slots: slots.as_mut_ptr(),
    };
    unsafe {
        let made = python::PyType_FromSpec(addr_of_mut!(spec));
        TYPE.store(made, Ordering::Relaxed);
        let name = b"Record\0".as_ptr().cast::<c_char>();
        !made.is_null() && python::PyObject_SetAttrString(module, name, made) == 0
    }
}

/// A record, as it was found.
///
/// # Safety
/// Python's lock is held.
pub unsafe fn made(found: &Found, no_headers: &Held) -> Option<Held> {
    unsafe {
        let (key, value) = (bytes_or_none(found.key)?, bytes_or_none(found.value)?);
        let headers = if found.headers.is_empty() {
            Held::borrowed(no_headers.as_ptr())
        } else {
            headers(&found.headers)?
        };
        let object = Held::new(python::PyType_GenericAlloc(TYPE.load(Ordering::Relaxed), 0))?;
        let record = &mut *object.as_ptr().cast::<Record>();
        record.offset = found.offset;
        record.timestamp_ms = found.timestamp_ms;
        record.key = key.into_new();
        record.value = value.into_new();
        record.headers = headers.into_new();
        record.size_bytes = found.key.map_or(0, <[u8]>::len) + found.value.map_or(0, <[u8]>::len);
        Some(object)
    }
}

unsafe fn bytes_or_none(found: Option<&[u8]>) -> Option<Held> {
    unsafe {
        match found {
            None => Some(Held::borrowed(none())),
            Some(found) => Held::new(python::PyBytes_FromStringAndSize(
                found.as_ptr().cast::<c_char>(),
                found.len() as Py_ssize_t,
            )),
        }
    }
}

unsafe fn headers(found: &[(&str, Option<&[u8]>)]) -> Option<Held> {
    unsafe {
        let all = Held::new(python::PyTuple_New(found.len() as Py_ssize_t))?;
        for (at, (name, value)) in found.iter().enumerate() {
            let (from, size) = (name.as_ptr().cast::<c_char>(), name.len() as Py_ssize_t);
            let name = Held::new(python::PyUnicode_FromStringAndSize(from, size))?;
            let value = bytes_or_none(*value)?;
            let pair = Held::new(python::PyTuple_New(2))?;
            // A tuple takes the references over.
            python::PyTuple_SetItem(pair.as_ptr(), 0, name.into_new());
            python::PyTuple_SetItem(pair.as_ptr(), 1, value.into_new());
            python::PyTuple_SetItem(all.as_ptr(), at as Py_ssize_t, pair.into_new());
        }
        Some(all)
    }
}

/// What Python calls when nobody refers to a record any more.
unsafe extern "C" fn let_go(object: *mut PyObject) {
    unsafe {
        let record = object.cast::<Record>();
        for part in [(*record).key, (*record).value, (*record).headers] {
            if !part.is_null() {
                python::Py_DecRef(part);
            }
        }
        let of_type = (*record).head.of_type;
        python::PyObject_Free(object.cast::<c_void>());
        python::Py_DecRef(of_type);
    }
}
