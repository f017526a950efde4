//! A table of records by profile, which are asked for and put by the batch: `processor/state/latest_records.py` has the
//! same in plain Python.
//!
//! It is larger than the CPU's caches, so that a look-up waits for memory several times: for the place, the profile that
//! is there, its record. Here all places of a batch are asked for before the first is looked at, then all that is there:
//! the waits pass together.

use std::cell::RefCell;
use std::os::raw::c_char;

use crate::python::abi::{self, PyObject, Py_ssize_t};
use crate::python::ahead::{fetch_line, fetch_object, fetch_small};
use crate::python::answer::{raise, Answer, Raised};
use crate::python::object::Object;

const NAME: *const c_char = b"processor.state.table\0".as_ptr().cast::<c_char>();
const PLACES_LEAST: usize = 64;
/// How often entries are dropped until it is seen whether so many places are needed still.
const DROPS_UNTIL_SEEN: u32 = 64;

struct Entry {
    hash: Py_ssize_t,
    profile: Object,
    record: Object,
}

/// Room for an entry; none lies in two lines of the cache.
#[derive(Default)]
#[repr(align(32))]
struct Place(Option<Entry>);

/// Open addressing: an entry is at its hash's place or behind it, with no free place between.
#[derive(Default)]
struct Table {
    places: Vec<Place>,
    entries: usize,
    /// The most that there were, or that there was to be room for, since that was seen last.
    entries_most: usize,
    drops: u32,
}

/// `new_table() -> table`: an empty one.
pub fn new([]: [Object; 0]) -> Answer<Object> {
    let pointer = Box::into_raw(Box::new(RefCell::new(Table::default())));
    unsafe {
        let capsule = Object::owned(abi::PyCapsule_New(pointer.cast(), NAME, Some(drop_table)));
        if capsule.is_err() {
            drop(Box::from_raw(pointer));
        }
        capsule
    }
}

/// `table_len(table) -> int`: how many entries it has.
pub fn len([table]: [Object; 1]) -> Answer<Object> {
    Object::integer(with(&table, |table| Ok(table.entries as i64))?)
}

/// `table_size_bytes(table) -> int`: what its places take, free or not.
pub fn size_bytes([table]: [Object; 1]) -> Answer<Object> {
    let places = with(&table, |table| Ok(table.places.capacity()))?;
    Object::integer((places * std::mem::size_of::<Place>()) as i64)
}

/// `table_find(table, profiles, found) -> unknown`: puts what the table has for the `profiles`, a list, into the `dict`
/// `found`; a list of those that it has nothing for, in order.
pub fn find([table, profiles, found]: [Object; 3]) -> Answer<Object> {
    profiles.list_len()?; // raises where it is none
    let profiles = profiles.items()?;
    let hashes = hashes(&profiles)?;
    let records: Vec<Option<Object>> = with(&table, |table| {
        let candidates = table.candidates(&hashes);
        let wanted = profiles.iter().zip(hashes).zip(candidates);
        wanted
            .map(|((profile, hash), candidate)| {
                let entry = table.entry_from(candidate, hash, profile)?;
                Ok(entry.map(|entry| entry.record.another()))
            })
            .collect()
    })?;
    let unknown = Object::new_list()?;
    for (profile, record) in profiles.iter().zip(&records) {
        match record {
            Some(record) => found.set(profile, record)?,
            None => unknown.append(profile)?,
        }
    }
    Ok(unknown)
}

/// `table_put(table, changes, entry_overhead_bytes) -> (grown_bytes, new)`: puts the `dict` `changes` into the table; by
/// how many bytes that grows it, where a profile that is new costs `entry_overhead_bytes` more than its own; and those
/// that are new, in order.
pub fn put([table, changes, entry_overhead_bytes]: [Object; 3]) -> Answer<Object> {
    let entry_overhead_bytes = entry_overhead_bytes.as_integer()?;
    let (profiles, records) = profiles_and_records(&changes)?;
    let hashes = hashes(&profiles)?;
    let (mut grown_bytes, new) = (0, Object::new_list()?);
    // All of it is found to be bytes before any of it is put.
    for record in &records {
        grown_bytes += bytes_of(record)?;
    }
    let mut replaced = Vec::new();
    with(&table, |table| {
        table.make_room(hashes.len());
        let candidates = table.candidates(&hashes);
        let entries = hashes.into_iter().zip(profiles).zip(records);
        for (((hash, profile), record), candidate) in entries.zip(candidates) {
            let place = table.place_from(candidate, hash, &profile)?;
            match &mut table.places[place].0 {
                Some(entry) => {
                    grown_bytes -= bytes_of(&entry.record)?;
                    replaced.push(std::mem::replace(&mut entry.record, record));
                }
                free => {
                    grown_bytes += entry_overhead_bytes + bytes_of(&profile)?;
                    new.append(&profile)?;
                    *free = Some(Entry {
                        hash,
                        profile,
                        record,
                    });
                    table.entries += 1;
                }
            }
        }
        Ok(())
    })?;
    Object::new_tuple([Object::integer(grown_bytes)?, new])
}

/// `table_drop_same(table, changes) -> None`: drops the entries whose record is the very one that stands in the `dict`
/// `changes`.
pub fn drop_same([table, changes]: [Object; 2]) -> Answer<Object> {
    let (profiles, records) = profiles_and_records(&changes)?;
    let hashes = hashes(&profiles)?;
    let mut dropped = Vec::new();
    with(&table, |table| {
        table.candidates(&hashes);
        for ((profile, hash), record) in profiles.iter().zip(hashes).zip(&records) {
            if table.entries == 0 {
                break;
            }
            // Others may have moved since the candidates were asked for.
            let place = table.place_from(table.first_place(hash), hash, profile)?;
            let found = table.places[place].0.as_ref();
            if found.map_or(false, |entry| entry.record.pointer() == record.pointer()) {
                dropped.push(table.take(place));
            }
        }
        table.give_room_back();
        Ok(())
    })?;
    Ok(Object::none())
}

/// `table_entries(table) -> (profiles, records)`: two lists, side by side, in the order of the profiles' bytes.
pub fn entries([table]: [Object; 1]) -> Answer<Object> {
    let (profiles, records): (Vec<Object>, Vec<Object>) = with(&table, |table| {
        let mut entries = Vec::with_capacity(table.entries);
        for entry in table.places.iter().filter_map(|place| place.0.as_ref()) {
            entries.push((entry.profile.as_bytes()?, entry));
        }
        entries.sort_unstable_by_key(|(profile, _)| *profile);
        let entries = entries.into_iter().map(|(_, entry)| entry);
        Ok(entries
            .map(|entry| (entry.profile.another(), entry.record.another()))
            .unzip())
    })?;
    // Not before nobody works with the table: for a new list Python may collect garbage, and run whatever that has it run.
    Object::new_tuple([
        Object::new_list_of(profiles.into_iter().map(Ok))?,
        Object::new_list_of(records.into_iter().map(Ok))?,
    ])
}

impl Table {
    fn first_place(&self, hash: Py_ssize_t) -> usize {
        // Python's hashes of bytes are as good in their low bits as in all.
        hash as usize & (self.places.len() - 1)
    }

    fn next_place(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// For each hash of a batch, the first place whose entry has it, or the free one behind; its profile and record are
    /// on their way into the caches then. None at all where the table is empty.
    fn candidates(&self, hashes: &[Py_ssize_t]) -> Vec<usize> {
        if self.places.is_empty() {
            return vec![0; hashes.len()];
        }
        for hash in hashes {
            fetch_line(&self.places[self.first_place(*hash)]);
        }
        hashes.iter().map(|hash| self.candidate(*hash)).collect()
    }

    fn candidate(&self, hash: Py_ssize_t) -> usize {
        let mut place = self.first_place(hash);
        while let Some(entry) = &self.places[place].0 {
            if entry.hash == hash {
                fetch_small(entry.profile.pointer());
                fetch_object(entry.record.pointer());
                break;
            }
            place = self.next_place(place);
        }
        place
    }

    /// From a candidate on, the place of a profile, or the free one where it would be.
    fn place_from(&self, candidate: usize, hash: Py_ssize_t, profile: &Object) -> Answer<usize> {
        let mut place = candidate;
        while let Some(entry) = &self.places[place].0 {
            if entry.hash == hash && is_same(&entry.profile, profile)? {
                break;
            }
            place = self.next_place(place);
        }
        Ok(place)
    }

    /// From a candidate on, the entry of a profile.
    fn entry_from(
        &self,
        candidate: usize,
        hash: Py_ssize_t,
        profile: &Object,
    ) -> Answer<Option<&Entry>> {
        if self.entries == 0 {
            return Ok(None);
        }
        Ok(self.places[self.place_from(candidate, hash, profile)?]
            .0
            .as_ref())
    }

    /// Has places for so many entries more.
    fn make_room(&mut self, more: usize) {
        let wanted = self.entries + more;
        self.entries_most = self.entries_most.max(wanted);
        if places_for(wanted) > self.places.len() {
            self.lay_out(places_for(wanted));
        }
    }

    /// Gives places back that a burst has left behind: where a quarter of them was enough for a while.
    fn give_room_back(&mut self) {
        self.drops += 1;
        if self.drops < DROPS_UNTIL_SEEN {
            return;
        }
        let places = places_for(self.entries_most);
        if places * 4 <= self.places.len() {
            self.lay_out(places);
        }
        self.drops = 0;
        self.entries_most = self.entries;
    }

    fn lay_out(&mut self, places: usize) {
        let before = std::mem::take(&mut self.places);
        self.places.resize_with(places, Place::default);
        for entry in before.into_iter().filter_map(|place| place.0) {
            let mut place = self.first_place(entry.hash);
            while self.places[place].0.is_some() {
                place = self.next_place(place);
            }
            self.places[place] = Place(Some(entry));
        }
    }

    /// Takes an entry out, and moves those behind it that would not be found any more.
    fn take(&mut self, place: usize) -> Place {
        let taken = std::mem::take(&mut self.places[place]);
        self.entries -= 1;
        let (mut free, mut at) = (place, self.next_place(place));
        while let Some(entry) = &self.places[at].0 {
            let first = self.first_place(entry.hash);
            let mask = self.places.len() - 1;
            if at.wrapping_sub(first) & mask >= at.wrapping_sub(free) & mask {
                self.places.swap(free, at);
                free = at;
            }
            at = self.next_place(at);
        }
        taken
    }
}

/// Of so many places a third stays free at least.
fn places_for(entries: usize) -> usize {
    (entries * 3 / 2 + 1).next_power_of_two().max(PLACES_LEAST)
}

fn profiles_and_records(changes: &Object) -> Answer<(Vec<Object>, Vec<Object>)> {
    let size = changes.dict_len()?; // raises where it is none
    let (mut profiles, mut records) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for (profile, record) in changes.entries() {
        profiles.push(profile);
        records.push(record);
    }
    Ok((profiles, records))
}

/// Raises where a profile is no `bytes`. One of a class of its own may run Python for its hash.
fn hashes(profiles: &[Object]) -> Answer<Vec<Py_ssize_t>> {
    let hash = |profile: &Object| profile.as_bytes().and_then(|_| profile.hash());
    profiles.iter().map(hash).collect()
}

fn is_same(one: &Object, other: &Object) -> Answer<bool> {
    Ok(one.pointer() == other.pointer() || one.as_bytes()? == other.as_bytes()?)
}

fn bytes_of(record: &Object) -> Answer<i64> {
    Ok(record.as_bytes()?.len() as i64)
}

/// Does `work` with a capsule's table. It runs no Python, which might ask for the table: what is hashed, put into a `dict`, or
/// freed is so before or after.
fn with<T>(capsule: &Object, work: impl FnOnce(&mut Table) -> Answer<T>) -> Answer<T> {
    let pointer = unsafe { abi::PyCapsule_GetPointer(capsule.pointer(), NAME) };
    if pointer.is_null() {
        return Err(Raised);
    }
    // The caller holds the capsule, and with it what is in it. Who works with it holds Python's lock.
    let table = unsafe { &*pointer.cast::<RefCell<Table>>() };
    let mut table = table
        .try_borrow_mut()
        .map_err(|_| raise(b"a table of records was asked for while it was worked with\0"))?;
    work(&mut table)
}

unsafe extern "C" fn drop_table(capsule: *mut PyObject) {
    unsafe {
        let pointer = abi::PyCapsule_GetPointer(capsule, NAME);
        if !pointer.is_null() {
            drop(Box::from_raw(pointer.cast::<RefCell<Table>>()));
        }
    }
}
