//! Where in an event a plan looks: a tree of members' names.

use crate::core::member_names::Names;

/// A way that is longer is left to the plain core, and with it the whole plan.
pub const WAY_MAX: usize = 16;

/// Members whose values are wanted, or lead to such.
#[derive(Default)]
pub struct Tree {
    pub names: Names,
    pub members: Vec<Member>,
}

/// One member that the plan knows.
pub struct Member {
    /// Where its text is kept, and that it was met.
    pub slot: usize,
    pub kind: Kind,
    /// What of the value the plan looks into.
    pub inside: Tree,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A value that is copied, or leads on; where it is no object, what it would lead to is absent.
    Value,
    /// `segmentMembership` or a mapped namespace: what is no object there breaks the event format.
    Membership,
    /// A mapped segment's entry, by the segment's index.
    Entry(usize),
}

impl Tree {
    /// Adds a member at the end of `way`, or finds it: its slot. New slots are numbered on from `slots`.
    pub fn add(&mut self, way: &[Vec<u8>], kind: Kind, slots: &mut usize) -> Option<usize> {
        let (name, rest) = way.split_first()?;
        let index = self.names.add(name);
        if index == self.members.len() {
            let kind = match kind {
                Kind::Entry(_) if !rest.is_empty() => Kind::Membership,
                kind => kind,
            };
            self.members.push(Member {
                slot: *slots,
                kind,
                inside: Tree::default(),
            });
            *slots += 1;
        }
        let member = &mut self.members[index];
        if rest.is_empty() {
            if member.kind == kind {
                return Some(member.slot);
            }
            return None;
        }
        if (member.kind == Kind::Value) != (kind == Kind::Value) {
            return None;
        }
        member.inside.add(rest, kind, slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(path: &str) -> Vec<Vec<u8>> {
        path.split('.')
            .map(|name| name.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn a_way_has_one_slot_and_each_step_of_it_its_own() {
        let (mut tree, mut slots) = (Tree::default(), 0);
        assert_eq!(tree.add(&way("a.b"), Kind::Value, &mut slots), Some(1));
        assert_eq!(tree.add(&way("a.c"), Kind::Value, &mut slots), Some(2));
        assert_eq!(tree.add(&way("a"), Kind::Value, &mut slots), Some(0));
        assert_eq!(tree.add(&way("a.b"), Kind::Value, &mut slots), Some(1));
        assert_eq!(tree.add(&way("m.n.s"), Kind::Entry(0), &mut slots), Some(5));
        assert_eq!(slots, 6);
    }

    #[test]
    fn memberships_and_values_do_not_mix() {
        let (mut tree, mut slots) = (Tree::default(), 0);
        assert!(tree
            .add(&way("m.n.s"), Kind::Entry(0), &mut slots)
            .is_some());
        assert_eq!(tree.add(&way("m.n.s"), Kind::Entry(1), &mut slots), None);
        assert_eq!(tree.add(&way("m.n"), Kind::Value, &mut slots), None);
        assert_eq!(tree.add(&way("m.x"), Kind::Value, &mut slots), None);
    }
}
