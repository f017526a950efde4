//! Python objects, owned: what the boundary does with them, in safe functions.
//!
//! All of it is done with Python's lock held. That goes for a drop as well, so none may be dropped without it.

use std::os::raw::c_char;
use std::ptr::null_mut;

use crate::python::{self, PyObject, Py_ssize_t};

/// An exception is set, and Python is to see it.
#[derive(Debug)]
pub struct Raised;

pub type Answer<T> = Result<T, Raised>;

/// A reference to an object, given back when it is dropped.
pub struct Object(*mut PyObject);

impl Object {
    /// # Safety
    /// `pointer` is a reference that the caller owns, or null where an exception is set.
    pub unsafe fn owned(pointer: *mut PyObject) -> Answer<Self> {
        if pointer.is_null() {
            return Err(Raised);
        }
        Ok(Self(pointer))
    }

    /// # Safety
    /// `pointer` is an object that lives.
    pub unsafe fn of(pointer: *mut PyObject) -> Self {
        unsafe { python::Py_IncRef(pointer) };
        Self(pointer)
    }

    pub fn none() -> Self {
        unsafe { Self::of(none()) }
    }

    pub fn integer(value: i64) -> Answer<Self> {
        unsafe { Self::owned(python::PyLong_FromLongLong(value)) }
    }

    pub fn new_bytes(bytes: &[u8]) -> Answer<Self> {
        let text = bytes.as_ptr().cast::<c_char>();
        unsafe {
            Self::owned(python::PyBytes_FromStringAndSize(
                text,
                bytes.len() as Py_ssize_t,
            ))
        }
    }

    /// A `str`; raises where `text` is not UTF-8.
    pub fn new_text(text: &[u8]) -> Answer<Self> {
        let start = text.as_ptr().cast::<c_char>();
        unsafe {
            Self::owned(python::PyUnicode_FromStringAndSize(
                start,
                text.len() as Py_ssize_t,
            ))
        }
    }

    /// A `str` that attributes are asked for by; `name` ends with a zero.
    pub fn name(name: &'static [u8]) -> Answer<Self> {
        debug_assert_eq!(name.last(), Some(&0));
        unsafe {
            Self::owned(python::PyUnicode_InternFromString(
                name.as_ptr().cast::<c_char>(),
            ))
        }
    }

    pub fn new_list() -> Answer<Self> {
        unsafe { Self::owned(python::PyList_New(0)) }
    }

    pub fn new_tuple<const N: usize>(items: [Object; N]) -> Answer<Self> {
        unsafe {
            let tuple = Self::owned(python::PyTuple_New(N as Py_ssize_t))?;
            for (index, item) in items.into_iter().enumerate() {
                done(python::PyTuple_SetItem(
                    tuple.0,
                    index as Py_ssize_t,
                    item.given_away(),
                ))?;
            }
            Ok(tuple)
        }
    }

    pub fn pointer(&self) -> *mut PyObject {
        self.0
    }

    /// The reference itself, which is the caller's now.
    pub fn given_away(self) -> *mut PyObject {
        let pointer = self.0;
        std::mem::forget(self);
        pointer
    }

    pub fn another(&self) -> Self {
        unsafe { Self::of(self.0) }
    }

    // Since Rust 1.82 an address is no longer unsafe to take.
    #[allow(unused_unsafe)]
    pub fn is_none(&self) -> bool {
        self.0 == none()
    }

    pub fn is_true(&self) -> Answer<bool> {
        match unsafe { python::PyObject_IsTrue(self.0) } {
            -1 => Err(Raised),
            answer => Ok(answer == 1),
        }
    }

    pub fn attribute(&self, name: &Object) -> Answer<Self> {
        unsafe { Self::owned(python::PyObject_GetAttr(self.0, name.0)) }
    }

    pub fn as_integer(&self) -> Answer<i64> {
        let value = unsafe { python::PyLong_AsLongLong(self.0) };
        if value == -1 && !unsafe { python::PyErr_Occurred() }.is_null() {
            return Err(Raised);
        }
        Ok(value)
    }

    /// A number of bytes, of which there are none below zero.
    pub fn as_size(&self) -> Answer<usize> {
        Ok(usize::try_from(self.as_integer()?).unwrap_or(0))
    }

    /// A `bytes`, whose bytes stay readable without Python's lock.
    pub fn into_bytes(self) -> Answer<Bytes> {
        let mut text = null_mut();
        let mut size = 0;
        unsafe {
            done(python::PyBytes_AsStringAndSize(
                self.0, &mut text, &mut size,
            ))?;
            let bytes = std::ptr::slice_from_raw_parts(text.cast::<u8>(), size as usize);
            Ok(Bytes {
                object: self,
                bytes,
            })
        }
    }

    /// As `into_bytes`; None where it is none.
    pub fn into_bytes_or_none(self) -> Option<Bytes> {
        if self.is_none() {
            return None;
        }
        self.into_bytes().map_err(forget).ok()
    }

    /// Whether this is a `str` that says `text`; raises where it is no `str`, or has no UTF-8.
    pub fn is_text(&self, text: &str) -> Answer<bool> {
        let mut size = 0;
        unsafe {
            let start = python::PyUnicode_AsUTF8AndSize(self.0, &mut size);
            if start.is_null() {
                return Err(Raised);
            }
            let own = std::slice::from_raw_parts(start.cast::<u8>(), size as usize);
            Ok(own == text.as_bytes())
        }
    }

    pub fn hash(&self) -> Answer<Py_ssize_t> {
        match unsafe { python::PyObject_Hash(self.0) } {
            -1 => Err(Raised),
            hash => Ok(hash),
        }
    }

    /// How many items a sequence has.
    pub fn len(&self) -> Answer<usize> {
        usize::try_from(unsafe { python::PySequence_Size(self.0) }).map_err(|_| Raised)
    }

    pub fn item(&self, index: usize) -> Answer<Self> {
        unsafe { Self::owned(python::PySequence_GetItem(self.0, index as Py_ssize_t)) }
    }

    pub fn items(&self) -> Answer<Vec<Self>> {
        (0..self.len()?).map(|index| self.item(index)).collect()
    }

    pub fn is_list(&self) -> bool {
        has_size(unsafe { python::PyList_Size(self.0) })
    }

    pub fn is_dict(&self) -> bool {
        has_size(unsafe { python::PyDict_Size(self.0) })
    }

    pub fn append(&self, item: &Object) -> Answer<()> {
        done(unsafe { python::PyList_Append(self.0, item.0) })
    }

    pub fn has_key(&self, key: &Object) -> Answer<bool> {
        match unsafe { python::PyDict_Contains(self.0, key.0) } {
            -1 => Err(Raised),
            answer => Ok(answer == 1),
        }
    }

    /// What a `dict` has at `key`.
    pub fn get(&self, key: &Object) -> Answer<Option<Self>> {
        unsafe {
            let found = python::PyDict_GetItemWithError(self.0, key.0);
            if !found.is_null() {
                return Ok(Some(Self::of(found)));
            }
            if python::PyErr_Occurred().is_null() {
                return Ok(None);
            }
            Err(Raised)
        }
    }

    /// What a `dict` holds now.
    pub fn entries(&self) -> Answer<Vec<(Self, Self)>> {
        let mut entries = Vec::new();
        let (mut at, mut key, mut item) = (0, null_mut(), null_mut());
        unsafe {
            while python::PyDict_Next(self.0, &mut at, &mut key, &mut item) != 0 {
                entries.push((Self::of(key), Self::of(item)));
            }
        }
        Ok(entries)
    }

    pub fn set(&self, key: &Object, item: &Object) -> Answer<()> {
        done(unsafe { python::PyDict_SetItem(self.0, key.0, item.0) })
    }

    pub fn delete(&self, key: &Object) -> Answer<()> {
        done(unsafe { python::PyDict_DelItem(self.0, key.0) })
    }

    pub fn call(&self, argument: &Object) -> Answer<Self> {
        let end = null_mut::<PyObject>();
        unsafe {
            Self::owned(python::PyObject_CallFunctionObjArgs(
                self.0, argument.0, end,
            ))
        }
    }

    pub fn call_with_three(&self, arguments: [&Object; 3]) -> Answer<Self> {
        let [first, second, third] = arguments;
        let end = null_mut::<PyObject>();
        unsafe {
            Self::owned(python::PyObject_CallFunctionObjArgs(
                self.0, first.0, second.0, third.0, end,
            ))
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        unsafe { python::Py_DecRef(self.0) };
    }
}

/// A `bytes` object and what is in it.
pub struct Bytes {
    pub object: Object,
    bytes: *const [u8],
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // The object lives as long as this, and a `bytes` never changes.
        unsafe { &*self.bytes }
    }
}

/// Forgets the exception that is set.
pub fn forget(_: Raised) {
    unsafe { python::PyErr_Clear() };
}

/// Raises a `RuntimeError`; `message` ends with a zero.
pub fn raise(message: &'static [u8]) -> Raised {
    debug_assert_eq!(message.last(), Some(&0));
    unsafe {
        python::PyErr_SetString(
            python::PyExc_RuntimeError,
            message.as_ptr().cast::<c_char>(),
        )
    };
    Raised
}

/// Does `work` while others may have Python's lock; it touches no object.
pub fn without_lock<T>(work: impl FnOnce() -> T) -> T {
    struct Lock(*mut std::os::raw::c_void);
    impl Drop for Lock {
        fn drop(&mut self) {
            unsafe { python::PyEval_RestoreThread(self.0) };
        }
    }
    let _lock = Lock(unsafe { python::PyEval_SaveThread() });
    work()
}

/// What Python is answered with: the object, or null where an exception is set, a panic's too.
pub fn answered(work: impl FnOnce() -> Answer<Object>) -> *mut PyObject {
    let answer =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
            Err(raise(
                b"the compiled core failed: this is its own fault, report it\0",
            ))
        });
    answer.map_or(null_mut(), Object::given_away)
}

#[allow(unused_unsafe)] // older compilers ask for it
fn none() -> *mut PyObject {
    unsafe { std::ptr::addr_of!(python::NONE) as *mut PyObject }
}

fn done(answer: std::os::raw::c_int) -> Answer<()> {
    if answer == 0 {
        Ok(())
    } else {
        Err(Raised)
    }
}

/// Whether the size was asked of an object of the right type; else an exception is set, and forgotten.
fn has_size(size: Py_ssize_t) -> bool {
    if size < 0 {
        forget(Raised);
    }
    size >= 0
}
