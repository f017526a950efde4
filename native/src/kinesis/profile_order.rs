//! The order of a profile's records, as a call's are settled: `processor/kinesis/profile_order.py` has the same in plain Python.
//!
//! Items were made some milliseconds ago, with others between: each refers to an export, and that to a profile, none of which
//! is in any cache. All items are asked for first, then all exports, then all profiles.

use crate::python::ahead::{fetch_small, OBJECTS_AHEAD};
use crate::python::answer::{raise_key, Answer};
use crate::python::object::Object;

/// `profiles_done(partitions, items) -> positions | None`: takes the profile of each of a list of items from the `dict` of its
/// partition, where nothing queues behind it; the positions of the others. Raises KeyError where one is not there, and takes none
/// then. None where `items` is no list.
pub fn done([partitions, items]: [Object; 2]) -> Answer<Object> {
    if !items.is_list() {
        return Ok(Object::none());
    }
    let count = items.list_len()?;
    let mut partitions = Partitions::of(partitions)?;
    let (of_export, of_profile) = (Object::name(b"export\0")?, Object::name(b"profile\0")?);
    let (mut on_their_way, mut exports) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for index in 0..count {
        items.fetch_item(index + OBJECTS_AHEAD);
        let item = items.item(index)?;
        let export = item.attribute(&of_export)?;
        fetch_small(export.pointer());
        exports.push(export);
        on_their_way.push(partitions.number(&item)?);
    }
    let mut profiles = Vec::with_capacity(count);
    for export in &exports {
        let profile = export.attribute(&of_profile)?;
        fetch_small(profile.pointer());
        profiles.push(profile);
    }
    let mut queues = Vec::with_capacity(count);
    for (profile, partition) in profiles.iter().zip(&on_their_way) {
        let queue = partitions.profiles(*partition).get(profile)?;
        queues.push(queue.ok_or_else(|| raise_key(profile))?);
    }
    let followed = Object::new_list()?;
    let done = profiles.iter().zip(on_their_way).zip(queues);
    for (position, ((profile, partition), queue)) in done.enumerate() {
        if queue.is_true()? {
            followed.append(&Object::integer(position as i64)?)?;
        } else {
            partitions.profiles(partition).delete(profile)?;
        }
    }
    Ok(followed)
}

/// The profiles of each partition, by the tickets that items have: these are few, and asked for one after the other.
struct Partitions {
    all: Object,
    of_ticket: Object,
    of_partition: Object,
    known: Vec<(Object, Object)>,
}

impl Partitions {
    fn of(all: Object) -> Answer<Self> {
        Ok(Self {
            all,
            of_ticket: Object::name(b"ticket\0")?,
            of_partition: Object::name(b"partition\0")?,
            known: Vec::new(),
        })
    }

    /// By which `profiles` has those of an item's partition.
    fn number(&mut self, item: &Object) -> Answer<usize> {
        let ticket = item.attribute(&self.of_ticket)?;
        let is_of = |(known, _): &(Object, Object)| known.pointer() == ticket.pointer();
        if let Some(number) = self.known.iter().position(is_of) {
            return Ok(number);
        }
        let partition = ticket.attribute(&self.of_partition)?;
        let profiles = self.all.get(&partition)?;
        let profiles = profiles.ok_or_else(|| raise_key(&partition))?;
        self.known.push((ticket, profiles));
        Ok(self.known.len() - 1)
    }

    fn profiles(&self, number: usize) -> &Object {
        &self.known[number].1
    }
}
