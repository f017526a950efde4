//! A strict reader of JSON (RFC 8259) over bytes that are known to be UTF-8: it moves over values, checks all of their
//! syntax, and builds nothing. What it does not take may still be JSON: it is for the plain core to say.

use std::borrow::Cow;

use crate::json::plain_stretch::stretch_end;
use crate::json::string::Text;
use crate::json::utf8::is_utf8;

/// How many arrays and objects may stand within each other.
pub const LEVELS_MAX: u32 = 64;

/// Whether `text` is one JSON value, for certain.
pub fn is_json(text: &[u8]) -> bool {
    let mut cursor = Cursor::new(text);
    is_utf8(text) && cursor.value(0).is_some() && cursor.token() == 0 && cursor.at == text.len()
}

/// A place in a text.
pub struct Cursor<'a> {
    pub text: &'a [u8],
    pub at: usize,
    /// Whether a line feed or a carriage return was met between the values.
    pub has_line_breaks: bool,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            has_line_breaks: false,
        }
    }

    /// The byte that stands here; a zero, which no JSON holds, behind the last one.
    #[inline(always)]
    pub fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// Moves to what is no white space, and tells its byte.
    #[inline(always)]
    pub fn token(&mut self) -> u8 {
        let byte = self.byte();
        if byte > b' ' {
            return byte;
        }
        self.token_after_space()
    }

    #[inline(never)]
    fn token_after_space(&mut self) -> u8 {
        loop {
            match self.byte() {
                b' ' | b'\t' => {}
                b'\n' | b'\r' => self.has_line_breaks = true,
                byte => return byte,
            }
            self.at += 1;
        }
    }

    /// Moves behind `byte`, which must be the next token.
    #[inline(always)]
    pub fn take(&mut self, byte: u8) -> Option<()> {
        if self.token() != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Moves behind the string that begins here: what stands between its quotes, and whether there are escapes in it.
    #[inline(always)]
    pub fn string(&mut self) -> Option<(&'a [u8], bool)> {
        self.take(b'"')?;
        let start = self.at;
        let mut is_escaped = false;
        loop {
            self.at = stretch_end(self.text, self.at);
            match self.byte() {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
        let string = self.text.get(start..self.at)?;
        self.at += 1;
        Some((string, is_escaped))
    }

    /// Moves behind a member's name and its colon: the name, decoded.
    #[inline(always)]
    pub fn name(&mut self) -> Option<Cow<'a, [u8]>> {
        let (name, is_escaped) = self.string()?;
        self.take(b':')?;
        if is_escaped {
            return Text::new(name, true).decoded();
        }
        Some(Cow::Borrowed(name))
    }

    /// Moves behind what follows a member of an object: whether there is another member.
    #[inline(always)]
    pub fn has_another_member(&mut self) -> Option<bool> {
        let byte = self.token();
        self.at += 1;
        match byte {
            b',' => Some(true),
            b'}' => Some(false),
            _ => None,
        }
    }

    /// Moves behind the opening brace of an object: whether it has members.
    #[inline(always)]
    pub fn opened_has_members(&mut self) -> Option<bool> {
        self.take(b'{')?;
        if self.token() == b'}' {
            self.at += 1;
            return Some(false);
        }
        Some(true)
    }

    /// Moves behind the value that begins here, whatever it is; it stands within `level` arrays and objects.
    pub fn value(&mut self, level: u32) -> Option<()> {
        let mut open = Open { objects: 0, level };
        loop {
            match self.token() {
                b'"' => {
                    self.string()?;
                }
                b'{' => {
                    if self.opened_has_members()? {
                        open.push(true)?;
                        self.pass_name()?;
                        continue;
                    }
                    open.check()?;
                }
                b'[' => {
                    self.at += 1;
                    if self.token() != b']' {
                        open.push(false)?;
                        continue;
                    }
                    open.check()?;
                    self.at += 1;
                }
                _ => self.scalar()?,
            }
            // Behind a value: close what ends here.
            loop {
                if open.level == level {
                    return Some(());
                }
                let byte = self.token();
                self.at += 1;
                match (byte, open.is_object()) {
                    (b',', true) => {
                        self.pass_name()?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => open.pop(),
                    _ => return None,
                }
            }
        }
    }

    /// Moves behind these very bytes, if they stand here.
    #[inline(always)]
    pub fn passes(&mut self, bytes: &[u8]) -> bool {
        let passes = self.text.get(self.at..self.at + bytes.len()) == Some(bytes);
        if passes {
            self.at += bytes.len();
        }
        passes
    }

    /// Moves behind a number, `true`, `false` or `null`.
    pub fn scalar(&mut self) -> Option<()> {
        let word: &[u8] = match self.token() {
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => return self.number(),
        };
        let end = self.at + word.len();
        if self.text.get(self.at..end)? != word {
            return None;
        }
        self.at = end;
        Some(())
    }

    fn pass_name(&mut self) -> Option<()> {
        self.string()?;
        self.take(b':')
    }

    fn number(&mut self) -> Option<()> {
        if self.byte() == b'-' {
            self.at += 1;
        }
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// Moves behind digits, of which there must be one.
    #[inline(always)]
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        if self.at > start {
            Some(())
        } else {
            None
        }
    }

    /// Moves behind the escape that begins here; a surrogate's must be a pair's.
    #[inline(never)]
    fn escape(&mut self) -> Option<()> {
        match self.text.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.at += 2;
                Some(())
            }
            b'u' => match self.unit()? {
                0xD800..=0xDBFF => match self.unit()? {
                    0xDC00..=0xDFFF => Some(()),
                    _ => None,
                },
                0xDC00..=0xDFFF => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    /// Moves behind `\uXXXX`: its UTF-16 code unit.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 6)?.strip_prefix(b"\\u")?;
        self.at += 6;
        digits.iter().try_fold(0, |unit, digit| {
            Some(unit << 4 | char::from(*digit).to_digit(16)?)
        })
    }
}

/// The arrays and objects that are open: a bit each, the innermost lowest, set for an object.
struct Open {
    objects: u64,
    level: u32,
}

impl Open {
    #[inline(always)]
    fn check(&self) -> Option<()> {
        if self.level < LEVELS_MAX {
            Some(())
        } else {
            None
        }
    }

    #[inline(always)]
    fn push(&mut self, is_object: bool) -> Option<()> {
        self.check()?;
        self.objects = self.objects << 1 | u64::from(is_object);
        self.level += 1;
        Some(())
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.objects >>= 1;
        self.level -= 1;
    }

    #[inline(always)]
    fn is_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(text: &str) -> bool {
        is_json(text.as_bytes())
    }

    #[test]
    fn every_value_is_taken() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "10",
            "-1.50",
            "1e5",
            "1E+05",
            "0.0e-1",
            "\"\"",
            "[]",
            "{}",
            " [ ] ",
            "{ }",
            "[1,2 , [3]]",
            "{\"a\":{\"b\":[{}]},\"c\":\"\\u00e4\\n\\\"\"}",
            "\"\\ud83d\\ude00\"",
            "\"ü😀\x7f\"",
            "[\"a string that is longer than eight bytes\", \"\\\\\"]",
            "\r\n\t [\n1\r]\n",
        ] {
            assert!(is_taken(text), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_taken() {
        for text in [
            "",
            "nul",
            "01",
            "1.",
            "+1",
            ".5",
            "1e",
            "1e+",
            "-",
            "NaN",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[1}",
            "{\"a\":1]",
            "[",
            "{\"a\":1",
            "\"",
            "\"abc",
            "\"\n\"",
            "\"\0\"",
            "\"12345678\x1f\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u123\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0061\"",
            "\"\\ud800x\"",
            "1 2",
            "[1 2]",
            "\"\\\"",
            "\u{feff}1",
            "'a'",
            "[1]]",
        ] {
            assert!(!is_taken(text), "{text}");
        }
    }

    #[test]
    fn as_many_levels_are_taken_as_are_allowed() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_taken(&nested(64)));
        assert!(!is_taken(&nested(65)));
        assert!(!is_taken(&"[".repeat(100_000)));
        assert!(is_taken(&format!("{}[]{}", "[".repeat(63), "]".repeat(63))));
        assert!(!is_taken(&format!(
            "{}{{}}{}",
            "[".repeat(64),
            "]".repeat(64)
        )));
    }
}
