//! The diff: memberships of now beside those that were last exported.

use crate::event::Entry;
use crate::export::{Row, Status};
use crate::plan::{Plan, Removal};
use crate::times;

/// What became of a profile's memberships.
pub struct Diff<'a> {
    /// Segment key and `lastQualificationTime` of each segment that the profile is in now, in the plan's order.
    pub memberships: Vec<(&'a [u8], &'a [u8])>,
    /// What an export says, in the plan's order.
    pub rows: Vec<Row<'a>>,
    /// Whether the profile entered or left a segment.
    pub has_moved: bool,
}

impl<'a> Diff<'a> {
    /// Compares the entries of an event that came at `timestamp_ms` with the memberships in the state. What may not
    /// leave is `hidden`, and told in `removed`. None where the plain core is to say.
    pub fn new(
        plan: &'a Plan,
        entries: &[Entry],
        event: &'a [u8],
        before: &[(&'a [u8], &'a [u8])],
        hidden: &[Option<Removal>],
        timestamp_ms: i64,
        removed: &mut Vec<Removal>,
    ) -> Option<Self> {
        let before = by_segment(plan, before)?;
        let mut diff = Diff {
            memberships: Vec::with_capacity(plan.segments.len().min(16)),
            rows: Vec::with_capacity(plan.segments.len().min(16)),
            has_moved: false,
        };
        for (index, segment) in plan.segments.iter().enumerate() {
            let was = *before.get(index)?;
            let entry = entries.get(index)?;
            let mut is_member = false;
            let mut time: &[u8] = was.unwrap_or(b"");
            if entry.is_given {
                time = entry.time.of(event)?;
                is_member = is_in(entry, time, was, event, timestamp_ms)?;
                if let (true, Some(removal)) = (is_member, *hidden.get(index)?) {
                    removed.push(removal);
                    is_member = false;
                }
            }
            let status = match (was.is_some(), is_member) {
                (false, true) => Status::Realized,
                (true, true) => Status::Existing,
                (true, false) => Status::Exited,
                (false, false) => continue,
            };
            if is_member {
                diff.memberships.push((&segment.key, time));
            }
            diff.has_moved |= status != Status::Existing;
            diff.rows.push(Row {
                segment: index,
                status,
                time,
            });
        }
        Some(diff)
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

/// The times in the state beside the plan's segments; those that are not mapped any more are left out.
fn by_segment<'a>(plan: &Plan, before: &[(&'a [u8], &'a [u8])]) -> Option<Vec<Option<&'a [u8]>>> {
    let mut times = vec![None; plan.segments.len()];
    let mut next = 0;
    for (key, time) in before {
        // They stand in the order of the plan that they were exported under, most often this one.
        let near = plan
            .segments
            .iter()
            .skip(next)
            .take(4)
            .position(|segment| segment.key == *key);
        let index = match near {
            Some(ahead) => next + ahead,
            None => match plan.by_key.get(*key) {
                Some(index) => *index,
                None => continue,
            },
        };
        let place = times.get_mut(index)?;
        if place.is_some() {
            return None;
        }
        *place = Some(*time);
        next = index + 1;
    }
    Some(times)
}
