//! The core as `processor/profile/compiled_core.py` calls it: for a plan, with a batch or with one event.

pub mod batch;
pub mod batch_profiles;
pub mod capsule;
pub mod delivery;
pub mod described_plan;
pub mod functions;
pub mod one_event;
pub mod source_record;
