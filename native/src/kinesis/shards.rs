//! Which shard each of many partition keys goes to.

use crate::kinesis::md5::digests;
use crate::python::answer::Answer;
use crate::python::call::NotMine;
use crate::python::object::Object;

const HASH_BYTES: usize = 16;

/// `places_of(keys, starts) -> [place] | None`: for each key, bytes, in how many of the ranges that begin at `starts` its
/// MD5 lies behind the start; `starts` has them in order, 16 bytes each. None where a key is no bytes.
pub fn places_of([keys, starts]: [Object; 2]) -> Result<Object, NotMine> {
    let starts: Vec<u128> = starts
        .as_bytes()?
        .chunks_exact(HASH_BYTES)
        .filter_map(|start| start.try_into().ok().map(u128::from_be_bytes))
        .collect();
    let digests = keys.look_at_items(|keys| {
        let keys: Answer<Vec<&[u8]>> = keys.iter().map(Object::as_bytes).collect();
        keys.map(|keys| digests(&keys))
    })??;
    let places = digests.iter().map(|digest| {
        let hash = u128::from_be_bytes(*digest);
        Object::integer(starts.partition_point(|start| *start <= hash) as i64)
    });
    Ok(Object::new_list_of(places)?)
}
