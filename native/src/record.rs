//! A record of a topic as an object of Python's: `processor._native.Record`, and lists of them.
//!
//! aiokafka's has the same members; this one is made and let go of with less, knows its size, and is read here without a
//! call.

use std::mem::size_of;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::{addr_of_mut, null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::boundary::{answer, bytes, given, members, none, whole, Held};
use crate::fetched::{is_compressed, is_whole, records, Found};
use crate::python::{
    self, PyMemberDef, PyObject, PyObjectHead, PyTypeSlot, PyTypeSpec, Py_ssize_t,
};
use crate::record_batch::HEAD;

/// The object; its key and value are bytes or None, its headers a tuple of pairs.
#[repr(C)]
pub struct Record {
    head: PyObjectHead,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: *mut PyObject,
    pub value: *mut PyObject,
    pub headers: *mut PyObject,
    /// Bytes of key and value.
    pub size_bytes: usize,
}

static TYPE: AtomicPtr<PyObject> = AtomicPtr::new(null_mut());

impl Record {
    /// The record that an object is; None where it is none of these.
    ///
    /// # Safety
    /// The object is alive for as long as what is returned, and Python's lock is held.
    pub unsafe fn of<'a>(object: *mut PyObject) -> Option<&'a Self> {
        unsafe {
            if (*object.cast::<PyObjectHead>()).of_type != TYPE.load(Ordering::Relaxed) {
                return None;
            }
            Some(&*object.cast::<Self>())
        }
    }
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

/// `unpacked(data, start, end, content)`: the records of the batch of format 2 that lies there in `data`, in order; what
/// follows its head is `content`, decompressed, or None where it is not compressed. None where it is not unpacked here.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn unpacked(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [data, start, end, content] = given(arguments, count)?;
            let batch = part(data, start, end)?;
            let content = if content != none() {
                bytes(content)?
            } else if is_compressed(batch)? {
                return None;
            } else {
                batch.get(HEAD..)?
            };
            let found = records(batch, content)?;
            let list = Held::new(python::PyList_New(found.len() as Py_ssize_t))?;
            let no_headers = Held::new(python::PyTuple_New(0))?;
            for (at, each) in found.iter().enumerate() {
                let record = made(each, &no_headers)?;
                // A list takes the reference over.
                python::PyList_SetItem(list.as_ptr(), at as Py_ssize_t, record.into_new());
            }
            Some(list)
        })
    }
}

/// `is_whole(data, start, end)`: whether the batch that lies there is as it was sent; None where it is not of format 2.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn is_whole_batch(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [data, start, end] = given(arguments, count)?;
            Held::new(python::PyBool_FromLong(
                is_whole(part(data, start, end)?)?.into(),
            ))
        })
    }
}

/// `size_bytes(records)`: bytes of all keys and values of a list; None where one is no `Record`.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn size_bytes(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [list] = given(arguments, count)?;
            let mut size = 0;
            for each in members(list)? {
                size += Record::of(each)?.size_bytes;
            }
            Held::new(python::PyLong_FromLongLong(size as i64))
        })
    }
}

unsafe fn part<'a>(
    data: *mut PyObject,
    start: *mut PyObject,
    end: *mut PyObject,
) -> Option<&'a [u8]> {
    unsafe {
        let (start, end) = (
            usize::try_from(whole(start)?).ok()?,
            usize::try_from(whole(end)?).ok()?,
        );
        bytes(data)?.get(start..end)
    }
}

unsafe fn made(found: &Found, no_headers: &Held) -> Option<Held> {
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
