//! What `processor/kafka/` asks for: record batches of format 2, fetched ones read and the changelog's written.

pub mod changelog;
pub mod crc32c;
pub mod fetch;
pub mod fetched_batch;
pub mod record;
pub mod written_batch;
