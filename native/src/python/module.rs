//! The module, as Python imports it.

use std::cell::UnsafeCell;
use std::ptr::{null, null_mut};

use crate::python::abi::{
    self, Function, PyMethodDef, PyModuleDef, PyModuleDefBase, METH_FASTCALL,
};
use crate::python::answer::Answer;
use crate::python::object::Object;

/// A function of the module by its name, from a safe one that takes an array of objects, and answers with an object.
macro_rules! function {
    ($name:literal, $work:path) => {{
        unsafe extern "C" fn call(
            _: *mut $crate::python::abi::PyObject,
            arguments: *const *mut $crate::python::abi::PyObject,
            count: $crate::python::abi::Py_ssize_t,
        ) -> *mut $crate::python::abi::PyObject {
            unsafe { $crate::python::call::called(arguments, count, $work) }
        }
        $crate::python::module::method(concat!($name, "\0"), call)
    }};
}
pub(crate) use function;

/// What Python reads of the module as long as it runs.
pub struct Definition<T>(UnsafeCell<T>);

// Python alone touches it, while it holds its lock.
unsafe impl<T> Sync for Definition<T> {}

pub type Functions<const N: usize> = Definition<[PyMethodDef; N]>;

impl<T> Definition<T> {
    pub const fn of(content: T) -> Self {
        Self(UnsafeCell::new(content))
    }
}

/// See `function`; `name` ends with a zero.
pub const fn method(name: &'static str, call: Function) -> PyMethodDef {
    PyMethodDef {
        name: name.as_ptr().cast(),
        call: Some(call),
        flags: METH_FASTCALL,
        doc: null(),
    }
}

/// Behind the last function.
pub const END: PyMethodDef = PyMethodDef {
    name: null(),
    call: None,
    flags: 0,
    doc: null(),
};

static MODULE: Definition<PyModuleDef> = Definition::of(PyModuleDef {
    base: PyModuleDefBase::new(),
    name: b"_native\0".as_ptr().cast(),
    doc: null(),
    size: -1,
    methods: null_mut(),
    slots: null_mut(),
    traverse: null_mut(),
    clear: null_mut(),
    free: null_mut(),
});

/// The module with these functions, of which the last is `END`.
pub fn new<const N: usize>(functions: &'static Functions<N>) -> Answer<Object> {
    unsafe {
        (*MODULE.0.get()).methods = functions.0.get().cast();
        Object::owned(abi::PyModule_Create2(MODULE.0.get(), abi::API_VERSION))
    }
}
