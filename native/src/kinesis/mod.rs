//! What `processor/kinesis/` asks for: the bodies of its calls, and the shards of its partition keys.

pub mod base64;
pub mod md5;
pub mod put_records;
pub mod shards;
