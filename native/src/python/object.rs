//! Python objects, owned: what is done with them, in safe functions.
//!
//! All of it is done with Python's lock held. That goes for a drop as well, so none may be dropped without it.

use std::os::raw::c_char;
use std::ptr::null_mut;

use crate::python::abi::{self, PyObject, Py_ssize_t};
use crate::python::answer::{done, Answer, Raised};

/// A reference to an object, given back when it is dropped.
#[repr(transparent)]
pub struct Object(pub(super) *mut PyObject);

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

    pub fn hash(&self) -> Answer<Py_ssize_t> {
        match unsafe { abi::PyObject_Hash(self.0) } {
            -1 => Err(Raised),
            hash => Ok(hash),
        }
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

#[allow(unused_unsafe)] // older compilers ask for it
fn none() -> *mut PyObject {
    unsafe { std::ptr::addr_of!(abi::NONE) as *mut PyObject }
}
