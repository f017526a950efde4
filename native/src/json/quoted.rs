//! A text as a JSON string, as orjson writes it: what is not ASCII stands as it is, in UTF-8.

/// Bytes of the string of `text`, quotes included.
pub fn length(text: &str) -> usize {
    2 + text.bytes().map(|byte| escape(byte).len()).sum::<usize>()
}

/// Write the string of `text` into `to`, which has `quoted_length` of it.
pub fn write(text: &str, to: &mut [u8]) {
    assert_eq!(to.len(), length(text));
    let last = to.len() - 1;
    to[0] = b'"';
    to[last] = b'"';
    if last - 1 == text.len() {
        return to[1..last].copy_from_slice(text.as_bytes());
    }
    let mut at = 1;
    for byte in text.bytes() {
        let escape = escape(byte);
        let length = escape.len();
        let place = &mut to[at..at + length];
        match escape {
            Escape::None => place[0] = byte,
            Escape::Short(letter) => place.copy_from_slice(&[b'\\', letter]),
            Escape::Long => {
                place[..4].copy_from_slice(b"\\u00");
                place[4] = HEX[usize::from(byte >> 4)];
                place[5] = HEX[usize::from(byte & 15)];
            }
        }
        at += length;
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

enum Escape {
    None,
    Short(u8),
    Long,
}

impl Escape {
    fn len(&self) -> usize {
        match self {
            Self::None => 1,
            Self::Short(_) => 2,
            Self::Long => 6,
        }
    }
}

fn escape(byte: u8) -> Escape {
    match byte {
        b'"' | b'\\' => Escape::Short(byte),
        8 => Escape::Short(b'b'),
        9 => Escape::Short(b't'),
        10 => Escape::Short(b'n'),
        12 => Escape::Short(b'f'),
        13 => Escape::Short(b'r'),
        0..=31 => Escape::Long,
        _ => Escape::None,
    }
}

#[cfg(test)]
mod tests {
    use super::{length, write};

    fn quoted(text: &str) -> String {
        let mut to = vec![0; length(text)];
        write(text, &mut to);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn what_json_must_have_escaped_is_and_nothing_else() {
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(quoted("Zoë/𝄞\u{7f}"), "\"Zoë/𝄞\u{7f}\"");
        assert_eq!(quoted("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(quoted("\u{8}\t\n\u{c}\r"), r#""\b\t\n\f\r""#);
        assert_eq!(quoted("\0\u{1f}"), r#""\u0000\u001f""#);
    }
}
