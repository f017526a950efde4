//! The native core's functions, as Python calls them.

use crate::profile::batch::{process, Again, Call, Terms};
use crate::profile::capsule;
use crate::profile::one_event::apply;
use crate::python::answer::Answer;
use crate::python::object::Object;

/// `core(plan, standing, export_type) -> capsule | None`.
pub fn new_core([plan, standing, export_type]: [Object; 3]) -> Answer<Object> {
    capsule::new(&plan, &standing, &export_type)
}

/// `apply(core, ask, key, value, headers, timestamp_ms, offset, state, backfill, is_again)`, see `one_event`.
pub fn apply_event(arguments: [Object; 10]) -> Answer<Object> {
    apply(&arguments)
}

/// `process(core, ask, hand_on, states, records, exports, exported, changes, removed, export_bytes_max, state_bytes_max, number,
/// at_ms | None, offset) -> None | skipped`, see `batch`.
pub fn process_batch(arguments: [Object; 14]) -> Answer<Object> {
    let [core, ask, hand_on, states, records, exports, exported, changes, removed, export_bytes_max, state_bytes_max, number, at_ms, offset] =
        arguments;
    let again = if at_ms.is_none() {
        None
    } else {
        Some(Again {
            at_ms: at_ms.as_integer()?,
            offset: offset.as_integer()?,
        })
    };
    let terms = Terms {
        export_bytes_max: export_bytes_max.as_size()?,
        state_bytes_max: state_bytes_max.as_size()?,
        number: number.as_integer()?,
        again,
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
        terms,
    };
    process(&core, &call)
}

/// `counts(core) -> (taken, handed on, panics)`.
pub fn counts([core]: [Object; 1]) -> Answer<Object> {
    capsule::counts(&core)
}
