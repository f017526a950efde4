//! A plan's native core, as Python holds it: in a capsule.

use std::collections::HashMap;
use std::os::raw::c_char;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::Mutex;

use crate::core::plan::{Plan, Verdict};
use crate::core::transition::{Output, Room};
use crate::profile::described_plan;
use crate::profile::source_record::Names;
use crate::python::abi::{self, PyObject};
use crate::python::answer::{forget, Answer, Raised};
use crate::python::content::Bytes;
use crate::python::object::Object;

const NAME: *const c_char = b"processor.profile.core\0".as_ptr().cast::<c_char>();
const LABELS_HEADER: &str = "duleLabels";
const VERDICTS_MAX: usize = 4096;
/// A header may be as large as an event; what is remembered must not be.
const KEPT_LABELS_BYTES_MAX: usize = 1024;
/// The verdict that stands where an event has no labels.
const STANDING: usize = 0;

/// All that is made once a plan, and the room that its batches use again.
pub struct NativeCore {
    pub plan: Plan,
    pub verdicts: Vec<Verdict>,
    /// `Removal` objects, by number.
    pub removals: Vec<Object>,
    pub names: Names,
    pub export_type: Object,
    pub room: Room,
    pub output: Output,
    by_labels: HashMap<Vec<u8>, usize>,
    standing_removals: usize,
}

/// What became of events since the plan was compiled.
#[derive(Default)]
pub struct Counts {
    taken: AtomicI64,
    handed_on: AtomicI64,
    panics: AtomicI64,
}

impl Counts {
    pub fn count_taken(&self, events: usize) {
        self.taken.fetch_add(events as i64, Relaxed);
    }

    pub fn count_handed_on(&self, events: usize) {
        self.handed_on.fetch_add(events as i64, Relaxed);
    }

    /// Of those that are handed on: one at which this code failed.
    pub fn count_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }
}

/// What a capsule holds.
struct Capsule {
    core: Mutex<NativeCore>,
    counts: Counts,
}

/// `core(plan, standing, export) -> capsule | None`: None where the plan is the plain core's alone.
pub fn new(plan: &Object, standing: &Object, export_type: &Object) -> Answer<Object> {
    let mut removals = Vec::new();
    let plan = match described_plan::plan(plan, &mut removals)? {
        Some(plan) => plan,
        None => return Ok(Object::none()),
    };
    let standing = match described_plan::verdict(standing, &mut removals)? {
        Some(standing) => standing,
        None => return Ok(Object::none()),
    };
    let core = NativeCore {
        room: Room::new(&plan),
        plan,
        verdicts: vec![standing],
        names: Names::new()?,
        export_type: export_type.another(),
        output: Output::default(),
        by_labels: HashMap::new(),
        standing_removals: removals.len(),
        removals,
    };
    let pointer = Box::into_raw(Box::new(Capsule {
        core: Mutex::new(core),
        counts: Counts::default(),
    }));
    unsafe {
        let capsule = Object::owned(abi::PyCapsule_New(pointer.cast(), NAME, Some(drop_core)));
        if capsule.is_err() {
            drop(Box::from_raw(pointer));
        }
        capsule
    }
}

/// Does `work` with a capsule's core; None where another thread works with it, or this one does so already.
pub fn with<T>(
    capsule: &Object,
    work: impl FnOnce(&mut NativeCore, &Counts) -> Answer<T>,
) -> Answer<Option<T>> {
    let capsule = content(capsule)?;
    match capsule.core.try_lock() {
        Ok(mut core) => work(&mut core, &capsule.counts).map(Some),
        Err(_) => Ok(None),
    }
}

/// `counts(core) -> (taken, handed on, panics)`.
pub fn counts(capsule: &Object) -> Answer<Object> {
    let counts = &content(capsule)?.counts;
    let [taken, handed_on, panics] =
        [&counts.taken, &counts.handed_on, &counts.panics].map(|count| count.load(Relaxed));
    Object::new_tuple([
        Object::integer(taken)?,
        Object::integer(handed_on)?,
        Object::integer(panics)?,
    ])
}

fn content(capsule: &Object) -> Answer<&Capsule> {
    let pointer = unsafe { abi::PyCapsule_GetPointer(capsule.pointer(), NAME) };
    if pointer.is_null() {
        return Err(Raised);
    }
    // The caller holds the capsule, and with it what is in it.
    Ok(unsafe { &*pointer.cast::<Capsule>() })
}

impl NativeCore {
    /// Forgets verdicts when they are many; their numbers, and those of their removals, hold until this is called again.
    pub fn make_room_for_verdicts(&mut self) {
        if self.verdicts.len() > VERDICTS_MAX {
            self.verdicts.truncate(STANDING + 1);
            self.removals.truncate(self.standing_removals);
            self.by_labels.clear();
        }
    }

    /// The number of the verdict for an event's headers, for which `ask` is asked where its labels are new; None where
    /// the plain core is to say.
    pub fn verdict(&mut self, headers: &Object, ask: &Object) -> Option<usize> {
        match self.verdict_or_raised(headers, ask) {
            Ok(verdict) => verdict,
            Err(raised) => {
                forget(raised);
                None
            }
        }
    }

    fn verdict_or_raised(&mut self, headers: &Object, ask: &Object) -> Answer<Option<usize>> {
        let count = headers.len()?;
        if count == 0 {
            return Ok(Some(STANDING));
        }
        let labels = match labels(headers, count)? {
            Some(labels) => labels,
            None => return Ok(Some(STANDING)),
        };
        if let Some(verdict) = self.by_labels.get(&labels) {
            return Ok(Some(*verdict));
        }
        if labels.len() > KEPT_LABELS_BYTES_MAX {
            return Ok(None);
        }
        let described = ask.call(headers)?;
        let verdict = described_plan::verdict(&described, &mut self.removals)?;
        Ok(verdict.map(|verdict| {
            self.verdicts.push(verdict);
            self.by_labels.insert(labels, self.verdicts.len() - 1);
            self.verdicts.len() - 1
        }))
    }
}

/// The values of the headers that hold labels, joined; None where there is no such header. Raises where one is null.
fn labels(headers: &Object, count: usize) -> Answer<Option<Vec<u8>>> {
    let mut joined: Option<Vec<u8>> = None;
    for index in 0..count {
        let header = headers.item(index)?;
        if header.item(0)?.as_text()? != LABELS_HEADER {
            continue;
        }
        let value: Bytes = header.item(1)?.into_bytes()?;
        match &mut joined {
            None => joined = Some(value.to_vec()),
            Some(joined) => {
                joined.push(b',');
                joined.extend_from_slice(&value);
            }
        }
    }
    Ok(joined)
}

unsafe extern "C" fn drop_core(capsule: *mut PyObject) {
    unsafe {
        let pointer = abi::PyCapsule_GetPointer(capsule, NAME);
        if !pointer.is_null() {
            drop(Box::from_raw(pointer.cast::<Capsule>()));
        }
    }
}
