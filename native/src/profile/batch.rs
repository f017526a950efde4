//! A batch of one partition through the native core: gathered with Python's lock, computed without it, delivered with it.

use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::core::transition::{self, Input, Transition};
use crate::profile::batch_profiles::Profiles;
use crate::profile::capsule::{self, Counts, NativeCore};
use crate::profile::source_record::Fields;
use crate::python::ahead::fetch_bytes;
use crate::python::answer::{forget, Answer};
use crate::python::content::Bytes;
use crate::python::lock::without_lock;
use crate::python::object::Object;

/// How many events ahead of the one that is worked on the caches are filled.
const EVENTS_AHEAD: usize = 2;

/// Where a batch comes from and goes to. `ask` knows verdicts, and `hand_on` has the plain core take a record.
pub struct Call {
    pub ask: Object,
    pub hand_on: Object,
    pub states: Object,
    pub records: Object,
    pub exports: Object,
    pub exported: Object,
    pub changes: Object,
    pub removed: Object,
    pub terms: Terms,
}

/// What goes for all events of a batch.
pub struct Terms {
    /// What the stream takes of an export, its partition key included.
    pub export_bytes_max: usize,
    /// What the changelog takes of a state record, its key included.
    pub state_bytes_max: usize,
    /// The number of the partition's note, or of the backfill.
    pub number: i64,
    /// What the events are taken as that a backfill takes again; None for those that are new.
    pub again: Option<Again>,
}

#[derive(Clone, Copy)]
pub struct Again {
    pub at_ms: i64,
    pub offset: i64,
}

/// Takes all records, in their order: how many were skipped. `None` where it takes none of them, for another thread is at
/// work with the core.
pub fn process(capsule: &Object, call: &Call) -> Answer<Object> {
    let skipped = capsule::with(capsule, |core, counts| {
        core.make_room_for_verdicts();
        let skipped =
            Batch::gathered(core, call).and_then(|mut batch| batch.take_all(core, counts, call));
        core.clear();
        skipped
    })?;
    skipped.map_or_else(|| Ok(Object::none()), Object::integer)
}

struct Batch {
    records: Vec<Object>,
    /// Of each record its profile's number, where it is known.
    profile_of: Vec<Option<usize>>,
    /// Of each record; None where it is to be handed on.
    events: Vec<Option<Event>>,
    profiles: Profiles,
}

struct Event {
    value: Bytes,
    /// By its number in the batch.
    profile: usize,
    verdict: usize,
    timestamp_ms: i64,
    offset: i64,
}

impl Batch {
    fn gathered(core: &mut NativeCore, call: &Call) -> Answer<Self> {
        let records = call.records.items()?;
        let mut batch = Self {
            profile_of: Vec::with_capacity(records.len()),
            events: Vec::with_capacity(records.len()),
            profiles: Profiles::new(records.len()),
            records,
        };
        for record in &batch.records {
            let (profile, event) = match Fields::of(record, &core.names) {
                Ok(fields) => read(core, call, fields, &mut batch.profiles),
                Err(raised) => {
                    forget(raised);
                    (None, None)
                }
            };
            batch.profile_of.push(profile);
            batch.events.push(event);
        }
        Ok(batch)
    }

    fn take_all(&mut self, core: &mut NativeCore, counts: &Counts, call: &Call) -> Answer<i64> {
        let mut skipped = 0;
        let mut next = 0;
        while next < self.records.len() {
            let made = without_lock(|| self.run(core, counts, &call.terms, next));
            counts.count_taken(made.len());
            for transition in &made {
                skipped += i64::from(transition.is_skipped);
                self.deliver(core, call, next, transition)?;
                next += 1;
            }
            if let Some(record) = self.records.get(next) {
                counts.count_handed_on(1);
                call.hand_on.call(record)?;
                if let Some(profile) = self.profile_of[next] {
                    self.profiles
                        .look_again(profile, &call.states, &call.changes)?;
                }
                next += 1;
            }
        }
        Ok(skipped)
    }

    /// Applies events from `next` on, up to one that is to be handed on. It touches no Python object.
    fn run(
        &mut self,
        core: &mut NativeCore,
        counts: &Counts,
        terms: &Terms,
        next: usize,
    ) -> Vec<Transition> {
        let mut made = Vec::with_capacity(self.events.len() - next);
        let mut latest = Vec::new();
        for (index, event) in self.events.iter().enumerate().skip(next) {
            if let Some(Some(following)) = self.events.get(index + EVENTS_AHEAD) {
                fetch_bytes(&following.value);
            }
            let event = match event {
                None => break,
                Some(event) => event,
            };
            let transition = catch_unwind(AssertUnwindSafe(|| {
                event.applied(core, &self.profiles, terms, &mut latest)
            }));
            let transition = match transition {
                Ok(Some(transition)) => transition,
                Ok(None) => break,
                Err(_) => {
                    counts.count_panic();
                    break;
                }
            };
            if let (Some(state), None) = (&transition.state, terms.again) {
                self.profiles.all[event.profile].made = Some(state.clone());
            }
            made.push(transition);
        }
        made
    }

    fn deliver(
        &mut self,
        core: &NativeCore,
        call: &Call,
        index: usize,
        transition: &Transition,
    ) -> Answer<()> {
        let profile = match &self.events[index] {
            None => return Ok(()),
            Some(event) => &mut self.profiles.all[event.profile],
        };
        let key = &profile.key.object;
        if let Some(state) = &transition.state {
            let state = core.output.object(state)?;
            // Changes stand in the order of their offsets, which a restore relies on.
            if profile.is_changed {
                call.changes.delete(key)?;
            }
            profile.is_changed = true;
            call.changes.set(key, &state)?;
            if call.terms.again.is_none() {
                call.states.set(key, &state)?;
            }
        }
        if let Some(export) = &transition.export {
            call.exports
                .append(&core.new_export(&profile.key, export)?)?;
            call.exported.append(&self.records[index])?;
        }
        core.tell_removed(transition, &call.removed)
    }
}

/// The number of a record's profile, and the event: None of either where the record is to be handed on.
fn read(
    core: &mut NativeCore,
    call: &Call,
    fields: Fields,
    profiles: &mut Profiles,
) -> (Option<usize>, Option<Event>) {
    let number = |key| {
        profiles.number(key, &call.states).unwrap_or_else(|raised| {
            forget(raised);
            None
        })
    };
    let profile = fields.key.and_then(number);
    let event = profile.and_then(|profile| {
        let value = fields.value?;
        let verdict = core.verdict(&fields.headers, &call.ask)?;
        let (timestamp_ms, offset) = match call.terms.again {
            Some(again) => (again.at_ms, again.offset),
            None => (fields.timestamp_ms?, fields.offset?),
        };
        Some(Event {
            value,
            profile,
            verdict,
            timestamp_ms,
            offset,
        })
    });
    (profile, event)
}

impl Event {
    fn applied(
        &self,
        core: &mut NativeCore,
        profiles: &Profiles,
        terms: &Terms,
        latest: &mut Vec<u8>,
    ) -> Option<Transition> {
        let profile = profiles.all.get(self.profile)?;
        let state = match &profile.made {
            None => profile.given.as_deref(),
            Some(made) => {
                latest.clear();
                latest.extend_from_slice(core.output.bytes.get(made.clone())?);
                Some(&latest[..])
            }
        };
        let input = Input {
            key: &profile.key,
            value: &self.value,
            verdict: core.verdicts.get(self.verdict)?,
            timestamp_ms: self.timestamp_ms,
            offset: self.offset,
            state,
            backfill: terms.number,
            is_again: terms.again.is_some(),
        };
        let (bytes, removed) = (core.output.bytes.len(), core.output.removed.len());
        let transition = transition::apply(&core.plan, &mut core.room, &input, &mut core.output);
        let is_small = transition
            .as_ref()
            .map_or(false, |made| is_small(made, terms, profile.key.len()));
        if is_small {
            return transition;
        }
        core.output.bytes.truncate(bytes);
        core.output.removed.truncate(removed);
        None
    }
}

/// Whether both ends take what an event made.
fn is_small(transition: &Transition, terms: &Terms, key_bytes: usize) -> bool {
    let export_bytes = transition.export.as_ref().map_or(0, |export| {
        export.data.len()
            + export
                .partition_key
                .as_ref()
                .map_or(key_bytes, ExactSizeIterator::len)
    });
    let state_bytes = transition
        .state
        .as_ref()
        .map_or(0, |state| state.len() + key_bytes);
    export_bytes <= terms.export_bytes_max && state_bytes <= terms.state_bytes_max
}
