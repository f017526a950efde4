//! One spelling for every way to write the same JSON value, as `processor/profile/canonical.py` has it.

use std::borrow::Cow;

use crate::json::already_canonical::is_canonical;
use crate::json::number;
use crate::json::string;
use crate::json::walk::Reader;

/// More levels are handed on.
const LEVELS_MAX: usize = 64;

/// The canonical bytes of `raw`, which is one JSON value without white space around it.
///
/// They are `raw` itself where it is canonical as it stands, else `room`, which is overwritten. None for half a
/// surrogate pair, a number that may be beyond a double, and what is nested deeper than 64 levels.
pub fn canonical<'a>(raw: &'a [u8], room: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    if is_canonical(raw) {
        return Some(raw);
    }
    room.clear();
    let mut reader = Reader::new(raw);
    Writing::new(room).write(&mut reader)?;
    reader.is_at_end().then_some(room)
}

/// An object or an array that is not at its end.
struct Open {
    closing: u8,
    /// Where in the bytes written its first member or item begins.
    start: usize,
    /// Its first member among all that are open.
    first_member: usize,
}

/// A member that is written: its name in UTF-8, and where it begins.
struct Member<'a> {
    name: Cow<'a, [u8]>,
    start: usize,
}

/// Writes a value in one walk without calling itself: how deep it is nested is not for the stack to say.
struct Writing<'a, 'room> {
    written: &'room mut Vec<u8>,
    open: Vec<Open>,
    members: Vec<Member<'a>>,
}

impl<'a, 'room> Writing<'a, 'room> {
    fn new(written: &'room mut Vec<u8>) -> Self {
        Self {
            written,
            open: Vec::new(),
            members: Vec::new(),
        }
    }

    fn write(&mut self, reader: &mut Reader<'a>) -> Option<()> {
        loop {
            let mut is_first = match reader.peek()? {
                b'{' => self.begin(b'{', b'}', reader)?,
                b'[' => self.begin(b'[', b']', reader)?,
                b'"' => {
                    reader.string()?.write(self.written)?;
                    false
                }
                b'0'..=b'9' | b'-' => {
                    number::write(reader.word()?, self.written)?;
                    false
                }
                _ => {
                    self.written.extend_from_slice(reader.word()?);
                    false
                }
            };
            loop {
                let closing = match self.open.last() {
                    Some(open) => open.closing,
                    None => return Some(()),
                };
                if reader.more(closing, is_first)? {
                    break;
                }
                self.end();
                is_first = false;
            }
            self.separate(is_first);
            self.name(reader)?;
        }
    }

    /// Open an object or array; says that what comes next is the first in it.
    fn begin(&mut self, opening: u8, closing: u8, reader: &mut Reader<'a>) -> Option<bool> {
        if self.open.len() >= LEVELS_MAX {
            return None;
        }
        reader.pass(opening)?;
        self.written.push(opening);
        self.open.push(Open {
            closing,
            start: self.written.len(),
            first_member: self.members.len(),
        });
        Some(true)
    }

    fn separate(&mut self, is_first: bool) {
        if !is_first {
            self.written.push(b',');
        }
    }

    /// Write the name of the member that comes, where one does.
    fn name(&mut self, reader: &mut Reader<'a>) -> Option<()> {
        if self.open.last()?.closing == b'}' {
            let start = self.written.len();
            let name = reader.name()?.decoded()?;
            string::write(&name, self.written);
            self.written.push(b':');
            self.members.push(Member { name, start });
        }
        Some(())
    }

    /// Close the innermost object or array, whose members are put in order.
    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            let members = self.members.split_off(open.first_member);
            if !members.windows(2).all(|pair| pair[0].name < pair[1].name) {
                sort(self.written, open.start, &members);
            }
            self.written.push(open.closing);
        }
    }
}

/// Put the members that are written from `start` on in the order of their names. Of two with one name the last stays.
fn sort(written: &mut Vec<u8>, start: usize, members: &[Member<'_>]) {
    let texts = written.split_off(start);
    // Each begins where it did; it ends at the comma before the next.
    let ends = members.iter().skip(1).map(|next| next.start - 1 - start);
    let ends = ends.chain(std::iter::once(texts.len()));
    let mut sorted: Vec<(&Member<'_>, usize)> = members.iter().zip(ends).collect();
    sorted.sort_by(|one, other| one.0.name.cmp(&other.0.name));
    for (index, (member, end)) in sorted.iter().enumerate() {
        if matches!(sorted.get(index + 1), Some((next, _)) if next.name == member.name) {
            continue;
        }
        if written.len() > start {
            written.push(b',');
        }
        written.extend_from_slice(&texts[member.start - start..*end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(raw: &str) -> Option<String> {
        let mut room = b"before".to_vec();
        let bytes = canonical(raw.as_bytes(), &mut room)?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn every_value_has_one_spelling() {
        for (raw, bytes) in [
            ("true", "true"),
            ("null", "null"),
            ("-0.0", "0"),
            ("1.50", "15e-1"),
            (r#""plain é""#, r#""plain é""#),
            (r#""\u00e9\/\u000A""#, r#""é/\n""#),
            ("[ ]", "[]"),
            ("{ }", "{}"),
            ("[ 1.0 , [\t{ } ],\n\"\\u0041\" ]", r#"[1,[{}],"A"]"#),
            (
                r#"{"b":1,"a":{"z":[2.5,{"y":1,"x":[]}],"\u0061":null}}"#,
                r#"{"a":{"a":null,"z":[25e-1,{"x":[],"y":1}]},"b":1}"#,
            ),
            (
                r#"{"a":1,"b":2,"\u0061":3,"ab":{},"a":[4]}"#,
                r#"{"a":[4],"ab":{},"b":2}"#,
            ),
            (r#"{"😀":1,"\uffee":2,"a":3}"#, r#"{"a":3,"￮":2,"😀":1}"#),
            (
                r#"{"":1,"\"":2,"!":3," ":4}"#,
                r#"{"":1," ":4,"!":3,"\"":2}"#,
            ),
            (
                r#"{"a":{"b":1}, "a":{"d":1,"c":2}}"#,
                r#"{"a":{"c":2,"d":1}}"#,
            ),
        ] {
            assert_eq!(written(raw).as_deref(), Some(bytes), "{}", raw);
            assert_eq!(written(bytes).as_deref(), Some(bytes), "{}", bytes);
        }
    }

    #[test]
    fn numbers_and_strings_that_the_reference_may_refuse_are_handed_on() {
        for raw in [
            "1e309",
            "[1e400]",
            r#""\ud83d""#,
            r#"{"\ude00":1}"#,
            r#"["\ud83dx"]"#,
        ] {
            assert_eq!(written(raw), None, "{}", raw);
        }
    }

    #[test]
    fn sixty_four_levels_are_written_and_no_more() {
        for (levels, is_written) in [(1, true), (64, true), (65, false), (100_000, false)] {
            for (opening, closing) in [("[ ", "]"), ("{\"a\": ", "}")] {
                let raw = format!("{}1{}", opening.repeat(levels), closing.repeat(levels));
                assert_eq!(
                    written(&raw),
                    is_written.then(|| raw.replace(' ', "")),
                    "{}",
                    levels
                );
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_handed_on() {
        let raw = r#"{"b": [1.5, "\u0041", {"c":{}}], "a": null}"#;
        for end in 1..raw.len() {
            assert_eq!(written(&raw[..end]), None, "{}", &raw[..end]);
        }
    }
}
