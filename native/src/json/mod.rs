//! JSON as bytes: read strictly, walked over, spelled in one way, and quoted.

pub mod already_canonical;
pub mod canonical;
pub mod number;
pub mod plain_stretch;
pub mod quoted;
pub mod string;
pub mod syntax;
pub mod utf8;
pub mod walk;
