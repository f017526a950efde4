//! What is in a `bytes`, a `str` or a `bytearray`.

use std::ops::Deref;
use std::os::raw::c_char;
use std::ptr::{addr_of, null, null_mut};
use std::slice;

use crate::python::abi::{self, PyObject, Py_ssize_t};
use crate::python::answer::{done, forget, raise, Answer, Raised};
use crate::python::object::Object;

impl Object {
    pub fn new_bytes(bytes: &[u8]) -> Answer<Self> {
        let text = bytes.as_ptr().cast::<c_char>();
        unsafe {
            Self::owned(abi::PyBytes_FromStringAndSize(
                text,
                bytes.len() as Py_ssize_t,
            ))
        }
    }

    /// Bytes of a length, written by `write`, which gets them as they came, writes them all, and touches no object.
    pub fn new_bytes_written(length: usize, write: impl FnOnce(&mut [u8])) -> Answer<Self> {
        unsafe {
            let made = Self::owned(abi::PyBytes_FromStringAndSize(null(), length as Py_ssize_t))?;
            let (mut start, mut size) = (null_mut(), 0);
            done(abi::PyBytes_AsStringAndSize(made.0, &mut start, &mut size))?;
            write(slice::from_raw_parts_mut(start.cast::<u8>(), length));
            Ok(made)
        }
    }

    pub fn new_byte_array(bytes: &[u8]) -> Answer<Self> {
        let start = bytes.as_ptr().cast::<c_char>();
        unsafe {
            Self::owned(abi::PyByteArray_FromStringAndSize(
                start,
                bytes.len() as Py_ssize_t,
            ))
        }
    }

    /// A `str`; raises where `text` is not UTF-8.
    pub fn new_text(text: &[u8]) -> Answer<Self> {
        let start = text.as_ptr().cast::<c_char>();
        unsafe {
            Self::owned(abi::PyUnicode_FromStringAndSize(
                start,
                text.len() as Py_ssize_t,
            ))
        }
    }

    /// A `str` that attributes are asked for by; `name` ends with a zero.
    pub fn name(name: &'static [u8]) -> Answer<Self> {
        debug_assert_eq!(name.last(), Some(&0));
        unsafe {
            Self::owned(abi::PyUnicode_InternFromString(
                name.as_ptr().cast::<c_char>(),
            ))
        }
    }

    /// What is in a `bytes`, which never changes.
    pub fn as_bytes(&self) -> Answer<&[u8]> {
        let (mut start, mut size) = (null_mut(), 0);
        unsafe {
            done(abi::PyBytes_AsStringAndSize(self.0, &mut start, &mut size))?;
            Ok(slice::from_raw_parts(start.cast::<u8>(), size as usize))
        }
    }

    /// A `bytes`, whose bytes stay readable without Python's lock.
    pub fn into_bytes(self) -> Answer<Bytes> {
        let bytes: *const [u8] = self.as_bytes()?;
        Ok(Bytes {
            object: self,
            bytes,
        })
    }

    /// As `into_bytes`; None where it is none.
    pub fn into_bytes_or_none(self) -> Option<Bytes> {
        if self.is_none() {
            return None;
        }
        self.into_bytes().map_err(forget).ok()
    }

    /// What a `str` says, in UTF-8; raises where it has none.
    pub fn as_text(&self) -> Answer<&str> {
        let mut size = 0;
        unsafe {
            let start = abi::PyUnicode_AsUTF8AndSize(self.0, &mut size);
            if start.is_null() {
                return Err(Raised);
            }
            // Python has made it, and makes nothing else.
            let text = slice::from_raw_parts(start.cast::<u8>(), size as usize);
            Ok(std::str::from_utf8_unchecked(text))
        }
    }

    /// A `str`, whose text stays readable.
    pub fn into_text(self) -> Answer<Text> {
        let text: *const str = self.as_text()?;
        Ok(Text {
            _object: self,
            text,
        })
    }

    /// Has `change` done with what is in a `bytearray`; it touches no object.
    pub fn change_byte_array<T>(&self, change: impl FnOnce(&mut [u8]) -> T) -> Answer<T> {
        unsafe {
            let byte_array = addr_of!(abi::BYTE_ARRAY) as *mut PyObject;
            if abi::PyObject_IsInstance(self.0, byte_array) != 1 {
                return Err(raise(b"the compiled core was given no bytearray\0"));
            }
            let size = abi::PyByteArray_Size(self.0) as usize;
            let start = abi::PyByteArray_AsString(self.0).cast::<u8>();
            Ok(change(slice::from_raw_parts_mut(start, size)))
        }
    }
}

/// A `bytes` object and what is in it, or a part of that.
pub struct Bytes {
    pub object: Object,
    bytes: *const [u8],
}

impl Bytes {
    /// What lies at `bytes`, which is in the `bytes` that `object` is.
    pub unsafe fn within(object: Object, bytes: *const [u8]) -> Self {
        Self { object, bytes }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // The object lives as long as this, and a `bytes` never changes.
        unsafe { &*self.bytes }
    }
}

/// A `str` object and what it says.
pub struct Text {
    _object: Object,
    text: *const str,
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        // The object lives as long as this, and keeps its UTF-8.
        unsafe { &*self.text }
    }
}
