//! Python: what is used of its ABI, its objects in safe functions, its calls, and the module.

pub mod abi;
pub mod ahead;
pub mod answer;
pub mod call;
pub mod containers;
pub mod content;
pub mod lock;
pub mod module;
pub mod object;
