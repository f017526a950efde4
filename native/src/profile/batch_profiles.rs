//! The profiles of a batch and their latest states: a profile may come more than once.

use std::ops::Range;

use crate::python::answer::Answer;
use crate::python::content::Bytes;
use crate::python::object::Object;

const EMPTY: u32 = u32::MAX;

pub struct Profile {
    pub key: Bytes,
    hash: isize,
    /// The state that Python knows.
    pub given: Option<Bytes>,
    /// The state that a later event of the batch made, by its place in what the batch made.
    pub made: Option<Range<usize>>,
    /// Whether the batch's changes hold it already.
    pub is_changed: bool,
}

/// Profiles by number, found by their keys.
pub struct Profiles {
    pub all: Vec<Profile>,
    table: Vec<u32>,
}

impl Profiles {
    /// Room for as many profiles as there are records.
    pub fn new(records: usize) -> Self {
        Self {
            all: Vec::with_capacity(records),
            table: vec![EMPTY; (records * 2).next_power_of_two()],
        }
    }

    /// The number of the profile with this key; None where `states` does not have it.
    pub fn number(&mut self, key: Bytes, states: &Object) -> Answer<Option<usize>> {
        let hash = key.object.hash()?;
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            match self.table[place] {
                EMPTY => break,
                number => {
                    let profile = &self.all[number as usize];
                    if profile.hash == hash && *profile.key == *key {
                        return Ok(Some(number as usize));
                    }
                }
            }
            place = (place + 1) & mask;
        }
        let given = match states.get(&key.object)? {
            None => return Ok(None),
            Some(state) if state.is_none() => None,
            Some(state) => Some(state.into_bytes()?),
        };
        self.table[place] = self.all.len() as u32;
        self.all.push(Profile {
            key,
            hash,
            given,
            made: None,
            is_changed: false,
        });
        Ok(Some(self.all.len() - 1))
    }

    /// Takes notice of what the plain core did to a profile.
    pub fn look_again(&mut self, number: usize, states: &Object, changes: &Object) -> Answer<()> {
        if let Some(profile) = self.all.get_mut(number) {
            profile.made = None;
            profile.is_changed = changes.has_key(&profile.key.object)?;
            profile.given = match states.get(&profile.key.object)? {
                Some(state) if !state.is_none() => Some(state.into_bytes()?),
                _ => None,
            };
        }
        Ok(())
    }
}
