//! The native core's functions, as Python calls them.

use crate::batch::{process, Again, Call, Terms};
use crate::native_core;
use crate::object::{answered, raise, Answer, Object};
use crate::python::{PyObject, Py_ssize_t};
use crate::single::apply;

/// `core(plan, standing, export_type) -> capsule | None`.
///
/// # Safety
/// Called by Python alone.
pub unsafe extern "C" fn new_core(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    answered(|| {
        let [plan, standing, export_type] = unsafe { taken(arguments, count) }?;
        native_core::new(&plan, &standing, &export_type)
    })
}

/// `apply(core, ask, key, value, headers, timestamp_ms, offset, state, backfill, is_again)`, see `single`.
///
/// # Safety
/// Called by Python alone.
pub unsafe extern "C" fn apply_event(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    answered(|| apply(&unsafe { taken(arguments, count) }?))
}

/// `process(core, ask, hand_on, states, records, exports, exported, changes, removed, export_bytes_max, state_bytes_max, number,
/// at_ms | None, offset) -> None | skipped`, see `batch`.
///
/// # Safety
/// Called by Python alone.
pub unsafe extern "C" fn process_batch(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    answered(|| {
        let [core, ask, hand_on, states, records, exports, exported, changes, removed, export_bytes_max, state_bytes_max, number, at_ms, offset] =
            unsafe { taken(arguments, count) }?;
        let again = match at_ms.is_none() {
            true => None,
            false => Some(Again {
                at_ms: at_ms.as_integer()?,
                offset: offset.as_integer()?,
            }),
        };
        let call = Call {
            ask,
            hand_on,
            states,
            records,
            exports,
            exported,
            changes,
            removed,
            terms: Terms {
                export_bytes_max: export_bytes_max.as_size()?,
                state_bytes_max: state_bytes_max.as_size()?,
                number: number.as_integer()?,
                again,
            },
        };
        process(&core, &call)
    })
}

/// `counts(core) -> (taken, handed on, panics)`.
///
/// # Safety
/// Called by Python alone.
pub unsafe extern "C" fn counts(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    answered(|| {
        let [core] = unsafe { taken(arguments, count) }?;
        native_core::counts(&core)
    })
}

/// The arguments of a call, of which there must be `N`.
///
/// # Safety
/// There are `count` of them, and they live as long as the call.
pub unsafe fn taken<const N: usize>(
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> Answer<[Object; N]> {
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
