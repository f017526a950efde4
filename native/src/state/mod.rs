//! What `processor/state/` asks for.

pub mod records;
pub mod table;
