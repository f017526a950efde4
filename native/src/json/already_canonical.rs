//! The quick way to canonical bytes: most values are canonical as they stand in the event.

use crate::json::number;

/// Deeper values are rare; they go the longer way.
const LEVELS_MAX: usize = 8;

/// Whether `raw`, which is one JSON value, is certainly its own canonical form.
///
/// So is a string without a backslash, a small integer, true, false and null, and what is made of them without
/// white space and with names that rise.
pub fn is_canonical(raw: &[u8]) -> bool {
    match raw.first() {
        Some(b'"') => !raw.contains(&b'\\'),
        Some(b'{' | b'[') => is_canonical_container(raw).is_some(),
        Some(b'0'..=b'9' | b'-') => number::is_plain(raw),
        _ => is_word(raw),
    }
}

/// What is open: of an object its latest name.
#[derive(Clone, Copy)]
enum Open<'a> {
    Array,
    Object(Option<&'a [u8]>),
}

fn is_canonical_container(raw: &[u8]) -> Option<()> {
    let mut rest = raw;
    let mut open = [Open::Array; LEVELS_MAX];
    let mut level: usize = 0;
    loop {
        if let Some(Open::Object(latest)) = level.checked_sub(1).and_then(|at| open.get_mut(at)) {
            let name = plain_string(&mut rest)?;
            if matches!(latest, Some(latest) if *latest >= name) {
                return None;
            }
            *latest = Some(name);
            rest = rest.strip_prefix(b":")?;
        }
        let (&first, behind) = rest.split_first()?;
        match first {
            b'{' | b'[' => {
                rest = behind;
                let is_object = first == b'{';
                if rest.first() == Some(if is_object { &b'}' } else { &b']' }) {
                    rest = rest.get(1..)?;
                } else {
                    *open.get_mut(level)? = if is_object {
                        Open::Object(None)
                    } else {
                        Open::Array
                    };
                    level += 1;
                    continue;
                }
            }
            b'"' => {
                plain_string(&mut rest)?;
            }
            _ => plain_word(&mut rest)?,
        }
        loop {
            if level == 0 {
                return rest.is_empty().then_some(());
            }
            let (&first, behind) = rest.split_first()?;
            rest = behind;
            match first {
                b',' => break,
                b'}' | b']' => level -= 1,
                _ => return None,
            }
        }
    }
}

/// Go past a string without a backslash; what stands between its quotes.
fn plain_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let from = rest.strip_prefix(b"\"")?;
    let end = from
        .iter()
        .position(|&byte| byte == b'"' || byte == b'\\')?;
    let (text, behind) = from.split_at(end);
    *rest = behind.strip_prefix(b"\"")?;
    Some(text)
}

/// Go past a small integer, true, false or null.
fn plain_word(rest: &mut &[u8]) -> Option<()> {
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b',' | b'}' | b']'))?;
    let (word, behind) = rest.split_at(end);
    *rest = behind;
    (number::is_plain(word) || is_word(word)).then_some(())
}

fn is_word(text: &[u8]) -> bool {
    matches!(text, b"true" | b"false" | b"null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_other_spelling_is_canonical() {
        for raw in [
            "\"é, }\"",
            "0",
            "-17",
            "true",
            "false",
            "null",
            "[]",
            "{}",
            "[[],{},1,\"a\"]",
            r#"{"":1,"a":{"b":[true,{"c":null}]},"b":"}","é":[-2]}"#,
            r#"[{"b":1},{"a":1}]"#,
        ] {
            assert!(is_canonical(raw.as_bytes()), "{}", raw);
        }
    }

    #[test]
    fn what_may_have_another_is_looked_at_again() {
        for raw in [
            r#""\n""#,
            "1.0",
            "1e2",
            "-0",
            "123456789012345678",
            "[ ]",
            "[1, 2]",
            "[-0]",
            "[1.5]",
            "[\"\\/\"]",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"\u0061":1}"#,
            r#"{"a" :1}"#,
            r#"{"a":1 }"#,
            r#"[{"b":{},"a":1}]"#,
            "[[[[[[[[[1]]]]]]]]]",
        ] {
            assert!(!is_canonical(raw.as_bytes()), "{}", raw);
        }
    }

    #[test]
    fn what_is_cut_off_is_not() {
        let raw = r#"{"a":[true,"x",{"b":12}],"c":{}}"#;
        for end in 0..raw.len() {
            assert!(!is_canonical(&raw.as_bytes()[..end]), "{}", &raw[..end]);
        }
    }
}
