//! What events made, as Python's objects.

use std::ops::Range;

use crate::core::transition::{Export, Output, Transition};
use crate::profile::capsule::NativeCore;
use crate::python::answer::{raise, Answer, Raised};
use crate::python::content::Bytes;
use crate::python::object::Object;

/// More room than this is not kept from one batch to the next.
const KEPT_BYTES_MAX: usize = 1 << 24;
/// Nor more of each text that one event needs: events are smaller.
const KEPT_OF_AN_EVENT_BYTES_MAX: usize = 1 << 20;

impl Output {
    pub fn text(&self, range: &Range<usize>) -> Answer<&[u8]> {
        self.bytes.get(range.clone()).ok_or_else(out_of_range)
    }

    /// A `bytes` of its own.
    pub fn object(&self, range: &Range<usize>) -> Answer<Object> {
        Object::new_bytes(self.text(range)?)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.removed.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
    }
}

impl NativeCore {
    /// Lets go of what events made, and of most of the room that odd ones took.
    pub fn clear(&mut self) {
        self.output.clear();
        self.room.shrink(KEPT_OF_AN_EVENT_BYTES_MAX);
    }

    /// An `Export` of the profile whose key this is.
    pub fn new_export(&self, key: &Bytes, export: &Export) -> Answer<Object> {
        let partition_key = match &export.partition_key {
            None => Object::new_text(key)?,
            Some(range) => Object::new_text(self.output.text(range)?)?,
        };
        let data = self.output.object(&export.data)?;
        self.export_type
            .call_with_three([&key.object, &partition_key, &data])
    }

    /// Appends what governance kept back to the list `removed`.
    pub fn tell_removed(&self, transition: &Transition, removed: &Object) -> Answer<()> {
        let numbers = self
            .output
            .removed
            .get(transition.removed.clone())
            .ok_or_else(out_of_range)?;
        for number in numbers {
            removed.append(self.removals.get(*number).ok_or_else(out_of_range)?)?;
        }
        Ok(())
    }
}

fn out_of_range() -> Raised {
    raise(b"the compiled core lost what it made: this is its own fault, report it\0")
}
