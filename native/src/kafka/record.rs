//! A record of a topic as an object of Python's: `processor._native.Record`.
//!
//! aiokafka's has the same members; this one is made and let go of with less, knows its size, and is read here without a
//! call.

use std::mem::size_of;
use std::os::raw::{c_int, c_void};
use std::ptr::{addr_of_mut, null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::kafka::fetched_batch::Found;
use crate::profile::source_record::Fields;
use crate::python::abi::{
    self, PyMemberDef, PyObject, PyObjectHead, PyTypeSlot, PyTypeSpec, Py_ssize_t,
};
use crate::python::answer::Answer;
use crate::python::object::Object;

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

static TYPE: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());

impl Record {
    /// The record that an object is; None where it is none of these.
    fn of(object: &Object) -> Option<&Self> {
        let object = object.pointer();
        unsafe {
            if (*object.cast::<PyObjectHead>()).of_type != TYPE.load(Ordering::Relaxed) {
                return None;
            }
            Some(&*object.cast::<Self>())
        }
    }
}

/// The parts of a record; None where an object is none of these.
pub fn fields_of(record: &Object) -> Option<Fields> {
    let found = Record::of(record)?;
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

/// Bytes of a record's key and value; None where an object is none of these.
pub fn size_bytes_of(record: &Object) -> Option<usize> {
    Record::of(record).map(|record| record.size_bytes)
}

/// Makes the type, and puts it into the module.
pub fn add_type(module: &Object) -> Answer<()> {
    fn member(name: &'static [u8], kind: c_int, place: usize) -> PyMemberDef {
        let at = size_of::<PyObjectHead>() + place * size_of::<i64>();
        let (name, offset) = (name.as_ptr().cast(), at as Py_ssize_t);
        PyMemberDef {
            name,
            kind,
            offset,
            flags: abi::MEMBER_READ_ONLY,
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
        member(b"offset\0", abi::MEMBER_I64, 0),
        member(b"timestamp\0", abi::MEMBER_I64, 1),
        member(b"key\0", abi::MEMBER_OBJECT, 2),
        member(b"value\0", abi::MEMBER_OBJECT, 3),
        member(b"headers\0", abi::MEMBER_OBJECT, 4),
        end,
    ]));
    let doc = b"A record of a topic, as a fetch returned it.\0".as_ptr();
    let mut slots = [
        PyTypeSlot {
            slot: abi::SLOT_MEMBERS,
            value: members.as_mut_ptr().cast(),
        },
        PyTypeSlot {
            slot: abi::SLOT_DEALLOC,
            value: let_go as *mut c_void,
        },
        PyTypeSlot {
            slot: abi::SLOT_DOC,
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
        flags: abi::TYPE_DEFAULT | abi::TYPE_MAKES_NONE,
        slots: slots.as_mut_ptr(),
    };
    let made = unsafe { Object::owned(abi::PyType_FromSpec(addr_of_mut!(spec)))? };
    module.set_attribute(b"Record\0", &made)?;
    // It is never given back.
    TYPE.store(made.given_away(), Ordering::Relaxed);
    Ok(())
}

/// A record, as it was found.
pub fn new_record(found: &Found, no_headers: &Object) -> Answer<Object> {
    let (key, value) = (bytes_or_none(found.key)?, bytes_or_none(found.value)?);
    let headers = if found.headers.is_empty() {
        no_headers.another()
    } else {
        headers(&found.headers)?
    };
    unsafe {
        let of_type = TYPE.load(Ordering::Relaxed);
        let object = Object::owned(abi::PyType_GenericAlloc(of_type, 0))?;
        let record = &mut *object.pointer().cast::<Record>();
        record.offset = found.offset;
        record.timestamp_ms = found.timestamp_ms;
        record.key = key.given_away();
        record.value = value.given_away();
        record.headers = headers.given_away();
        record.size_bytes = found.key.map_or(0, <[u8]>::len) + found.value.map_or(0, <[u8]>::len);
        Ok(object)
    }
}

fn bytes_or_none(found: Option<&[u8]>) -> Answer<Object> {
    found.map_or_else(|| Ok(Object::none()), Object::new_bytes)
}

fn headers(found: &[(&str, Option<&[u8]>)]) -> Answer<Object> {
    Object::new_tuple_of(found.iter().map(|(name, value)| {
        let name = Object::new_text(name.as_bytes())?;
        Object::new_tuple([name, bytes_or_none(*value)?])
    }))
}

/// What Python calls when nobody refers to a record any more.
unsafe extern "C" fn let_go(object: *mut PyObject) {
    unsafe {
        let record = object.cast::<Record>();
        for part in [(*record).key, (*record).value, (*record).headers] {
            if !part.is_null() {
                abi::Py_DecRef(part);
            }
        }
        let of_type = (*record).head.of_type;
        abi::PyObject_Free(object.cast::<c_void>());
        abi::Py_DecRef(of_type);
    }
}
