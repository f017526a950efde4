//! Identities, as `processor/profile/identity.py` has them: `{namespace: [{"id": …, …}, …], …}` in JSON.
//!
//! What is given here is JSON. It is handed on where it has not this shape or a name stands twice, for then the
//! last one counts, and where a number may be beyond a double, which orjson refuses.

use std::borrow::Cow;

use crate::core::duplicates::has_twice;
use crate::json::string;
use crate::json::walk::Reader;

/// Whether `raw` is certainly an `identityMap` with non-empty texts for ids.
pub fn check(raw: &[u8]) -> Option<()> {
    each(raw, |_, _| {})
}

/// Whether two checked `identityMap`s name the same identities, in whatever order and how often ever.
pub fn same_set(raw: &[u8], other: &[u8]) -> Option<bool> {
    let (mut pairs, mut others) = (pairs(raw)?, pairs(other)?);
    if pairs == others {
        return Some(true);
    }
    for pairs in [&mut pairs, &mut others] {
        pairs.sort_unstable();
        pairs.dedup();
    }
    Some(pairs == others)
}

/// The first identity of `namespace` in a checked `identityMap`, within which it may have none.
pub fn first_id<'a>(raw: &'a [u8], namespace: &[u8]) -> Option<Option<Cow<'a, [u8]>>> {
    let mut found = None;
    let mut reader = Reader::new(raw);
    reader.pass(b'{')?;
    let mut is_first = true;
    while reader.more(b'}', is_first)? {
        is_first = false;
        let is_it = reader.name()?.decoded()?.as_ref() == namespace;
        let value = reader.value()?;
        if is_it && found.replace(value).is_some() {
            return None;
        }
    }
    let mut reader = match found {
        Some(value) => Reader::new(value),
        None => return Some(None),
    };
    reader.pass(b'[')?;
    if !reader.more(b']', true)? {
        return Some(None);
    }
    id(&mut reader).map(Some)
}

/// A checked `identityMap` less the namespaces that `forbidden` has a number for.
///
/// The numbers of those that stood in it are appended to `removed`, in their order. Where there are none, `raw`
/// is returned; else `room`, which is overwritten: what stays is copied, and names are written as orjson does.
pub fn without<'a>(
    raw: &'a [u8],
    forbidden: &dyn Fn(&[u8]) -> Option<usize>,
    removed: &mut Vec<usize>,
    room: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    let before = removed.len();
    let mut names = Vec::new();
    room.clear();
    room.push(b'{');
    let mut reader = Reader::new(raw);
    reader.pass(b'{')?;
    while reader.more(b'}', names.is_empty())? {
        let name = reader.name()?.decoded()?;
        let value = reader.value()?;
        match forbidden(&name) {
            Some(number) => removed.push(number),
            None => {
                if room.len() > 1 {
                    room.push(b',');
                }
                string::write(&name, room);
                room.push(b':');
                room.extend_from_slice(value);
            }
        }
        names.push(name);
    }
    if has_twice(&names, |name| name) || !reader.is_at_end() {
        removed.truncate(before);
        return None;
    }
    room.push(b'}');
    Some(if removed.len() == before { raw } else { room })
}

type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The namespace and the id of every identity, in their order.
fn pairs(raw: &[u8]) -> Option<Vec<Pair<'_>>> {
    let mut pairs = Vec::new();
    each(raw, |namespace, id| pairs.push((namespace.clone(), id)))?;
    Some(pairs)
}

/// Show `visit` the namespace and the id of every identity, in their order.
fn each<'a>(raw: &'a [u8], mut visit: impl FnMut(&Cow<'a, [u8]>, Cow<'a, [u8]>)) -> Option<()> {
    let mut namespaces = Vec::new();
    let mut reader = Reader::new(raw);
    reader.pass(b'{')?;
    while reader.more(b'}', namespaces.is_empty())? {
        let namespace = reader.name()?.decoded()?;
        reader.pass(b'[')?;
        let mut is_first = true;
        while reader.more(b']', is_first)? {
            is_first = false;
            visit(&namespace, id(&mut reader)?);
        }
        namespaces.push(namespace);
    }
    (reader.is_at_end() && !has_twice(&namespaces, |name| name)).then_some(())
}

/// Go past one identity; its id.
fn id<'a>(reader: &mut Reader<'a>) -> Option<Cow<'a, [u8]>> {
    let mut found = None;
    let mut is_first = true;
    reader.pass(b'{')?;
    while reader.more(b'}', is_first)? {
        is_first = false;
        if reader.name()?.decoded()?.as_ref() == b"id" {
            let id = reader.string()?.decoded()?;
            if id.is_empty() || found.replace(id).is_some() {
                return None;
            }
        } else {
            reader.value()?;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &[u8] =
        br#"{ "ECID" : [ {"id":"1","primary":true}, {"authenticatedState":"ambiguous","id":"2"} ],"Email":[],"\u0045x":[{"id":"\u00e9"}]}"#;

    fn kept(raw: &str, forbidden: &[&str]) -> Option<(String, Vec<usize>)> {
        let (mut removed, mut room) = (vec![7], b"rest".to_vec());
        let number = |name: &[u8]| forbidden.iter().position(|other| other.as_bytes() == name);
        let kept = without(raw.as_bytes(), &number, &mut removed, &mut room)?;
        Some((String::from_utf8(kept.to_vec()).unwrap(), removed))
    }

    #[test]
    fn an_identity_map_of_the_usual_shape_is_taken() {
        for raw in [
            MAP,
            b"{}",
            b"{ }",
            b"{\"A\":[]}",
            br#"{"A":[{"\u0069d":"1","x":{"id":[1.5,null,{"y":"}"}]}}]}"#,
        ] {
            assert_eq!(check(raw), Some(()), "{:?}", std::str::from_utf8(raw));
        }
    }

    #[test]
    fn any_other_is_handed_on() {
        for raw in [
            "null",
            "[]",
            "\"A\"",
            "",
            "{",
            r#"{"A":{}}"#,
            r#"{"A":null}"#,
            r#"{"A":["1"]}"#,
            r#"{"A":[{}]}"#,
            r#"{"A":[{"id":""}]}"#,
            r#"{"A":[{"id":1}]}"#,
            r#"{"A":[{"id":null}]}"#,
            r#"{"A":[{"id":"1","id":"2"}]}"#,
            r#"{"A":[{"id":"1","i\u0064":"2"}]}"#,
            r#"{"A":[],"A":[]}"#,
            r#"{"A":[],"\u0041":[]}"#,
            r#"{"A":[{"id":"1","x":1e5}]}"#,
            r#"{"A":[{"id":"\ud83d"}]}"#,
            r#"{"\ud83d":[]}"#,
            r#"{"A":[{"id":"1"}"#,
            r#"{"A":[{"id":"1"}]} 1"#,
        ] {
            assert_eq!(check(raw.as_bytes()), None, "{}", raw);
        }
    }

    #[test]
    fn identities_are_compared_as_a_set() {
        for (other, same) in [
            (
                r#"{"Ex":[{"id":"é"}],"ECID":[{"id":"2"},{"id":"1"}]}"#,
                true,
            ),
            (
                r#"{"ECID":[{"id":"2"},{"id":"1"},{"id":"2"}],"Ex":[{"id":"é"}],"Other":[]}"#,
                true,
            ),
            (r#"{"ECID":[{"id":"2"},{"id":"1"}]}"#, false),
            (
                r#"{"Ex":[{"id":"é"},{"id":"1"}],"ECID":[{"id":"2"}]}"#,
                false,
            ),
            ("{}", false),
        ] {
            assert_eq!(same_set(MAP, other.as_bytes()), Some(same), "{}", other);
            assert_eq!(same_set(other.as_bytes(), MAP), Some(same), "{}", other);
        }
        assert_eq!(same_set(MAP, MAP), Some(true));
        assert_eq!(same_set(MAP, b"null"), None);
        assert_eq!(same_set(b"null", MAP), None);
    }

    #[test]
    fn the_first_id_of_a_namespace_is_found() {
        let first = |namespace: &str| {
            first_id(MAP, namespace.as_bytes())
                .unwrap()
                .map(Cow::into_owned)
        };
        assert_eq!(first("ECID"), Some(b"1".to_vec()));
        assert_eq!(first("Ex"), Some("é".into()));
        assert_eq!(first("Email"), None);
        assert_eq!(first("ecid"), None);
        assert_eq!(first_id(br#"{"A":[{"id":"1"}],"A":[]}"#, b"A"), None);
        assert_eq!(first_id(br#"{"A":[{"id":"1"}],"A":[]}"#, b"B"), Some(None));
        assert_eq!(first_id(b"null", b"A"), None);
    }

    #[test]
    fn what_stays_is_copied_and_what_is_removed_is_told_in_order() {
        let map = r#"{ "\u0041\"" : [ ] ,"B":[{"id": "1"}], "C":[1.50]}"#;
        assert_eq!(kept(map, &["D"]), Some((map.into(), vec![7])));
        assert_eq!(
            kept(map, &["B"]),
            Some((r#"{"A\"":[ ],"C":[1.50]}"#.into(), vec![7, 0]))
        );
        assert_eq!(
            kept(map, &["C", "D", "B", "A\""]),
            Some(("{}".into(), vec![7, 3, 2, 0]))
        );
        assert_eq!(kept(r#"{"A":[],"B":[],"A":[]}"#, &["B"]), None);
    }

    #[test]
    fn nothing_is_told_of_what_is_handed_on() {
        let (mut removed, mut room) = (vec![7], Vec::new());
        assert_eq!(
            without(br#"{"A":[],"A":[]}"#, &|_| Some(0), &mut removed, &mut room),
            None
        );
        assert_eq!(removed, [7]);
    }
}
