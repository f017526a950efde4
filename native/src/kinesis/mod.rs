//! What `processor/kinesis/` asks for: the bodies of its calls, and the shards of its partition keys.

pub mod base64;
pub mod cbor;
pub mod entries;
pub mod md5;
pub mod profile_order;
pub mod put_records;
pub mod room;
pub mod shards;
