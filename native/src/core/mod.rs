//! What happens to one event between its bytes and its export and state record. It knows nothing of Python.

pub mod consent;
pub mod diff;
pub mod duplicates;
pub mod event;
pub mod export;
pub mod identities;
pub mod member_names;
pub mod member_tree;
pub mod plan;
pub mod state_record;
pub mod times;
pub mod transition;
pub mod xxh3;
