//! A call from Python: its arguments, and what it is answered with.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null_mut;

use crate::python::abi::{PyObject, Py_ssize_t};
use crate::python::answer::{forget, raise, Raised};
use crate::python::object::Object;

/// What was asked for is not done here: Python is answered with None, does it itself, and says what is wrong, if anything.
pub struct NotMine;

impl From<Raised> for NotMine {
    fn from(raised: Raised) -> Self {
        forget(raised);
        Self
    }
}

/// Why a function has no object to answer with.
pub trait Refusal: From<Raised> {
    fn answer(self) -> *mut PyObject;
}

impl Refusal for Raised {
    fn answer(self) -> *mut PyObject {
        null_mut()
    }
}

impl Refusal for NotMine {
    fn answer(self) -> *mut PyObject {
        Object::none().given_away()
    }
}

/// Has `work` done with the arguments of a call. A panic ends here, as an exception or as what is not done here.
///
/// # Safety
/// Python calls, and gives `arguments`, `count` of them.
pub unsafe fn called<const N: usize, R: Refusal>(
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    work: impl FnOnce([Object; N]) -> Result<Object, R>,
) -> *mut PyObject {
    let done = catch_unwind(AssertUnwindSafe(|| {
        work(unsafe { taken(arguments, count) }?)
    }))
    .unwrap_or_else(|_| {
        Err(R::from(raise(
            b"the compiled core failed: this is its own fault, report it\0",
        )))
    });
    done.map_or_else(R::answer, Object::given_away)
}

/// The arguments of a call, of which there must be `N`.
///
/// # Safety
/// There are `count` of them, and they live.
unsafe fn taken<const N: usize>(
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> Result<[Object; N], Raised> {
    if usize::try_from(count) != Ok(N) {
        return Err(raise(
            b"the compiled core was called with another number of arguments\0",
        ));
    }
    let mut index = 0;
    Ok([(); N].map(|()| {
        let argument = unsafe { Object::of(*arguments.add(index)) };
        index += 1;
        argument
    }))
}
