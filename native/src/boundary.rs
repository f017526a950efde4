//! What the module's functions at Kafka's and Kinesis' ends share: Python's bytes, texts and lists, and an answer.
//!
//! All of it is called with Python's lock held; what works here is done in some tens of microseconds, which is less than
//! to let go of the lock, and to wait for it again, may cost.

use std::os::raw::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::{null, null_mut};
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::python::{self, PyObject, Py_ssize_t};

/// What `work` makes, a new reference; None, and no error set, where it makes nothing, for whatever reason: the caller
/// does it in plain Python then, which says what is wrong.
///
/// # Safety
/// Python's lock is held.
pub unsafe fn answer(work: impl FnOnce() -> Option<Held>) -> *mut PyObject {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Some(made)) => made.into_new(),
        _ => unsafe {
            python::PyErr_Clear();
            Held::borrowed(none()).into_new()
        },
    }
}

/// None itself; not a new reference.
#[allow(unused_unsafe)] // compilers before 1.82 want it
pub fn none() -> *mut PyObject {
    unsafe { std::ptr::addr_of!(python::NONE) as *mut PyObject }
}

/// A reference to an object of Python's, given back when it is dropped.
pub struct Held(*mut PyObject);

impl Held {
    /// The reference that a call has made; None where it failed.
    ///
    /// # Safety
    /// It is a new reference, or null.
    pub unsafe fn new(made: *mut PyObject) -> Option<Self> {
        if made.is_null() {
            None
        } else {
            Some(Self(made))
        }
    }

    /// One more reference to an object that someone else holds.
    ///
    /// # Safety
    /// It is an object that is alive.
    pub unsafe fn borrowed(object: *mut PyObject) -> Self {
        unsafe { python::Py_IncRef(object) };
        Self(object)
    }

    pub fn as_ptr(&self) -> *mut PyObject {
        self.0
    }

    /// The reference, to be given back by whoever gets it.
    pub fn into_new(self) -> *mut PyObject {
        let object = self.0;
        std::mem::forget(self);
        object
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        unsafe { python::Py_DecRef(self.0) };
    }
}

/// The content of a bytes object; None of another.
///
/// # Safety
/// The object is alive for as long as what is returned.
pub unsafe fn bytes<'a>(object: *mut PyObject) -> Option<&'a [u8]> {
    let (mut to, mut size): (*mut c_char, Py_ssize_t) = (null_mut(), 0);
    unsafe {
        if python::PyBytes_AsStringAndSize(object, &mut to, &mut size) != 0 {
            return None;
        }
        Some(slice::from_raw_parts(to.cast::<u8>(), size as usize))
    }
}

/// The content of a bytearray, to be changed; None of another object.
///
/// # Safety
/// The object is alive, and nobody else looks at its content, for as long as what is returned.
pub unsafe fn byte_array<'a>(object: *mut PyObject) -> Option<&'a mut [u8]> {
    unsafe {
        let of_type = std::ptr::addr_of!(python::BYTE_ARRAY) as *mut PyObject;
        if python::PyObject_IsInstance(object, of_type) != 1 {
            return None;
        }
        let size = python::PyByteArray_Size(object) as usize;
        let to = python::PyByteArray_AsString(object).cast::<u8>();
        Some(slice::from_raw_parts_mut(to, size))
    }
}

/// The content of a text, in UTF-8; None of another object, and of a text that has none.
///
/// # Safety
/// The object is alive for as long as what is returned.
pub unsafe fn text<'a>(object: *mut PyObject) -> Option<&'a str> {
    let mut size: Py_ssize_t = 0;
    unsafe {
        let from = python::PyUnicode_AsUTF8AndSize(object, &mut size);
        if from.is_null() {
            return None;
        }
        // Python has made it, and makes nothing else.
        Some(std::str::from_utf8_unchecked(slice::from_raw_parts(
            from.cast::<u8>(),
            size as usize,
        )))
    }
}

/// The members of a list, borrowed from it; None of another object.
///
/// # Safety
/// The list is alive, and does not change, for as long as what is returned.
pub unsafe fn members<'a>(
    list: *mut PyObject,
) -> Option<impl ExactSizeIterator<Item = *mut PyObject> + 'a> {
    let size = unsafe { python::PyList_Size(list) };
    if size < 0 {
        return None;
    }
    Some(
        (0..size as usize).map(move |at| unsafe { python::PyList_GetItem(list, at as Py_ssize_t) }),
    )
}

/// A whole number; None of another object, and of a number beyond 64 bits.
///
/// # Safety
/// The object is alive.
pub unsafe fn whole(object: *mut PyObject) -> Option<i64> {
    unsafe {
        let found = python::PyLong_AsLongLong(object);
        if found == -1 && !python::PyErr_Occurred().is_null() {
            return None;
        }
        Some(found)
    }
}

/// New bytes of a length, written by `write`, which gets them as they came, and must write them all.
///
/// # Safety
/// Python's lock is held.
pub unsafe fn new_bytes(length: usize, write: impl FnOnce(&mut [u8])) -> Option<Held> {
    unsafe {
        let made = Held::new(python::PyBytes_FromStringAndSize(
            null(),
            length as Py_ssize_t,
        ))?;
        let (mut to, mut size): (*mut c_char, Py_ssize_t) = (null_mut(), 0);
        if python::PyBytes_AsStringAndSize(made.as_ptr(), &mut to, &mut size) != 0 {
            return None;
        }
        write(slice::from_raw_parts_mut(to.cast::<u8>(), length));
        Some(made)
    }
}

/// The name of a member, made once; the text ends with a zero byte.
pub struct Name(AtomicPtr<PyObject>, &'static [u8]);

impl Name {
    pub const fn of(text: &'static [u8]) -> Self {
        Self(AtomicPtr::new(null_mut()), text)
    }

    /// The member of that name of an object; None where it has none.
    ///
    /// # Safety
    /// The object is alive, and Python's lock is held.
    pub unsafe fn member(&self, object: *mut PyObject) -> Option<Held> {
        unsafe {
            let mut name = self.0.load(Ordering::Relaxed);
            if name.is_null() {
                name = python::PyUnicode_InternFromString(self.1.as_ptr().cast::<c_char>());
                if name.is_null() {
                    return None;
                }
                self.0.store(name, Ordering::Relaxed);
            }
            Held::new(python::PyObject_GetAttr(object, name))
        }
    }
}

/// The arguments of a call, where there are just so many.
///
/// # Safety
/// Python gives `arguments`, `count` of them.
pub unsafe fn given<const N: usize>(
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> Option<[*mut PyObject; N]> {
    if count as usize != N {
        return None;
    }
    let mut found = [null_mut(); N];
    found.copy_from_slice(unsafe { slice::from_raw_parts(arguments, N) });
    Some(found)
}
