//! One event through the native core, for those that have one alone: tests, a replay, a preview.

use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::core::transition::{self, Input, Transition};
use crate::profile::capsule::{self, Counts, NativeCore};
use crate::python::answer::{forget, Answer};
use crate::python::content::Bytes;
use crate::python::object::Object;

/// `apply(core, ask, key, value, headers, timestamp_ms, offset, state, backfill, is_again) -> None | (export, state, removed,
/// skipped)`: None where the plain core is to say.
pub fn apply(arguments: &[Object; 10]) -> Answer<Object> {
    let found = capsule::with(&arguments[0], |core, counts| {
        core.make_room_for_verdicts();
        let event = match read(core, arguments) {
            Ok(event) => event,
            Err(raised) => {
                forget(raised);
                None
            }
        };
        let taken = event
            .as_ref()
            .and_then(|event| Some((event, event.applied(core, counts)?)));
        let answer = match taken {
            None => {
                counts.count_handed_on(1);
                Ok(Object::none())
            }
            Some((event, transition)) => {
                counts.count_taken(1);
                delivered(core, &event.key, &transition)
            }
        };
        core.clear();
        answer
    })?;
    Ok(found.unwrap_or_else(Object::none))
}

struct Event {
    key: Bytes,
    value: Bytes,
    state: Option<Bytes>,
    verdict: usize,
    timestamp_ms: i64,
    offset: i64,
    backfill: i64,
    is_again: bool,
}

fn read(core: &mut NativeCore, arguments: &[Object; 10]) -> Answer<Option<Event>> {
    let [_, ask, key, value, headers, timestamp_ms, offset, state, backfill, is_again] = arguments;
    let verdict = match core.verdict(headers, ask) {
        Some(verdict) if !key.is_none() && !value.is_none() => verdict,
        _ => return Ok(None),
    };
    Ok(Some(Event {
        key: key.another().into_bytes()?,
        value: value.another().into_bytes()?,
        state: if state.is_none() {
            None
        } else {
            Some(state.another().into_bytes()?)
        },
        verdict,
        timestamp_ms: timestamp_ms.as_integer()?,
        offset: offset.as_integer()?,
        backfill: backfill.as_integer()?,
        is_again: is_again.is_true()?,
    }))
}

impl Event {
    fn applied(&self, core: &mut NativeCore, counts: &Counts) -> Option<Transition> {
        let input = Input {
            key: &self.key,
            value: &self.value,
            verdict: core.verdicts.get(self.verdict)?,
            timestamp_ms: self.timestamp_ms,
            offset: self.offset,
            state: self.state.as_deref(),
            backfill: self.backfill,
            is_again: self.is_again,
        };
        let (plan, room, output) = (&core.plan, &mut core.room, &mut core.output);
        catch_unwind(AssertUnwindSafe(|| {
            transition::apply(plan, room, &input, output)
        }))
        .unwrap_or_else(|_| {
            counts.count_panic();
            None
        })
    }
}

fn delivered(core: &NativeCore, key: &Bytes, transition: &Transition) -> Answer<Object> {
    let export = match &transition.export {
        None => Object::none(),
        Some(export) => core.new_export(key, export)?,
    };
    let state = match &transition.state {
        None => Object::none(),
        Some(state) => core.output.object(state)?,
    };
    let removed = Object::new_list()?;
    core.tell_removed(transition, &removed)?;
    let skipped = Object::integer(i64::from(transition.is_skipped))?;
    Object::new_tuple([export, state, removed, skipped])
}
