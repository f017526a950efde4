//! The export: assembled from texts that are copied, as `processor/profile/export.py` does.

use std::collections::HashMap;

use crate::core::diff::{Row, Status, Texts};
use crate::core::plan::{Attribute, Plan};

/// A frame is made for each set of attributes that is met; as many are kept.
const FRAMES_MAX: usize = 4096;
const BEFORE_IDENTITIES: &[u8] = b",\"identityMap\":";

/// The texts around the attributes that are present.
struct Frame {
    /// Before each value, and which of the present ones it is: members of one parent stand together.
    values: Vec<(Vec<u8>, usize)>,
    before_membership: Vec<u8>,
}

/// A frame for each set of present attributes, by their indices.
#[derive(Default)]
pub struct Frames {
    last: Vec<usize>,
    frame: Option<Frame>,
    others: HashMap<Vec<usize>, Frame>,
}

impl Frames {
    /// Appends all of an export before `identityMap`'s value: `texts` are those of the attributes in `present`.
    pub fn write<'a>(
        &mut self,
        attributes: &[Attribute],
        present: &[usize],
        text: impl Fn(usize) -> Option<&'a [u8]>,
        into: &mut Vec<u8>,
    ) -> Option<()> {
        let frame = self.of(attributes, present)?;
        for (before, index) in &frame.values {
            into.extend_from_slice(before);
            into.extend_from_slice(text(*index)?);
        }
        into.extend_from_slice(&frame.before_membership);
        Some(())
    }

    fn of(&mut self, attributes: &[Attribute], present: &[usize]) -> Option<&Frame> {
        if self.frame.is_none() || self.last != present {
            if let Some(frame) = self.frame.take() {
                if self.others.len() >= FRAMES_MAX {
                    self.others.clear();
                }
                self.others.insert(std::mem::take(&mut self.last), frame);
            }
            self.frame = self
                .others
                .remove(present)
                .or_else(|| Some(Frame::new(attributes, present)));
            self.last.extend_from_slice(present);
        }
        self.frame.as_ref()
    }
}

impl Frame {
    fn new(attributes: &[Attribute], present: &[usize]) -> Self {
        let mut top = Branch::default();
        for index in present {
            if let Some(attribute) = attributes.get(*index) {
                top.put(&attribute.quoted_way, *index);
            }
        }
        let mut frame = Frame {
            values: Vec::new(),
            before_membership: b"{".to_vec(),
        };
        top.write(&mut frame);
        if !top.members.is_empty() {
            frame.before_membership.push(b',');
        }
        frame
            .before_membership
            .extend_from_slice(b"\"segmentMembership\":");
        frame
    }
}

/// Members in the order in which they were first met.
#[derive(Default)]
struct Branch<'a> {
    members: Vec<(&'a [u8], Branch<'a>)>,
    value: Option<usize>,
}

impl<'a> Branch<'a> {
    fn put(&mut self, way: &'a [Vec<u8>], index: usize) {
        let (name, rest) = match way.split_first() {
            None => {
                self.value = Some(index);
                return;
            }
            Some(step) => step,
        };
        let place = match self.members.iter().position(|(each, _)| each == name) {
            Some(place) => place,
            None => {
                self.members.push((name, Branch::default()));
                self.members.len() - 1
            }
        };
        self.members[place].1.put(rest, index);
    }

    /// Appends the members; what stands behind the last value is kept in the frame's `before_membership`.
    fn write(&self, frame: &mut Frame) {
        for (number, (name, branch)) in self.members.iter().enumerate() {
            if number > 0 {
                frame.before_membership.push(b',');
            }
            frame.before_membership.extend_from_slice(name);
            frame.before_membership.push(b':');
            if let Some(index) = branch.value {
                let before = std::mem::take(&mut frame.before_membership);
                frame.values.push((before, index));
            } else {
                frame.before_membership.push(b'{');
                branch.write(frame);
                frame.before_membership.push(b'}');
            }
        }
    }
}

/// Appends `segmentMembership`'s value: the rows by namespace, in the order in which each comes first.
pub fn write_membership(
    plan: &Plan,
    rows: &[Row],
    texts: Texts<'_>,
    into: &mut Vec<u8>,
) -> Option<()> {
    into.push(b'{');
    if plan.namespaces == 1 {
        write_namespace(plan, rows, 0, texts, into)?;
    } else {
        let mut written = vec![false; plan.namespaces];
        for (place, first) in rows.iter().enumerate() {
            let namespace = plan.segments.get(first.segment)?.namespace;
            if std::mem::replace(written.get_mut(namespace)?, true) {
                continue;
            }
            if place > 0 {
                into.push(b',');
            }
            write_namespace(plan, rows.get(place..)?, namespace, texts, into)?;
        }
    }
    into.push(b'}');
    Some(())
}

/// Appends a namespace with those of the rows that are in it; nothing where there are none.
fn write_namespace(
    plan: &Plan,
    rows: &[Row],
    namespace: usize,
    texts: Texts<'_>,
    into: &mut Vec<u8>,
) -> Option<()> {
    let mut is_first = true;
    for row in rows {
        let segment = plan.segments.get(row.segment)?;
        if segment.namespace != namespace {
            continue;
        }
        into.extend_from_slice(if is_first {
            &segment.namespace_text
        } else {
            b","
        });
        is_first = false;
        into.extend_from_slice(&segment.prefix);
        into.extend_from_slice(row.time(texts)?);
        into.extend_from_slice(match row.status {
            Status::Realized => &segment.realized,
            Status::Existing => &segment.existing,
            Status::Exited => &segment.exited,
        });
    }
    if !is_first {
        into.push(b'}');
    }
    Some(())
}

/// Appends the rest of an export.
pub fn write_identities(identities: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(BEFORE_IDENTITIES);
    into.extend_from_slice(identities);
    into.push(b'}');
}
