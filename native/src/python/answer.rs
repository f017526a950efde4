//! What a call of Python's comes to: what was asked for, or an exception.

use std::os::raw::{c_char, c_int};

use crate::python::abi;
use crate::python::object::Object;

/// An exception is set, and Python is to see it.
#[derive(Debug)]
pub struct Raised;

pub type Answer<T> = Result<T, Raised>;

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

/// Raises a `KeyError` for `key`.
pub fn raise_key(key: &Object) -> Raised {
    unsafe { abi::PyErr_SetObject(abi::PyExc_KeyError, key.pointer()) };
    Raised
}

/// What an answer of 0, and of no other, means in C.
pub fn done(answer: c_int) -> Answer<()> {
    if answer == 0 {
        Ok(())
    } else {
        Err(Raised)
    }
}
