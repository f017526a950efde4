//! JSON strings: what they say, and how orjson writes what they say.

use std::borrow::Cow;

/// A string as it stands in an event, without its quotes.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    raw: &'a [u8],
    has_escape: bool,
}

impl<'a> Text<'a> {
    /// What stands between the quotes; `has_escape` says whether a backslash is among it.
    pub fn new(raw: &'a [u8], has_escape: bool) -> Self {
        Self { raw, has_escape }
    }

    /// Its characters in UTF-8; None for half a surrogate pair, and for what is no escape of JSON.
    pub fn decoded(self) -> Option<Cow<'a, [u8]>> {
        if self.has_escape {
            unescaped(self.raw).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(self.raw))
        }
    }

    /// Append it to `into` as orjson writes it, in quotes; None as [`Text::decoded`].
    pub fn write(self, into: &mut Vec<u8>) -> Option<()> {
        if self.has_escape {
            write(&unescaped(self.raw)?, into);
        } else {
            // What stands without an escape needs none.
            into.push(b'"');
            into.extend_from_slice(self.raw);
            into.push(b'"');
        }
        Some(())
    }
}

/// Append characters in UTF-8 to `into` as orjson writes a string: only quotes, backslashes and what is below a
/// blank are escaped, in the shortest way there is.
pub fn write(characters: &[u8], into: &mut Vec<u8>) {
    into.push(b'"');
    for &byte in characters {
        match byte {
            b'"' | b'\\' => into.extend_from_slice(&[b'\\', byte]),
            0x08 => into.extend_from_slice(b"\\b"),
            b'\t' => into.extend_from_slice(b"\\t"),
            b'\n' => into.extend_from_slice(b"\\n"),
            0x0c => into.extend_from_slice(b"\\f"),
            b'\r' => into.extend_from_slice(b"\\r"),
            0..=0x1f => {
                into.extend_from_slice(b"\\u00");
                into.push(b'0' + (byte >> 4));
                into.push(b"0123456789abcdef"[usize::from(byte & 0x0f)]);
            }
            _ => into.push(byte),
        }
    }
    into.push(b'"');
}

fn unescaped(raw: &[u8]) -> Option<Vec<u8>> {
    let mut characters = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(plain) = rest.iter().position(|&byte| byte == b'\\') {
        characters.extend_from_slice(rest.get(..plain)?);
        let (&escaped, behind) = rest.get(plain + 1..)?.split_first()?;
        rest = behind;
        characters.push(match escaped {
            b'"' | b'\\' | b'/' => escaped,
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 0x0c,
            b'r' => b'\r',
            b'u' => {
                let character = unicode(&mut rest)?;
                let mut room = [0; 4];
                characters.extend_from_slice(character.encode_utf8(&mut room).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    characters.extend_from_slice(rest);
    Some(characters)
}

/// The character whose digits `rest` begins with, behind `\u`; a surrogate takes its other half from `rest` too.
fn unicode(rest: &mut &[u8]) -> Option<char> {
    let first = unit(rest)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    *rest = rest.strip_prefix(b"\\u")?;
    let second = unit(rest)?;
    if !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}

fn unit(rest: &mut &[u8]) -> Option<u32> {
    let digits = rest.get(..4)?;
    *rest = rest.get(4..)?;
    digits.iter().try_fold(0, |sum, &digit| {
        Some(sum << 4 | char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(raw: &str) -> Option<String> {
        let characters = Text::new(raw.as_bytes(), raw.contains('\\')).decoded()?;
        Some(String::from_utf8(characters.into_owned()).unwrap())
    }

    fn written(raw: &str) -> Option<String> {
        let mut into = Vec::new();
        Text::new(raw.as_bytes(), raw.contains('\\')).write(&mut into)?;
        Some(String::from_utf8(into).unwrap())
    }

    #[test]
    fn a_plain_string_is_what_it_is() {
        assert_eq!(
            decoded("žluťoučký \u{7f}/"),
            Some("žluťoučký \u{7f}/".into())
        );
        assert_eq!(
            written("žluťoučký \u{7f}/"),
            Some("\"žluťoučký \u{7f}/\"".into())
        );
    }

    #[test]
    fn every_escape_is_decoded_and_written_in_the_shortest_way() {
        let raw =
            r#"a\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00\u0000\u001F\u0022\u005c\u000aé"#;
        assert_eq!(
            decoded(raw).unwrap(),
            "a\"\\/\u{8}\u{c}\n\r\tAé€😀\0\u{1f}\"\\\né"
        );
        assert_eq!(
            written(raw).unwrap(),
            r#""a\"\\/\b\f\n\r\tAé€😀\u0000\u001f\"\\\né""#
        );
    }

    #[test]
    fn half_a_pair_and_what_is_no_escape_are_handed_on() {
        for raw in [
            r"\ud83d",
            r"\ud83dx",
            r"\ud83d\n",
            r"\ud83dA",
            r"\ud83d\ud83d",
            r"\ude00",
            r"\u12",
            r"\u12g4",
            r"\x",
            r"\",
        ] {
            assert_eq!(decoded(raw), None, "{}", raw);
            assert_eq!(written(raw), None, "{}", raw);
        }
    }
}
