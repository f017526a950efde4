//! What a destination may see, compiled for one plan, and what of it may leave under one set of labels.

use std::collections::HashMap;

use crate::core::consent::Rule;
use crate::core::member_tree::Tree;

/// A removal, by its number.
pub type Removal = usize;

/// A mapped attribute.
pub struct Attribute {
    /// Where its value is among those that are found in an event.
    pub slot: usize,
    /// The four bytes that name its path in a state record.
    pub path_digest: [u8; 4],
    /// The names on its way, as JSON strings.
    pub quoted_way: Vec<Vec<u8>>,
}

/// A mapped segment, with the texts of `SegmentText`.
pub struct Segment {
    /// Its key in a state record's memberships.
    pub key: Vec<u8>,
    /// Its namespace, by number.
    pub namespace: usize,
    /// The namespace's name as JSON, with colon and opening brace.
    pub namespace_text: Vec<u8>,
    pub prefix: Vec<u8>,
    pub realized: Vec<u8>,
    pub existing: Vec<u8>,
    pub exited: Vec<u8>,
}

/// A compiled plan.
pub struct Plan {
    pub tree: Tree,
    pub slots: usize,
    pub membership_slot: usize,
    pub identities_slot: usize,
    pub attributes: Vec<Attribute>,
    pub segments: Vec<Segment>,
    pub by_key: HashMap<Vec<u8>, usize>,
    /// How many namespaces the segments are in.
    pub namespaces: usize,
    pub consent: Vec<Rule>,
    /// Of each segment, what stands for it where consent is denied.
    pub without_consent: Vec<Option<Removal>>,
    /// The namespace whose first identity is the partition key; None where it is the profile id.
    pub partition_namespace: Option<Vec<u8>>,
}

/// What may leave under one set of labels: `processor.governance.plan.Verdict`.
pub struct Verdict {
    pub segments: Vec<Option<Removal>>,
    pub attributes: Vec<Option<Removal>>,
    pub namespaces: HashMap<Vec<u8>, Removal>,
    pub event: Option<Removal>,
}
