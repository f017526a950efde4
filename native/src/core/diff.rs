//! The diff: memberships of now beside those that were last exported.

use crate::core::event::{Entry, Part};
use crate::core::plan::{Plan, Removal};
use crate::core::times;

/// What the export says of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Realized,
    Existing,
    Exited,
}

/// A segment of which the export has something to say.
#[derive(Clone, Copy)]
pub struct Row {
    pub segment: usize,
    pub status: Status,
    time: Time,
}

/// Where a segment's `lastQualificationTime` stands.
#[derive(Clone, Copy)]
enum Time {
    Event(Part),
    /// By the membership's number.
    State(usize),
}

/// The texts that are compared: the event's, and the memberships in the state, keys and times.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    pub event: &'a [u8],
    pub before: &'a [(&'a [u8], &'a [u8])],
}

/// What became of a profile's memberships; one is used for event after event.
#[derive(Default)]
pub struct Diff {
    /// In the plan's order.
    pub rows: Vec<Row>,
    /// Whether the profile entered or left a segment.
    pub has_moved: bool,
    /// In how many segments it is now.
    pub members: usize,
    /// Whether a segment that it stays in has another time.
    is_renewed: bool,
    /// Of each segment of the plan the membership in the state, by its number.
    was: Vec<Option<usize>>,
}

impl Diff {
    /// Compares the entries of an event that came at `timestamp_ms` with the memberships in the state. What may not leave
    /// is `hidden`, and told in `removed`. None where the plain core is to say.
    pub fn fill(
        &mut self,
        plan: &Plan,
        entries: &[Entry],
        texts: Texts<'_>,
        hidden: &[Option<Removal>],
        timestamp_ms: i64,
        removed: &mut Vec<Removal>,
    ) -> Option<()> {
        self.find_before(plan, texts)?;
        self.rows.clear();
        self.has_moved = false;
        self.members = 0;
        self.is_renewed = false;
        for (segment, (was, entry)) in self.was.iter().zip(entries).enumerate() {
            let before = was
                .and_then(|number| texts.before.get(number))
                .map(|(_, time)| *time);
            let mut is_member = false;
            if entry.is_given {
                let time = entry.time.of(texts.event)?;
                is_member = is_in(entry, time, before, texts.event, timestamp_ms)?;
                if let (true, Some(removal)) = (is_member, *hidden.get(segment)?) {
                    removed.push(removal);
                    is_member = false;
                }
                self.is_renewed |= is_member && before != Some(time);
            }
            let status = match (before.is_some(), is_member) {
                (false, true) => Status::Realized,
                (true, true) => Status::Existing,
                (true, false) => Status::Exited,
                (false, false) => continue,
            };
            self.members += usize::from(is_member);
            self.has_moved |= status != Status::Existing;
            self.rows.push(Row {
                segment,
                status,
                time: match (entry.is_given, was) {
                    (false, Some(number)) => Time::State(*number),
                    _ => Time::Event(entry.time),
                },
            });
        }
        Some(())
    }

    /// Whether the memberships are those in the state, with the same times.
    pub fn is_nothing(&self, texts: Texts<'_>) -> bool {
        !self.has_moved && !self.is_renewed && self.members == texts.before.len()
    }

    /// Segment key and time of each membership of now.
    pub fn memberships<'a>(
        &self,
        plan: &'a Plan,
        texts: Texts<'a>,
    ) -> Option<Vec<(&'a [u8], &'a [u8])>> {
        let mut memberships = Vec::with_capacity(self.members);
        for row in &self.rows {
            if row.status != Status::Exited {
                let key: &[u8] = &plan.segments.get(row.segment)?.key;
                memberships.push((key, row.time(texts)?));
            }
        }
        Some(memberships)
    }

    fn find_before(&mut self, plan: &Plan, texts: Texts<'_>) -> Option<()> {
        self.was.clear();
        self.was.resize(plan.segments.len(), None);
        let mut next = 0;
        for (number, (key, _)) in texts.before.iter().enumerate() {
            // They stand in the order of the plan that they were exported under, most often this one.
            let near = plan
                .segments
                .iter()
                .skip(next)
                .take(4)
                .position(|segment| segment.key == *key);
            let segment = match near {
                Some(ahead) => next + ahead,
                None => match plan.by_key.get(*key) {
                    Some(segment) => *segment,
                    None => continue, // not mapped any more
                },
            };
            if self.was.get_mut(segment)?.replace(number).is_some() {
                return None;
            }
            next = segment + 1;
        }
        Some(())
    }
}

impl Row {
    /// The segment's `lastQualificationTime`.
    #[inline(always)]
    pub fn time<'a>(&self, texts: Texts<'a>) -> Option<&'a [u8]> {
        match self.time {
            Time::Event(part) => part.of(texts.event),
            Time::State(number) => texts.before.get(number).map(|(_, time)| *time),
        }
    }
}

/// Whether an entry makes the profile a member. A time that the state holds was checked when it came.
fn is_in(
    entry: &Entry,
    time: &[u8],
    was: Option<&[u8]>,
    event: &[u8],
    timestamp_ms: i64,
) -> Option<bool> {
    if was != Some(time) {
        times::check(time)?;
    }
    let is_valid = match entry.valid_until.of(event) {
        None => true,
        Some(until) => times::is_later_than(until, timestamp_ms)?,
    };
    Some(is_valid && !entry.is_exited)
}
