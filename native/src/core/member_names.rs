//! The names of an object's members that a plan knows, found by their bytes.

/// From this many names on they are looked up in a table; fewer are compared one by one, which is quicker.
const TABLE_FROM: usize = 9;
const EMPTY: u32 = u32::MAX;

#[derive(Default)]
pub struct Names {
    names: Vec<Box<[u8]>>,
    tags: Vec<u64>,
    table: Vec<u32>,
}

impl Names {
    /// Adds a name, or finds it: its index.
    pub fn add(&mut self, name: &[u8]) -> usize {
        if let Some(index) = self.find(name) {
            return index;
        }
        self.names.push(name.into());
        self.tags.push(tag(name));
        if self.names.len() >= TABLE_FROM {
            self.fill_table();
        }
        self.names.len() - 1
    }

    #[inline(always)]
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let wanted = tag(name);
        if self.table.is_empty() {
            let index = self.tags.iter().position(|tag| *tag == wanted)?;
            // Two names may have one tag.
            return if &*self.names[index] == name {
                Some(index)
            } else {
                self.names.iter().position(|each| &**each == name)
            };
        }
        self.find_in_table(name, wanted)
    }

    fn find_in_table(&self, name: &[u8], wanted: u64) -> Option<usize> {
        let mask = self.table.len() - 1;
        let mut place = (wanted >> 32) as usize & mask;
        loop {
            let index = self.table[place];
            if index == EMPTY {
                return None;
            }
            let index = index as usize;
            if self.tags[index] == wanted && &*self.names[index] == name {
                return Some(index);
            }
            place = (place + 1) & mask;
        }
    }

    fn fill_table(&mut self) {
        let size = (self.names.len() * 2).next_power_of_two();
        if size > self.table.len() {
            self.table = vec![EMPTY; size * 2];
            for index in 0..self.names.len() {
                self.put(index);
            }
        } else {
            self.put(self.names.len() - 1);
        }
    }

    fn put(&mut self, index: usize) {
        let mask = self.table.len() - 1;
        let mut place = (self.tags[index] >> 32) as usize & mask;
        while self.table[place] != EMPTY {
            place = (place + 1) & mask;
        }
        self.table[place] = index as u32;
    }
}

/// A number in which names differ: from their length, their first and their last eight bytes.
#[inline(always)]
fn tag(name: &[u8]) -> u64 {
    let (first, last) = match (
        name.get(..8),
        name.len().checked_sub(8).and_then(|at| name.get(at..)),
    ) {
        (Some(first), Some(last)) => (word(first), word(last)),
        _ => (word(name), 0),
    };
    ((first ^ last.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15)) ^ (name.len() as u64) << 32
}

#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    match <[u8; 8]>::try_from(bytes) {
        Ok(eight) => u64::from_le_bytes(eight),
        Err(_) => bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_at_its_index_and_no_other() {
        for count in [0, 1, 8, 9, 10, 100, 1000] {
            let mut names = Names::default();
            let all: Vec<String> = (0..count)
                .map(|number| format!("{number}-{}", "n".repeat(number % 40)))
                .collect();
            for (index, name) in all.iter().enumerate() {
                assert_eq!(names.add(name.as_bytes()), index);
            }
            for (index, name) in all.iter().enumerate() {
                assert_eq!(names.add(name.as_bytes()), index);
                assert_eq!(names.find(format!("{name}x").as_bytes()), None);
            }
            assert_eq!(names.find(b""), None);
        }
    }

    #[test]
    fn names_of_one_tag_are_told_apart() {
        let mut names = Names::default();
        let all: [&[u8]; 3] = [
            b"12345678-a-12345678",
            b"12345678-b-12345678",
            b"12345678-c-12345678",
        ];
        for (index, name) in all.iter().enumerate() {
            assert_eq!(names.add(name), index);
        }
        for (index, name) in all.iter().enumerate() {
            assert_eq!(names.find(name), Some(index));
        }
        assert_eq!(names.find(b"12345678-d-12345678"), None);
    }
}
