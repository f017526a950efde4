//! Lists, tuples and dictionaries.

use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::slice;

use crate::python::abi::{self, PyObject, Py_ssize_t};
use crate::python::ahead::{fetch_object, fetch_small, OBJECTS_AHEAD};
use crate::python::answer::{done, forget, Answer, Raised};
use crate::python::object::Object;

impl Object {
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

    /// How many items a sequence has.
    pub fn len(&self) -> Answer<usize> {
        usize::try_from(unsafe { abi::PySequence_Size(self.0) }).map_err(|_| Raised)
    }

    pub fn item(&self, index: usize) -> Answer<Self> {
        unsafe { Self::owned(abi::PySequence_GetItem(self.0, index as Py_ssize_t)) }
    }

    /// Has an item of a list on its way into the CPU's caches, where there is one.
    pub fn fetch_item(&self, index: usize) {
        let size = unsafe { abi::PyList_Size(self.0) };
        let index = index as Py_ssize_t;
        if has_size(size) && index < size {
            fetch_small(unsafe { abi::PyList_GetItem(self.0, index) });
        }
    }

    pub fn items(&self) -> Answer<Vec<Self>> {
        (0..self.len()?)
            .map(|index| {
                self.fetch_item(index + OBJECTS_AHEAD);
                self.item(index)
            })
            .collect()
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
        let mut entries = Entries {
            of: self,
            at: 0,
            ahead: 0,
        };
        for _ in 0..OBJECTS_AHEAD {
            entries.fetch_ahead();
        }
        entries
    }

    pub fn set(&self, key: &Object, item: &Object) -> Answer<()> {
        done(unsafe { abi::PyDict_SetItem(self.0, key.0, item.0) })
    }

    pub fn delete(&self, key: &Object) -> Answer<()> {
        done(unsafe { abi::PyDict_DelItem(self.0, key.0) })
    }
}

/// The entries of a `dict`, which keeps its keys meanwhile; those that come next are fetched ahead.
pub struct Entries<'a> {
    of: &'a Object,
    at: Py_ssize_t,
    ahead: Py_ssize_t,
}

impl Entries<'_> {
    fn fetch_ahead(&mut self) {
        if let Some((key, item)) = borrowed_entry(self.of, &mut self.ahead) {
            fetch_small(key);
            fetch_object(item);
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = (Object, Object);

    fn next(&mut self) -> Option<Self::Item> {
        self.fetch_ahead();
        let (key, item) = borrowed_entry(self.of, &mut self.at)?;
        Some(unsafe { (Object::of(key), Object::of(item)) })
    }
}

/// The entry of a `dict` that stands at a place, which is moved behind it.
fn borrowed_entry(of: &Object, at: &mut Py_ssize_t) -> Option<(*mut PyObject, *mut PyObject)> {
    let (mut key, mut item) = (null_mut(), null_mut());
    let found = unsafe { abi::PyDict_Next(of.0, at, &mut key, &mut item) };
    (found != 0).then_some((key, item))
}

/// Whether the size was asked of an object of the right type; else an exception is set, and forgotten.
fn has_size(size: Py_ssize_t) -> bool {
    if size < 0 {
        forget(Raised);
    }
    size >= 0
}
