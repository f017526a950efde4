//! What every event passes through, compiled: `processor._native`.
//!
//! What its functions take and return stands in `processor/_native.pyi`.

#![deny(unsafe_op_in_unsafe_fn)]

mod core;
mod json;
mod kafka;
mod kinesis;
mod profile;
mod python;
mod state;

use std::sync::atomic::{AtomicI64, Ordering};

use kafka::{changelog, fetch, record};
use kinesis::{cbor, profile_order, put_records, shards};
use profile::functions as profile_core;
use python::abi::PyObject;
use python::answer::Answer;
use python::module::{self, function, Functions, END};
use python::object::Object;
use state::{records, table};

static FUNCTIONS: Functions<28> = Functions::of([
    function!("version", version),
    function!("panics", panics),
    function!("core", profile_core::new_core),
    function!("apply", profile_core::apply_event),
    function!("process", profile_core::process_batch),
    function!("counts", profile_core::counts),
    function!("put_records_body", put_records::put_records_body),
    function!("put_records_cbor", cbor::put_records_cbor),
    function!("stored_in", cbor::stored_in),
    function!("profiles_done", profile_order::done),
    function!("record_batches", changelog::record_batches),
    function!("seal_batch", changelog::seal_batch),
    function!("unpacked", fetch::unpacked),
    function!("is_whole", fetch::is_whole),
    function!("size_bytes", fetch::size_bytes),
    function!("keys", fetch::keys),
    function!("kept", fetch::kept),
    function!("find_records", records::find),
    function!("put_records", records::put),
    function!("new_table", table::new),
    function!("table_len", table::len),
    function!("table_size_bytes", table::size_bytes),
    function!("table_find", table::find),
    function!("table_put", table::put),
    function!("table_drop_same", table::drop_same),
    function!("table_entries", table::entries),
    function!("places_of", shards::places_of),
    END,
]);

/// Panics of this process. Each is caught where Python called, and what it was called for is left to plain Python.
static PANICS: AtomicI64 = AtomicI64::new(0);

fn version([]: [Object; 0]) -> Answer<Object> {
    Object::new_text(env!("CARGO_PKG_VERSION").as_bytes())
}

fn panics([]: [Object; 0]) -> Answer<Object> {
    Object::integer(PANICS.load(Ordering::Relaxed))
}

/// Python's way in, which its import alone takes, with its lock held.
#[no_mangle]
pub extern "C" fn PyInit__native() -> *mut PyObject {
    // What it says may quote an event; that it happened is counted.
    std::panic::set_hook(Box::new(|_| {
        PANICS.fetch_add(1, Ordering::Relaxed);
    }));
    let made =
        module::new(&FUNCTIONS).and_then(|module| record::add_type(&module).map(|()| module));
    made.map_or(std::ptr::null_mut(), Object::given_away)
}
