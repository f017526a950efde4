//! All that happens to one event, as `processor/profile/core.py` has it, where there is no doubt about it.
//!
//! `None` says everywhere: not mine. The plain core takes the event, and refuses it where it is to be refused.

use std::ops::Range;

use crate::core::diff::{Diff, Texts};
use crate::core::event::{Found, Part};
use crate::core::export::{write_identities, write_membership, Frames};
use crate::core::identities;
use crate::core::plan::{Plan, Removal, Verdict};
use crate::core::state_record::{self, StateRecord};
use crate::core::xxh3::xxh3_64;
use crate::json::canonical::canonical;
use crate::json::syntax::is_json;
use crate::json::utf8::is_utf8;

const KEY_CHARACTERS_MAX: usize = 256;
const NO_IDENTITIES: &[u8] = b"{}";
const PATH_BYTES: usize = 4;
const ATTRIBUTE_BYTES: usize = 12;

/// One event, and the state of its profile.
pub struct Input<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub verdict: &'a Verdict,
    /// What `validUntil` is compared with, in ms since the epoch.
    pub timestamp_ms: i64,
    pub offset: i64,
    pub state: Option<&'a [u8]>,
    /// The number of the partition's note.
    pub backfill: i64,
    /// Whether the event is taken again, though the state may reflect it.
    pub is_again: bool,
}

/// What an event did; texts and removals are ranges of `Output`.
#[derive(Default)]
pub struct Transition {
    pub export: Option<Export>,
    pub state: Option<Range<usize>>,
    pub removed: Range<usize>,
    /// The state reflects the event already.
    pub is_skipped: bool,
}

pub struct Export {
    pub data: Range<usize>,
    /// None where it is the event's key.
    pub partition_key: Option<Range<usize>>,
}

/// What events made, one behind the other.
#[derive(Default)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub removed: Vec<Removal>,
}

/// Room that every event uses again.
pub struct Room {
    found: Found,
    one_line: Vec<u8>,
    canonical: Vec<u8>,
    present: Vec<usize>,
    digests: Vec<u8>,
    identities: Vec<u8>,
    diff: Diff,
    frames: Frames,
}

impl Room {
    pub fn new(plan: &Plan) -> Self {
        Self {
            found: Found::new(plan.slots, plan.segments.len()),
            one_line: Vec::new(),
            canonical: Vec::new(),
            present: Vec::new(),
            digests: Vec::new(),
            identities: Vec::new(),
            diff: Diff::default(),
            frames: Frames::default(),
        }
    }

    /// Keeps no more of each text than this for the events to come: the canonical form of a number may be a hundred times
    /// its text.
    pub fn shrink(&mut self, bytes_max: usize) {
        for text in [
            &mut self.one_line,
            &mut self.canonical,
            &mut self.digests,
            &mut self.identities,
        ] {
            text.clear();
            text.shrink_to(bytes_max);
        }
    }
}

/// Applies one event; where it is not taken, `output` is left as it was.
pub fn apply(
    plan: &Plan,
    room: &mut Room,
    input: &Input<'_>,
    output: &mut Output,
) -> Option<Transition> {
    let (bytes, removed) = (output.bytes.len(), output.removed.len());
    let transition = applied(plan, room, input, output);
    if transition.is_none() {
        output.bytes.truncate(bytes);
        output.removed.truncate(removed);
    }
    transition
}

fn applied(
    plan: &Plan,
    room: &mut Room,
    input: &Input<'_>,
    output: &mut Output,
) -> Option<Transition> {
    let previous = match input.state {
        Some(state) => state_record::decode(state)?,
        None => NOTHING_EXPORTED,
    };
    if !input.is_again && input.offset <= previous.offset {
        return Some(Transition {
            is_skipped: true,
            ..Transition::default()
        });
    }
    check_key(input.key)?;
    room.found.read(&plan.tree, input.value)?;
    let found = &room.found;
    found.values.get(plan.membership_slot)?.of(input.value)?;
    let text = if found.has_line_breaks {
        one_line(input.value, &mut room.one_line)
    } else {
        input.value
    };
    let first_removed = output.removed.len();
    room.present.clear();
    room.digests.clear();
    for (index, attribute) in plan.attributes.iter().enumerate() {
        let value = match found.values.get(attribute.slot)?.of(text) {
            Some(value) => canonical(value, &mut room.canonical)?,
            None => continue,
        };
        if let Some(removal) = *input.verdict.attributes.get(index)? {
            output.removed.push(removal);
            continue;
        }
        room.present.push(index);
        room.digests.extend_from_slice(&attribute.path_digest);
        room.digests
            .extend_from_slice(&xxh3_64(value).to_be_bytes());
    }
    let identities = match found.values.get(plan.identities_slot)?.of(text) {
        None | Some(b"null") => NO_IDENTITIES,
        Some(identities) => identities,
    };
    let has_consent = has_consent(plan, &found.values, text, &mut room.canonical)?;
    let hidden = if has_consent {
        &input.verdict.segments
    } else {
        &plan.without_consent
    };
    let texts = Texts {
        event: text,
        before: &previous.memberships,
    };
    let removed = &mut output.removed;
    let diff = &mut room.diff;
    diff.fill(
        plan,
        &found.entries,
        texts,
        hidden,
        input.timestamp_ms,
        removed,
    )?;
    if !has_consent {
        room.present.clear();
        room.digests.clear();
    }
    // The identities of a member rarely change, and what equals the state's was checked when it came.
    if identities != previous.identities {
        identities::check(identities)?;
    }
    let identities = permitted(identities, input.verdict, removed, &mut room.identities)?;
    let removed = first_removed..output.removed.len();
    let view = View {
        digests: &room.digests,
        identities,
    };
    let bytes = &mut output.bytes;
    if !diff.has_moved && (diff.members == 0 || !is_changed(plan, &view, &previous)?) {
        if diff.is_nothing(texts) {
            return Some(Transition {
                removed,
                ..Transition::default()
            });
        }
        // Without memberships there were only segments that are not mapped any more: they go without a word.
        let start = bytes.len();
        let memberships = diff.memberships(plan, texts)?;
        write_state(
            input,
            previous.attributes,
            previous.identities,
            memberships,
            bytes,
        );
        return Some(Transition {
            state: Some(start..bytes.len()),
            removed,
            ..Transition::default()
        });
    }
    let start = bytes.len();
    let value_of = |index: usize| found.values.get(plan.attributes.get(index)?.slot)?.of(text);
    room.frames
        .write(&plan.attributes, &room.present, value_of, bytes)?;
    write_membership(plan, &diff.rows, texts, bytes)?;
    write_identities(identities, bytes);
    let data = start..bytes.len();
    let partition_key = partition_key(plan, identities, bytes)?;
    let start = bytes.len();
    write_state(
        input,
        view.digests,
        view.identities,
        diff.memberships(plan, texts)?,
        bytes,
    );
    Some(Transition {
        export: Some(Export {
            data,
            partition_key,
        }),
        state: Some(start..bytes.len()),
        removed,
        is_skipped: false,
    })
}

/// What of the profile this destination may see now, less the memberships.
struct View<'a> {
    digests: &'a [u8],
    identities: &'a [u8],
}

/// The state of a profile that has none.
const NOTHING_EXPORTED: StateRecord<'static> = StateRecord {
    offset: -1,
    attributes: b"",
    identities: NO_IDENTITIES,
    memberships: Vec::new(),
    backfill: 0,
};

fn check_key(key: &[u8]) -> Option<()> {
    let is_short = key.len() <= KEY_CHARACTERS_MAX
        || std::str::from_utf8(key).ok()?.chars().count() <= KEY_CHARACTERS_MAX;
    (is_short && !key.is_empty() && is_utf8(key)).then_some(())
}

/// JSON without line breaks, which stand in white space alone: blanks in their place.
fn one_line<'a>(value: &[u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    room.clear();
    room.extend(value.iter().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        byte => *byte,
    }));
    room
}

fn has_consent(plan: &Plan, values: &[Part], text: &[u8], room: &mut Vec<u8>) -> Option<bool> {
    for rule in &plan.consent {
        if !rule.is_true(values, text, room)? {
            return Some(false);
        }
    }
    Some(true)
}

/// The identities less what governance removes.
fn permitted<'a>(
    identities: &'a [u8],
    verdict: &Verdict,
    removed: &mut Vec<Removal>,
    room: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    if let Some(removal) = verdict.event {
        removed.push(removal);
        return Some(NO_IDENTITIES);
    }
    if verdict.namespaces.is_empty() {
        return Some(identities);
    }
    let forbidden = |namespace: &[u8]| verdict.namespaces.get(namespace).copied();
    identities::without(identities, &forbidden, removed, room)
}

/// Whether attributes or identities of a member differ from what was last exported.
fn is_changed(plan: &Plan, view: &View<'_>, previous: &StateRecord<'_>) -> Option<bool> {
    if view.identities != previous.identities {
        if !is_json(previous.identities) {
            return None;
        }
        if !identities::same_set(view.identities, previous.identities)? {
            return Some(true);
        }
    }
    if view.digests == previous.attributes {
        return Some(false);
    }
    if previous.attributes.len() % ATTRIBUTE_BYTES != 0 {
        return None;
    }
    let now = view.digests.chunks_exact(ATTRIBUTE_BYTES);
    let before = previous.attributes.chunks_exact(ATTRIBUTE_BYTES);
    let has_same_paths = now.len() == before.len()
        && now
            .clone()
            .zip(before.clone())
            .all(|(now, before)| now[..PATH_BYTES] == before[..PATH_BYTES]);
    if has_same_paths {
        return Some(true);
    }
    // What is not mapped any more is no change; what governance removes now is one.
    let is_mapped = |digest: &[u8]| {
        plan.attributes
            .iter()
            .any(|each| each.path_digest == digest[..PATH_BYTES])
    };
    let mut mapped: Vec<&[u8]> = before.filter(|digest| is_mapped(digest)).collect();
    let mut now: Vec<&[u8]> = now.collect();
    mapped.sort_unstable();
    now.sort_unstable();
    if mapped
        .windows(2)
        .any(|pair| pair[0][..PATH_BYTES] == pair[1][..PATH_BYTES])
    {
        return None;
    }
    Some(mapped != now)
}

fn write_state(
    input: &Input<'_>,
    attributes: &[u8],
    identities: &[u8],
    memberships: Vec<(&[u8], &[u8])>,
    bytes: &mut Vec<u8>,
) {
    if memberships.is_empty() {
        state_record::encode_departed(input.offset, input.backfill, bytes);
        return;
    }
    let record = StateRecord {
        offset: input.offset,
        attributes,
        identities,
        memberships,
        backfill: input.backfill,
    };
    state_record::encode(&record, bytes);
}

/// Appends the partition key where it is an identity; `Some(None)` where it is the profile id.
#[allow(clippy::option_option)] // the outer one says whose the event is
fn partition_key(
    plan: &Plan,
    identities: &[u8],
    bytes: &mut Vec<u8>,
) -> Option<Option<Range<usize>>> {
    let namespace = match &plan.partition_namespace {
        None => return Some(None),
        Some(namespace) => namespace,
    };
    let id = match identities::first_id(identities, namespace)? {
        None => return Some(None),
        Some(id) => id,
    };
    if std::str::from_utf8(&id).ok()?.chars().count() > KEY_CHARACTERS_MAX {
        return Some(None);
    }
    let start = bytes.len();
    bytes.extend_from_slice(&id);
    Some(Some(start..bytes.len()))
}
