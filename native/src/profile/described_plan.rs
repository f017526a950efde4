//! The plan as `processor/profile/compiled_core.py` describes it, in tuples and bytes, compiled.

use std::collections::HashMap;

use crate::core::consent::Rule;
use crate::core::member_tree::{Kind, Tree, WAY_MAX};
use crate::core::plan::{Attribute, Plan, Removal, Segment, Verdict};
use crate::python::answer::Answer;
use crate::python::object::Object;

const RULE_LEVELS_MAX: usize = 32;

/// The compiled plan; None where one of its kind is the plain core's alone: a segment that is mapped twice, say.
pub fn plan(described: &Object, removals: &mut Vec<Object>) -> Answer<Option<Plan>> {
    let parts = described.items()?;
    let [attributes, segments, paths, rules, partition_namespace, without_consent] = match &parts[..]
    {
        [a, b, c, d, e, f] => [a, b, c, d, e, f],
        _ => return Ok(None),
    };
    let mut ways = Ways::default();
    let membership = b"segmentMembership".to_vec();
    let mut plan = Plan {
        membership_slot: 0,
        identities_slot: 0,
        attributes: Vec::new(),
        segments: Vec::new(),
        by_key: HashMap::new(),
        namespaces: 0,
        consent: Vec::new(),
        without_consent: numbered(without_consent, removals)?,
        partition_namespace: match partition_namespace.is_none() {
            true => None,
            false => Some(bytes(partition_namespace)?),
        },
        tree: Tree::default(),
        slots: 0,
    };
    let mut namespaces: Vec<Vec<u8>> = Vec::new();
    for (index, segment) in segments.items()?.iter().enumerate() {
        let texts = all_bytes(segment)?;
        let [namespace, id, key, namespace_text, prefix, realized, existing, exited] =
            match <[Vec<u8>; 8]>::try_from(texts) {
                Ok(texts) => texts,
                Err(_) => return Ok(None),
            };
        if plan.by_key.insert(key.clone(), index).is_some()
            || ways
                .add(
                    &[membership.clone(), namespace.clone(), id],
                    Kind::Entry(index),
                )
                .is_none()
        {
            return Ok(None);
        }
        let number = namespaces
            .iter()
            .position(|each| *each == namespace)
            .unwrap_or(namespaces.len());
        if number == namespaces.len() {
            namespaces.push(namespace);
        }
        plan.segments.push(Segment {
            key,
            namespace: number,
            namespace_text,
            prefix,
            realized,
            existing,
            exited,
        });
    }
    for attribute in attributes.items()? {
        let parts = attribute.items()?;
        let (slot, quoted_way, path_digest) = match &parts[..] {
            [way, quoted, digest] => (
                ways.add(&all_bytes(way)?, Kind::Value),
                all_bytes(quoted)?,
                bytes(digest)?,
            ),
            _ => return Ok(None),
        };
        match (slot, <[u8; 4]>::try_from(&path_digest[..])) {
            (Some(slot), Ok(path_digest))
                if !plan
                    .attributes
                    .iter()
                    .any(|each| each.path_digest == path_digest) =>
            {
                plan.attributes.push(Attribute {
                    slot,
                    path_digest,
                    quoted_way,
                });
            }
            _ => return Ok(None),
        }
    }
    let mut slots = Vec::new();
    for way in paths.items()? {
        match ways.add(&all_bytes(&way)?, Kind::Value) {
            Some(slot) => slots.push(slot),
            None => return Ok(None),
        }
    }
    for described in rules.items()? {
        match rule(&described, &slots, RULE_LEVELS_MAX)? {
            Some(rule) => plan.consent.push(rule),
            None => return Ok(None),
        }
    }
    let ends = (
        ways.add(&[b"identityMap".to_vec()], Kind::Value),
        ways.add(&[membership], Kind::Membership),
    );
    Ok(match ends {
        (Some(identities_slot), Some(membership_slot)) => Some(Plan {
            membership_slot,
            identities_slot,
            namespaces: namespaces.len(),
            slots: ways.slots,
            tree: ways.tree,
            ..plan
        }),
        _ => None,
    })
}

/// A verdict; its removals are appended to those that there are.
pub fn verdict(described: &Object, removals: &mut Vec<Object>) -> Answer<Option<Verdict>> {
    let parts = described.items()?;
    let [segments, attributes, namespaces, event] = match &parts[..] {
        [a, b, c, d] => [a, b, c, d],
        _ => return Ok(None),
    };
    let mut by_namespace = HashMap::new();
    for pair in namespaces.items()? {
        let removal = number(&pair.item(1)?, removals);
        by_namespace.insert(bytes(&pair.item(0)?)?, removal);
    }
    Ok(Some(Verdict {
        segments: numbered(segments, removals)?,
        attributes: numbered(attributes, removals)?,
        namespaces: by_namespace,
        event: match event.is_none() {
            true => None,
            false => Some(number(event, removals)),
        },
    }))
}

#[derive(Default)]
struct Ways {
    tree: Tree,
    slots: usize,
}

impl Ways {
    fn add(&mut self, way: &[Vec<u8>], kind: Kind) -> Option<usize> {
        if way.len() > WAY_MAX {
            return None;
        }
        self.tree.add(way, kind, &mut self.slots)
    }
}

/// A rule: its operator, the index of its path or 0, and its operands or values.
fn rule(described: &Object, slots: &[usize], levels: usize) -> Answer<Option<Rule>> {
    let operands = described.item(2)?;
    let operator = bytes(&described.item(0)?)?;
    if operator == b"IN" {
        let index = described.item(1)?.as_integer()?;
        let accepted = all_bytes(&operands)?
            .into_iter()
            .map(Vec::into_boxed_slice)
            .collect();
        let slot = usize::try_from(index)
            .ok()
            .and_then(|index| slots.get(index));
        return Ok(slot.map(|slot| Rule::In {
            slot: *slot,
            accepted,
        }));
    }
    let mut rules = Vec::new();
    for operand in operands.items()? {
        match levels.checked_sub(1) {
            None => return Ok(None),
            Some(levels) => match rule(&operand, slots, levels)? {
                None => return Ok(None),
                Some(rule) => rules.push(rule),
            },
        }
    }
    Ok(Some(if operator == b"AND" {
        Rule::And(rules)
    } else {
        Rule::Or(rules)
    }))
}

fn numbered(described: &Object, removals: &mut Vec<Object>) -> Answer<Vec<Option<Removal>>> {
    let items = described.items()?;
    Ok(items
        .iter()
        .map(|item| {
            if item.is_none() {
                None
            } else {
                Some(number(item, removals))
            }
        })
        .collect())
}

fn number(removal: &Object, removals: &mut Vec<Object>) -> Removal {
    removals.push(removal.another());
    removals.len() - 1
}

fn bytes(object: &Object) -> Answer<Vec<u8>> {
    Ok(object.another().into_bytes()?.to_vec())
}

fn all_bytes(sequence: &Object) -> Answer<Vec<Vec<u8>>> {
    sequence.items()?.iter().map(bytes).collect()
}
