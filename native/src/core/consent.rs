//! Whether a profile's own choices allow its export: consent policies, compiled.

use crate::core::event::Part;
use crate::json::canonical::canonical;

/// What a policy requires.
pub enum Rule {
    /// The value at a slot is one of these, as JSON values: canonical bytes.
    In {
        slot: usize,
        accepted: Vec<Box<[u8]>>,
    },
    And(Vec<Rule>),
    Or(Vec<Rule>),
}

impl Rule {
    /// Whether the rule is true of these values of an event; None where the plain core is to say.
    pub fn is_true(&self, values: &[Part], text: &[u8], room: &mut Vec<u8>) -> Option<bool> {
        match self {
            Rule::In { slot, accepted } => {
                let value = match values.get(*slot)?.of(text) {
                    None => return Some(false),
                    Some(value) => canonical(value, room)?,
                };
                Some(accepted.iter().any(|each| **each == *value))
            }
            Rule::And(operands) => all(operands, true, values, text, room),
            Rule::Or(operands) => {
                all(operands, false, values, text, room).map(|are_false| !are_false)
            }
        }
    }
}

/// Whether all of `rules` are `wanted`.
fn all(
    rules: &[Rule],
    wanted: bool,
    values: &[Part],
    text: &[u8],
    room: &mut Vec<u8>,
) -> Option<bool> {
    for rule in rules {
        if rule.is_true(values, text, room)? != wanted {
            return Some(false);
        }
    }
    Some(true)
}
