//! Which shard each of many partition keys goes to.

use crate::boundary::{answer, bytes, given, members, Held};
use crate::md5::digests;
use crate::python::{self, PyObject, Py_ssize_t};

const HASH: usize = 16;

/// `places_of(keys, starts)`: for each key, bytes, in how many of the ranges that begin at `starts` its MD5 lies behind the
/// start; `starts` has them in order, 16 bytes each. None where a key is no bytes.
///
/// # Safety
/// As Python calls a function of `METH_FASTCALL`.
pub unsafe extern "C" fn places_of(
    _: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
) -> *mut PyObject {
    unsafe {
        answer(|| {
            let [keys, starts] = given(arguments, count)?;
            let starts: Vec<u128> = bytes(starts)?
                .chunks_exact(HASH)
                .filter_map(|start| start.try_into().ok().map(u128::from_be_bytes))
                .collect();
            let keys: Option<Vec<&[u8]>> = members(keys)?.map(|key| bytes(key)).collect();
            let digests = digests(&keys?);
            let places = Held::new(python::PyList_New(digests.len() as Py_ssize_t))?;
            for (at, digest) in digests.iter().enumerate() {
                let hash = u128::from_be_bytes(*digest);
                let place = starts.partition_point(|start| *start <= hash) as i64;
                let place = Held::new(python::PyLong_FromLongLong(place))?;
                // A list takes the reference over.
                python::PyList_SetItem(places.as_ptr(), at as Py_ssize_t, place.into_new());
            }
            Some(places)
        })
    }
}
