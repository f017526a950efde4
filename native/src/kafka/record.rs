//! A record of a topic as an object of Python's: `processor._native.Record`.
//!
//! aiokafka's has the same members; this one is made and let go of with less, knows its size, and is read here without a
//! call. A large value stays where it was fetched, and is copied only where Python asks for it.

use std::mem::size_of;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::{addr_of_mut, null, null_mut};
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::kafka::fetched_batch::Found;
use crate::profile::source_record::Fields;
use crate::python::abi::{
    self, PyGetSetDef, PyMemberDef, PyObject, PyObjectHead, PyTypeSlot, PyTypeSpec, Py_ssize_t,
};
use crate::python::answer::Answer;
use crate::python::content::Bytes;
use crate::python::object::Object;

/// Values from this size on are not copied: Python would take a block of the C library's for each. Of smaller ones, as a
/// changelog has them, one that is kept is not to keep all that came with it.
const LARGE_BYTES: usize = 512;

/// The object; its key is bytes or None, its headers are a tuple of pairs.
#[repr(C)]
pub struct Record {
    head: PyObjectHead,
    offset: i64,
    timestamp_ms: i64,
    key: *mut PyObject,
    headers: *mut PyObject,
    /// The bytes that its value lies in, or None.
    source: *mut PyObject,
    value: *const u8,
    value_bytes: usize,
    key_bytes: usize,
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

    /// Its value, as long as its source lives.
    fn value(&self) -> &[u8] {
        unsafe { slice::from_raw_parts(self.value, self.value_bytes) }
    }
}

/// The parts of a record; None where an object is none of these.
pub fn fields_of(record: &Object) -> Option<Fields> {
    let found = Record::of(record)?;
    // They live as long as the record does.
    let [key, headers, source] =
        [found.key, found.headers, found.source].map(|part| unsafe { Object::of(part) });
    let value = if source.is_none() {
        None
    } else {
        Some(unsafe { Bytes::within(source, found.value()) })
    };
    Some(Fields {
        key: key.into_bytes_or_none(),
        value,
        headers,
        timestamp_ms: Some(found.timestamp_ms),
        offset: Some(found.offset),
    })
}

/// A record's key, or None of Python's; None where an object is none of these.
pub fn key_of(record: &Object) -> Option<Object> {
    Record::of(record).map(|record| unsafe { Object::of(record.key) })
}

/// Bytes of a record's key and value; None where an object is none of these.
pub fn size_bytes_of(record: &Object) -> Option<usize> {
    Record::of(record).map(|record| record.key_bytes + record.value_bytes)
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
    let members: &'static mut [PyMemberDef; 5] = Box::leak(Box::new([
        member(b"offset\0", abi::MEMBER_I64, 0),
        member(b"timestamp\0", abi::MEMBER_I64, 1),
        member(b"key\0", abi::MEMBER_OBJECT, 2),
        member(b"headers\0", abi::MEMBER_OBJECT, 3),
        end,
    ]));
    let getter = |name: *const c_char, get| PyGetSetDef {
        name,
        get,
        set: null_mut(),
        doc: null(),
        closure: null_mut(),
    };
    let getters: &'static mut [PyGetSetDef; 2] = Box::leak(Box::new([
        getter(b"value\0".as_ptr().cast(), Some(value_of)),
        getter(null(), None),
    ]));
    let doc = b"A record of a topic, as a fetch returned it.\0".as_ptr();
    let mut slots = [
        PyTypeSlot {
            slot: abi::SLOT_MEMBERS,
            value: members.as_mut_ptr().cast(),
        },
        PyTypeSlot {
            slot: abi::SLOT_GETTERS,
            value: getters.as_mut_ptr().cast(),
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

/// A record, as it was found in the bytes that `fetched` is; where that is None, its value is copied, however large.
pub fn new_record(found: &Found, fetched: Option<&Object>, no_headers: &Object) -> Answer<Object> {
    let headers = if found.headers.is_empty() {
        no_headers.another()
    } else {
        headers(&found.headers)?
    };
    let value = match (found.value, fetched) {
        (Some(value), Some(fetched)) if value.len() >= LARGE_BYTES => Value::within(fetched, value),
        (Some(value), _) => Value::by_itself(value)?,
        (None, _) => Value::none(),
    };
    let key_bytes = found.key.map_or(0, <[u8]>::len);
    let key = bytes_or_none(found.key)?;
    made(
        (found.offset, found.timestamp_ms),
        (key, key_bytes),
        value,
        headers,
    )
}

/// The same record, whose value lies in no other bytes; None where an object is none of these.
pub fn kept(record: &Object) -> Option<Answer<Object>> {
    let found = Record::of(record)?;
    if found.value_bytes < LARGE_BYTES {
        return Some(Ok(record.another()));
    }
    let [key, headers] = [found.key, found.headers].map(|part| unsafe { Object::of(part) });
    let value = Value::by_itself(found.value());
    let at = (found.offset, found.timestamp_ms);
    Some(value.and_then(|value| made(at, (key, found.key_bytes), value, headers)))
}

/// A value, and the bytes that it lies in.
struct Value {
    source: Object,
    start: *const u8,
    length: usize,
}

impl Value {
    fn within(source: &Object, value: &[u8]) -> Self {
        Self {
            source: source.another(),
            start: value.as_ptr(),
            length: value.len(),
        }
    }

    fn by_itself(value: &[u8]) -> Answer<Self> {
        let source = Object::new_bytes(value)?;
        let start = source.as_bytes()?.as_ptr();
        Ok(Self {
            source,
            start,
            length: value.len(),
        })
    }

    fn none() -> Self {
        Self {
            source: Object::none(),
            start: null(),
            length: 0,
        }
    }
}

fn made(
    (offset, timestamp_ms): (i64, i64),
    (key, key_bytes): (Object, usize),
    value: Value,
    headers: Object,
) -> Answer<Object> {
    unsafe {
        let of_type = TYPE.load(Ordering::Relaxed);
        let object = Object::owned(abi::PyType_GenericAlloc(of_type, 0))?;
        let record = &mut *object.pointer().cast::<Record>();
        record.offset = offset;
        record.timestamp_ms = timestamp_ms;
        record.key = key.given_away();
        record.key_bytes = key_bytes;
        record.headers = headers.given_away();
        record.source = value.source.given_away();
        record.value = value.start;
        record.value_bytes = value.length;
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

/// What Python calls where it asks for a record's value.
unsafe extern "C" fn value_of(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    let record = unsafe { &*object.cast::<Record>() };
    let source = unsafe { Object::of(record.source) };
    let is_within = |source: &Object| Ok(source.as_bytes()?.len() > record.value_bytes);
    let value = if source.is_none() {
        Ok(source)
    } else {
        is_within(&source).and_then(|is_within| {
            if is_within {
                Object::new_bytes(record.value())
            } else {
                Ok(source)
            }
        })
    };
    value.map_or(null_mut(), Object::given_away)
}

/// What Python calls when nobody refers to a record any more.
unsafe extern "C" fn let_go(object: *mut PyObject) {
    unsafe {
        let record = object.cast::<Record>();
        for part in [(*record).key, (*record).headers, (*record).source] {
            if !part.is_null() {
                abi::Py_DecRef(part);
            }
        }
        let of_type = (*record).head.of_type;
        abi::PyObject_Free(object.cast::<c_void>());
        abi::Py_DecRef(of_type);
    }
}
