//! An event's bytes, read once: all of its syntax is checked, and what the plan looks at is found.

use crate::core::member_tree::{Kind, Member, Tree};
use crate::json::syntax::{Cursor, LEVELS_MAX};
use crate::json::utf8::is_utf8;

/// A part of an event, from its first byte to behind its last one. No value is at 0, so that is where an absent one is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Part {
    pub start: u32,
    pub end: u32,
}

impl Part {
    pub fn of<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        if self.start == 0 {
            return None;
        }
        text.get(self.start as usize..self.end as usize)
    }

    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self {
            start: u32::try_from(start).ok()?,
            end: u32::try_from(end).ok()?,
        })
    }
}

/// A profile's entry for one mapped segment; the times without their quotes.
#[derive(Clone, Copy, Default)]
pub struct Entry {
    pub is_given: bool,
    pub is_exited: bool,
    pub time: Part,
    pub valid_until: Part,
}

/// What the plan wants of an event.
#[derive(Default)]
pub struct Found {
    /// By the tree's slots.
    pub values: Vec<Part>,
    /// By the plan's segments.
    pub entries: Vec<Entry>,
    /// Whether white space holds line feeds or carriage returns: an export is one line.
    pub has_line_breaks: bool,
}

impl Found {
    pub fn new(slots: usize, segments: usize) -> Self {
        Self {
            values: vec![Part::default(); slots],
            entries: vec![Entry::default(); segments],
            has_line_breaks: false,
        }
    }

    /// Reads an event; None where the plain core is to say what it is.
    pub fn read(&mut self, tree: &Tree, event: &[u8]) -> Option<()> {
        if !is_utf8(event) {
            return None;
        }
        self.values.fill(Part::default());
        self.entries.fill(Entry::default());
        let mut cursor = Cursor::new(event);
        self.object(tree, &mut cursor, 0)?;
        if cursor.token() != 0 || cursor.at != event.len() {
            return None;
        }
        self.has_line_breaks = cursor.has_line_breaks;
        Some(())
    }

    /// Goes no deeper than the plan's ways are long.
    fn object(&mut self, tree: &Tree, cursor: &mut Cursor<'_>, level: u32) -> Option<()> {
        if level >= LEVELS_MAX {
            return None;
        }
        let mut is_going_on = cursor.opened_has_members()?;
        while is_going_on {
            let name = cursor.name()?;
            match tree
                .names
                .find(&name)
                .and_then(|index| tree.members.get(index))
            {
                None => cursor.value(level + 1)?,
                Some(member) => self.member(member, cursor, level + 1)?,
            }
            is_going_on = cursor.has_another_member()?;
        }
        Some(())
    }

    fn member(&mut self, member: &Member, cursor: &mut Cursor<'_>, level: u32) -> Option<()> {
        let byte = cursor.token();
        let start = cursor.at;
        match member.kind {
            Kind::Entry(segment) => {
                let entry = read_entry(cursor, level)?;
                *self.entries.get_mut(segment)? = entry;
            }
            Kind::Membership => self.object(&member.inside, cursor, level)?,
            Kind::Value if byte == b'{' && !member.inside.members.is_empty() => {
                self.object(&member.inside, cursor, level)?;
            }
            Kind::Value => cursor.value(level)?,
        }
        let value = self.values.get_mut(member.slot)?;
        // Of a member that is given twice the last one counts, with all that is in it.
        if *value != Part::default() {
            return None;
        }
        *value = Part::new(start, cursor.at)?;
        Some(())
    }
}

/// Moves behind an entry.
fn read_entry(cursor: &mut Cursor<'_>, level: u32) -> Option<Entry> {
    let start = cursor.at;
    read_usual_entry(cursor).or_else(|| {
        cursor.at = start;
        read_any_entry(cursor, level)
    })
}

/// An entry as platforms write it most often: the two members that it must have, in this order and without a blank. It is
/// compared with that instead of read, which takes 0.1 µs less an event.
#[inline(always)]
fn read_usual_entry(cursor: &mut Cursor<'_>) -> Option<Entry> {
    if !cursor.passes(b"{\"lastQualificationTime\":") {
        return None;
    }
    let time = plain_text(cursor)?;
    if !cursor.passes(b",\"status\":\"") {
        return None;
    }
    let is_exited = cursor.passes(b"exited\"}");
    if !is_exited && !cursor.passes(b"existing\"}") && !cursor.passes(b"realized\"}") {
        return None;
    }
    Some(Entry {
        is_given: true,
        is_exited,
        time,
        valid_until: Part::default(),
    })
}

fn read_any_entry(cursor: &mut Cursor<'_>, level: u32) -> Option<Entry> {
    let mut entry = Entry::default();
    let mut has_status = false;
    let mut has_valid_until = false;
    let mut is_going_on = cursor.opened_has_members()?;
    while is_going_on {
        match &*cursor.name()? {
            b"lastQualificationTime" if entry.time == Part::default() => {
                entry.time = plain_text(cursor)?
            }
            b"status" if !has_status => {
                has_status = true;
                entry.is_exited = match plain_text(cursor)?.of(cursor.text)? {
                    b"realized" | b"existing" => false,
                    b"exited" => true,
                    _ => return None,
                };
            }
            b"validUntil" if !has_valid_until => {
                has_valid_until = true;
                if cursor.token() == b'n' {
                    cursor.scalar()?;
                } else {
                    entry.valid_until = plain_text(cursor)?;
                }
            }
            b"lastQualificationTime" | b"status" | b"validUntil" => return None,
            _ => further(cursor, level)?,
        }
        is_going_on = cursor.has_another_member()?;
    }
    entry.is_given = has_status && entry.time != Part::default();
    if entry.is_given {
        Some(entry)
    } else {
        None
    }
}

/// Moves behind a string without escapes: what is between its quotes.
fn plain_text(cursor: &mut Cursor<'_>) -> Option<Part> {
    cursor.token();
    let start = cursor.at + 1;
    let (_, is_escaped) = cursor.string()?;
    if is_escaped {
        return None;
    }
    Part::new(start, cursor.at - 1)
}

/// Moves behind a further member's value of an entry, which must be one that any parser reads: no number that might be
/// beyond a double, and nothing that has levels.
fn further(cursor: &mut Cursor<'_>, level: u32) -> Option<()> {
    const DIGITS_MAX: usize = 17;
    let first = cursor.token();
    let start = cursor.at;
    cursor.value(level + 1)?;
    let text = cursor.text.get(start..cursor.at)?;
    let is_simple = match first {
        b'{' | b'[' => false,
        b'-' | b'0'..=b'9' => {
            text.len() <= DIGITS_MAX && !text.iter().any(|byte| matches!(byte, b'e' | b'E'))
        }
        _ => true,
    };
    if is_simple {
        Some(())
    } else {
        None
    }
}
