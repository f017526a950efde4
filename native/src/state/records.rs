//! State records by profile, in dictionaries, found and put by the batch: `processor/state/records.py` has the same in
//! plain Python.

use crate::python::answer::Answer;
use crate::python::object::Object;

/// `find_records(records, profiles, found) -> unknown | None`: puts what `records` has for `profiles` into `found`; a list of those that it has nothing for, or None where the first
/// is no `dict` or the second no list.
pub fn find([records, profiles, found]: [Object; 3]) -> Answer<Object> {
    if !records.is_dict() || !profiles.is_list() {
        return Ok(Object::none());
    }
    let unknown = Object::new_list()?;
    for index in 0..profiles.len()? {
        let profile = profiles.item(index)?;
        match records.get(&profile)? {
            Some(record) => found.set(&profile, &record)?,
            None => unknown.append(&profile)?,
        }
    }
    Ok(unknown)
}

/// `put_records(records, changes, entry_overhead_bytes) -> (grown_bytes, new) | None`: puts `changes` into `records`, where both are a `dict`, else None; by how many bytes that grows, where a profile that
/// is new costs `entry_overhead_bytes` more than its own; and those that are new, in order. None is a record too, of no bytes.
pub fn put([records, changes, entry_overhead_bytes]: [Object; 3]) -> Answer<Object> {
    if !records.is_dict() || !changes.is_dict() {
        return Ok(Object::none());
    }
    let entry_overhead_bytes = entry_overhead_bytes.as_integer()?;
    let (mut grown_bytes, new) = (0, Object::new_list()?);
    for (profile, record) in changes.entries() {
        grown_bytes += size_bytes(&record)?;
        match records.get(&profile)? {
            Some(before) => grown_bytes -= size_bytes(&before)?,
            None => {
                grown_bytes += entry_overhead_bytes + size_bytes(&profile)?;
                new.append(&profile)?;
            }
        }
        records.set(&profile, &record)?;
    }
    Object::new_tuple([Object::integer(grown_bytes)?, new])
}

fn size_bytes(record: &Object) -> Answer<i64> {
    if record.is_none() {
        return Ok(0);
    }
    Ok(record.another().into_bytes()?.len() as i64)
}
