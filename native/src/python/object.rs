//! Python objects, owned: what the boundary does with them, in safe functions.
//!
//! All of it is done with Python's lock held. That goes for a drop as well, so none may be dropped without it.

use std::mem::ManuallyDrop;
use std::os::raw::c_char;
use std::ptr::{null, null_mut};
use std::slice;

use crate::python::abi::{self, PyObject, Py_ssize_t};

/// An exception is set, and Python is to see it.
#[derive(Debug)]
pub struct Raised;

pub type Answer<T> = Result<T, Raised>;

/// A reference to an object, given back when it is dropped.
#[repr(transparent)]
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
        unsafe { abi::Py_IncRef(pointer) };
        Self(pointer)
    }

    pub fn none() -> Self {
        unsafe { Self::of(none()) }
    }

    pub fn integer(value: i64) -> Answer<Self> {
        unsafe { Self::owned(abi::PyLong_FromLongLong(value)) }
    }

    pub fn truth(value: bool) -> Answer<Self> {
        unsafe { Self::owned(abi::PyBool_FromLong(value.into())) }
    }

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

    pub fn new_list() -> Answer<Self> {
        unsafe { Self::owned(abi::PyList_New(0)) }
    }

    /// A list of what `items` makes, up to one that raises.
    pub fn new_list_of(items: impl ExactSizeIterator<Item = Answer<Object>>) -> Answer<Self> {
        unsafe {
            let list = Self::owned(abi::PyList_New(items.len() as Py_ssize_t))?;
            for (index, item) in items.enumerate() {
                let index = index as Py_ssize_t;
                done(abi::PyList_SetItem(list.0, index, item?.given_away()))?;
            }
            Ok(list)
        }
    }

    pub fn new_tuple<const N: usize>(items: [Object; N]) -> Answer<Self> {
        Self::new_tuple_of(items.into_iter().map(Ok))
    }

    /// As `new_list_of`, a tuple.
    pub fn new_tuple_of(items: impl ExactSizeIterator<Item = Answer<Object>>) -> Answer<Self> {
        unsafe {
            let tuple = Self::owned(abi::PyTuple_New(items.len() as Py_ssize_t))?;
            for (index, item) in items.enumerate() {
                let index = index as Py_ssize_t;
                done(abi::PyTuple_SetItem(tuple.0, index, item?.given_away()))?;
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
        match unsafe { abi::PyObject_IsTrue(self.0) } {
            -1 => Err(Raised),
            answer => Ok(answer == 1),
        }
    }

    pub fn attribute(&self, name: &Object) -> Answer<Self> {
        unsafe { Self::owned(abi::PyObject_GetAttr(self.0, name.0)) }
    }

    /// Gives this an attribute; `name` ends with a zero.
    pub fn set_attribute(&self, name: &'static [u8], item: &Object) -> Answer<()> {
        debug_assert_eq!(name.last(), Some(&0));
        let name = name.as_ptr().cast::<c_char>();
        done(unsafe { abi::PyObject_SetAttrString(self.0, name, item.0) })
    }

    pub fn as_integer(&self) -> Answer<i64> {
        let value = unsafe { abi::PyLong_AsLongLong(self.0) };
        if value == -1 && !unsafe { abi::PyErr_Occurred() }.is_null() {
            return Err(Raised);
        }
        Ok(value)
    }

    /// A number of bytes, of which there are none below zero.
    pub fn as_size(&self) -> Answer<usize> {
        Ok(usize::try_from(self.as_integer()?).unwrap_or(0))
    }

    /// What is in a `bytes`, which never changes.
    pub fn as_bytes(&self) -> Answer<&[u8]> {
        let (mut start, mut size) = (null_mut(), 0);
        unsafe {
            done(abi::PyBytes_AsStringAndSize(self.0, &mut start, &mut size))?;
            Ok(slice::from_raw_parts(start.cast::<u8>(), size as usize))
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

    /// Has `change` done with what is in a `bytearray`; it touches no object.
    pub fn change_byte_array<T>(&self, change: impl FnOnce(&mut [u8]) -> T) -> Answer<T> {
        unsafe {
            let byte_array = std::ptr::addr_of!(abi::BYTE_ARRAY) as *mut PyObject;
            if abi::PyObject_IsInstance(self.0, byte_array) != 1 {
                return Err(raise(b"the compiled core was given no bytearray\0"));
            }
            let size = abi::PyByteArray_Size(self.0) as usize;
            let start = abi::PyByteArray_AsString(self.0).cast::<u8>();
            Ok(change(slice::from_raw_parts_mut(start, size)))
        }
    }

    pub fn hash(&self) -> Answer<Py_ssize_t> {
        match unsafe { abi::PyObject_Hash(self.0) } {
            -1 => Err(Raised),
            hash => Ok(hash),
        }
    }

    /// How many items a sequence has.
    pub fn len(&self) -> Answer<usize> {
        usize::try_from(unsafe { abi::PySequence_Size(self.0) }).map_err(|_| Raised)
    }

    pub fn item(&self, index: usize) -> Answer<Self> {
        unsafe { Self::owned(abi::PySequence_GetItem(self.0, index as Py_ssize_t)) }
    }

    pub fn items(&self) -> Answer<Vec<Self>> {
        (0..self.len()?).map(|index| self.item(index)).collect()
    }

    /// How many items a list has; raises where this is none.
    pub fn list_len(&self) -> Answer<usize> {
        usize::try_from(unsafe { abi::PyList_Size(self.0) }).map_err(|_| Raised)
    }

    /// Has `look` done with a list's items. It calls no Python, so that the list stays as it is: that spares a reference
    /// to each, of 3 ns.
    pub fn look_at_items<T>(&self, look: impl FnOnce(&[Object]) -> T) -> Answer<T> {
        let items: Vec<ManuallyDrop<Object>> = (0..self.list_len()?)
            .map(|index| unsafe { abi::PyList_GetItem(self.0, index as Py_ssize_t) })
            .map(|item| ManuallyDrop::new(Object(item)))
            .collect();
        let start = items.as_ptr().cast::<Object>();
        Ok(look(unsafe { slice::from_raw_parts(start, items.len()) }))
    }

    pub fn is_list(&self) -> bool {
        has_size(unsafe { abi::PyList_Size(self.0) })
    }

    pub fn is_dict(&self) -> bool {
        has_size(unsafe { abi::PyDict_Size(self.0) })
    }

    pub fn is_tuple(&self) -> bool {
        has_size(unsafe { abi::PyTuple_Size(self.0) })
    }

    pub fn append(&self, item: &Object) -> Answer<()> {
        done(unsafe { abi::PyList_Append(self.0, item.0) })
    }

    pub fn has_key(&self, key: &Object) -> Answer<bool> {
        match unsafe { abi::PyDict_Contains(self.0, key.0) } {
            -1 => Err(Raised),
            answer => Ok(answer == 1),
        }
    }

    /// What a `dict` has at `key`.
    pub fn get(&self, key: &Object) -> Answer<Option<Self>> {
        unsafe {
            let found = abi::PyDict_GetItemWithError(self.0, key.0);
            if !found.is_null() {
                return Ok(Some(Self::of(found)));
            }
            if abi::PyErr_Occurred().is_null() {
                return Ok(None);
            }
            Err(Raised)
        }
    }

    /// How many entries a `dict` has; raises where this is none.
    pub fn dict_len(&self) -> Answer<usize> {
        usize::try_from(unsafe { abi::PyDict_Size(self.0) }).map_err(|_| Raised)
    }

    /// What a `dict` holds, in its order; nothing where this is none.
    pub fn entries(&self) -> Entries<'_> {
        Entries { of: self, at: 0 }
    }

    pub fn set(&self, key: &Object, item: &Object) -> Answer<()> {
        done(unsafe { abi::PyDict_SetItem(self.0, key.0, item.0) })
    }

    pub fn delete(&self, key: &Object) -> Answer<()> {
        done(unsafe { abi::PyDict_DelItem(self.0, key.0) })
    }

    pub fn call(&self, argument: &Object) -> Answer<Self> {
        let end = null_mut::<PyObject>();
        unsafe { Self::owned(abi::PyObject_CallFunctionObjArgs(self.0, argument.0, end)) }
    }

    pub fn call_with_three(&self, arguments: [&Object; 3]) -> Answer<Self> {
        let [first, second, third] = arguments;
        let end = null_mut::<PyObject>();
        unsafe {
            Self::owned(abi::PyObject_CallFunctionObjArgs(
                self.0, first.0, second.0, third.0, end,
            ))
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        unsafe { abi::Py_DecRef(self.0) };
    }
}

/// The entries of a `dict`, which keeps its keys meanwhile.
pub struct Entries<'a> {
    of: &'a Object,
    at: Py_ssize_t,
}

impl Iterator for Entries<'_> {
    type Item = (Object, Object);

    fn next(&mut self) -> Option<Self::Item> {
        let (mut key, mut item) = (null_mut(), null_mut());
        unsafe {
            if abi::PyDict_Next(self.of.0, &mut self.at, &mut key, &mut item) == 0 {
                return None;
            }
            Some((Object::of(key), Object::of(item)))
        }
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

/// A `str` object and what it says.
pub struct Text {
    _object: Object,
    text: *const str,
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        // The object lives as long as this, and keeps its UTF-8.
        unsafe { &*self.text }
    }
}

/// Forgets the exception that is set.
pub fn forget(_: Raised) {
    unsafe { abi::PyErr_Clear() };
}

/// Raises a `RuntimeError`; `message` ends with a zero.
pub fn raise(message: &'static [u8]) -> Raised {
    debug_assert_eq!(message.last(), Some(&0));
    unsafe { abi::PyErr_SetString(abi::PyExc_RuntimeError, message.as_ptr().cast::<c_char>()) };
    Raised
}

/// Does `work` while others may have Python's lock; it touches no object.
pub fn without_lock<T>(work: impl FnOnce() -> T) -> T {
    struct Lock(*mut std::os::raw::c_void);
    impl Drop for Lock {
        fn drop(&mut self) {
            unsafe { abi::PyEval_RestoreThread(self.0) };
        }
    }
    let _lock = Lock(unsafe { abi::PyEval_SaveThread() });
    work()
}

#[allow(unused_unsafe)] // older compilers ask for it
fn none() -> *mut PyObject {
    unsafe { std::ptr::addr_of!(abi::NONE) as *mut PyObject }
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
