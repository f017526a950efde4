//! A record of a topic as an object of Python's: `processor._native.Record`.
//!
//! aiokafka's has the same members; this one is made and let go of with less, knows its size, and is read here without a
//! call. Its value stays among the bytes that were fetched, and is copied where it is asked for only: so a record holds all
//! of a fetch, which those beside it do as well, or after `set_apart` its own bytes alone.

use std::mem::size_of;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::{addr_of_mut, null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::boundary::{bytes, none, Held};
use crate::fetched::Found;
use crate::object::Object;
use crate::python::{
    self, Getter, PyGetSetDef, PyMemberDef, PyObject, PyObjectHead, PyTypeSlot, PyTypeSpec,
    Py_ssize_t,
};
use crate::source_record::Fields;

/// The object; its key is bytes or None, its headers are a tuple of pairs.
#[repr(C)]
pub struct Record {
    head: PyObjectHead,
    offset: i64,
    timestamp_ms: i64,
    key: *mut PyObject,
    headers: *mut PyObject,
    /// What the value is a part of, bytes; None where there is no value.
    around: *mut PyObject,
    start: usize,
    end: usize,
    /// Bytes of key and value.
    size_bytes: usize,
}

/// The parts of a record, where it is one of these.
pub fn fields_of(record: &Object) -> Option<Fields> {
    let found = unsafe { Record::of(record.pointer())? };
    // They live as long as the record does.
    let [key, headers, around] =
        [found.key, found.headers, found.around].map(|part| unsafe { Object::of(part) });
    Some(Fields {
        key: key.into_bytes_or_none(),
        value: around
            .into_bytes_or_none()
            .and_then(|around| around.part(found.start..found.end)),
        headers,
        timestamp_ms: found.timestamp_ms,
        offset: found.offset,
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
    fn get(name: *const c_char, get: Option<Getter>) -> PyGetSetDef {
        PyGetSetDef {
            name,
            get,
            set: null_mut(),
            doc: null(),
            closure: null_mut(),
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
        member(b"offset\0", python::MEMBER_I64, 0),
        member(b"timestamp\0", python::MEMBER_I64, 1),
        member(b"key\0", python::MEMBER_OBJECT, 2),
        member(b"headers\0", python::MEMBER_OBJECT, 3),
        end,
    ]));
    let computed: &'static mut [PyGetSetDef; 2] = Box::leak(Box::new([
        get(b"value\0".as_ptr().cast(), Some(value_of)),
        get(null(), None),
    ]));
    let doc = b"A record of a topic, as a fetch returned it.\0".as_ptr();
    let mut slots = [
        PyTypeSlot {
            slot: python::SLOT_MEMBERS,
            value: members.as_mut_ptr().cast(),
        },
        PyTypeSlot {
            slot: python::SLOT_GETSET,
            value: computed.as_mut_ptr().cast(),
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

/// A record, as it was found in `all`, the content of bytes `around`.
///
/// # Safety
/// Python's lock is held; `found` is of the content of `around`.
pub unsafe fn made(
    found: &Found,
    around: *mut PyObject,
    all: &[u8],
    no_headers: &Held,
) -> Option<Held> {
    unsafe {
        let key = bytes_or_none(found.key)?;
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
        record.headers = headers.into_new();
        record.size_bytes = found.key.map_or(0, <[u8]>::len);
        record.around = match found.value {
            None => Held::borrowed(none()).into_new(),
            Some(value) => {
                record.start = value.as_ptr() as usize - all.as_ptr() as usize;
                record.end = record.start + value.len();
                record.size_bytes += value.len();
                Held::borrowed(around).into_new()
            }
        };
        Some(object)
    }
}

/// Have a record hold its own value alone; whether it is one of these, and that went well.
///
/// # Safety
/// The object is alive, nobody else looks at it, and Python's lock is held.
pub unsafe fn set_apart(object: *mut PyObject) -> Option<()> {
    unsafe {
        let found = Record::of(object)?;
        if found.around == none() || bytes(found.around)?.len() == found.end - found.start {
            return Some(());
        }
        let value = Held::new(value_of(object, null_mut()))?;
        let record = object.cast::<Record>();
        let around = (*record).around;
        (*record).around = value.into_new();
        (*record).end -= (*record).start;
        (*record).start = 0;
        python::Py_DecRef(around);
        Some(())
    }
}

/// The member `value`: a copy, or None.
unsafe extern "C" fn value_of(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    unsafe {
        let record = &*object.cast::<Record>();
        if record.around == none() {
            return Held::borrowed(none()).into_new();
        }
        match bytes(record.around).and_then(|all| all.get(record.start..record.end)) {
            None => null_mut(),
            Some(value) => python::PyBytes_FromStringAndSize(
                value.as_ptr().cast::<c_char>(),
                value.len() as Py_ssize_t,
            ),
        }
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
        for part in [(*record).key, (*record).headers, (*record).around] {
            if !part.is_null() {
                python::Py_DecRef(part);
            }
        }
        let of_type = (*record).head.of_type;
        python::PyObject_Free(object.cast::<c_void>());
        python::Py_DecRef(of_type);
    }
}
