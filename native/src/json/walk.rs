//! A walk over the text of a JSON value that is known to be one.
//!
//! It checks no more than it needs to go on; on any other bytes it ends somewhere, but never panics.

use crate::json::string::Text;

/// A number of so many characters without an exponent is certainly within a double's range, which ends at 1.8e308.
const CHARACTERS_ALWAYS_FINITE: usize = 300;

/// Where the walk stands: what is yet to come.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A walk from the first byte of `text` on.
    pub fn new(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// The next byte that is no white space, which is passed over.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some((&first, rest)) = self.0.split_first() {
            if !matches!(first, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(first);
            }
            self.0 = rest;
        }
        None
    }

    /// Go past the next byte, which is to be this one.
    pub fn pass(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.0 = &self.0[1..])
    }

    /// Whether another member or item comes, and go to where it stands; `closing` ends its object or array.
    ///
    /// `is_first` says that the opening bracket was passed last.
    pub fn more(&mut self, closing: u8, is_first: bool) -> Option<bool> {
        if self.peek()? == closing {
            self.pass(closing)?;
            return Some(false);
        }
        if !is_first {
            self.pass(b',')?;
            self.peek()?;
        }
        Some(true)
    }

    /// Go past a member's name and the colon behind it.
    pub fn name(&mut self) -> Option<Text<'a>> {
        let name = self.string()?;
        self.pass(b':')?;
        self.peek()?;
        Some(name)
    }

    /// Go past a string.
    pub fn string(&mut self) -> Option<Text<'a>> {
        self.pass(b'"')?;
        let mut has_escape = false;
        let mut at = 0;
        loop {
            match *self.0.get(at)? {
                b'"' => break,
                b'\\' => {
                    has_escape = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        let raw = &self.0[..at];
        self.0 = &self.0[at + 1..];
        Some(Text::new(raw, has_escape))
    }

    /// Go past a number, true, false or null; its text.
    pub fn word(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let end = self
            .0
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'.' | b'-' | b'+'))
            .unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Go past any value; its text. None where a number in it may be beyond a double.
    pub fn value(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let text = self.0;
        let mut depth: usize = 0;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.0 = &self.0[1..];
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.0 = &self.0[1..];
                }
                b',' | b':' if depth > 0 => {
                    self.0 = &self.0[1..];
                    continue;
                }
                _ => {
                    if may_be_beyond_a_double(self.word()?) {
                        return None;
                    }
                }
            }
            if depth == 0 {
                return Some(&text[..text.len() - self.0.len()]);
            }
        }
    }

    /// Whether nothing but white space is left.
    pub fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }
}

fn may_be_beyond_a_double(word: &[u8]) -> bool {
    let is_number = matches!(word.first(), Some(b'0'..=b'9' | b'-'));
    is_number
        && (word.len() > CHARACTERS_ALWAYS_FINITE || word.iter().any(|byte| byte | 0x20 == b'e'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let mut reader = Reader::new(text.as_bytes());
        let mut values = Vec::new();
        while let Some(value) = reader.value() {
            values.push(String::from_utf8(value.to_vec()).unwrap());
        }
        values
    }

    #[test]
    fn a_value_is_taken_whole_without_the_white_space_around_it() {
        assert_eq!(
            values(" {\"a\\\"]\" : [1, {}]}\n\"}\" -1.5 true\t[ ] null "),
            [
                "{\"a\\\"]\" : [1, {}]}",
                "\"}\"",
                "-1.5",
                "true",
                "[ ]",
                "null"
            ]
        );
    }

    #[test]
    fn a_number_that_may_be_infinite_is_not_passed_over() {
        let long = "1".repeat(301);
        for text in ["1e400", "[1E5]", "{\"a\":[0e-1]}", &long] {
            assert_eq!(values(text), [""; 0], "{}", text);
        }
        assert_eq!(values(&"1".repeat(300)).len(), 1);
    }

    #[test]
    fn what_is_no_json_ends_somewhere() {
        for text in [
            "", " ", "{", "[1", "\"a", "\"a\\", "}", "]", ",", ":", "[}", "\u{e9}", "[\u{e9}]",
        ] {
            assert!(values(text).len() <= 1, "{}", text);
        }
    }
}
