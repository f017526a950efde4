//! JSON numbers by their decimal digits, so that none is ever rounded.

/// From here on a power of ten may be beyond a double, which ends at 1.8e308.
const POWER_ALWAYS_FINITE: i64 = 308;
/// So many digits of an exponent fit into 64 bits with room for what is added.
const EXPONENT_DIGITS_MAX: usize = 17;
/// Integers of so many digits stand as they are in every way of reading them.
const PLAIN_DIGITS_MAX: usize = 17;

/// Whether `number` is an integer that is its own canonical form, as almost all are.
pub fn is_plain(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    match digits.first() {
        Some(b'0') => number == b"0",
        Some(_) => digits.len() <= PLAIN_DIGITS_MAX && digits.iter().all(u8::is_ascii_digit),
        None => false,
    }
}

/// Append the canonical form of `number` to `into`: the same for every way to write the same number.
///
/// None where it may be beyond a double, or is no number.
pub fn write(number: &[u8], into: &mut Vec<u8>) -> Option<()> {
    if is_plain(number) {
        into.extend_from_slice(number);
        return Some(());
    }
    let (sign, unsigned) = match number.strip_prefix(b"-") {
        Some(unsigned) => (&b"-"[..], unsigned),
        None => (&b""[..], number),
    };
    let mut at_exponent = unsigned.splitn(2, |byte| byte | 0x20 == b'e');
    let mut at_point = at_exponent.next()?.splitn(2, |&byte| byte == b'.');
    let (whole, fraction) = (at_point.next()?, at_point.next().unwrap_or_default());
    let digits = [whole, fraction].concat();
    let first = digits.iter().position(|&digit| digit != b'0');
    let last = digits.iter().rposition(|&digit| digit != b'0');
    let exponent = at_exponent.next().map_or(Some(0), exponent)?;
    if whole.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let significant = match (first, last) {
        (Some(first), Some(last)) => digits.get(first..=last)?,
        _ => {
            into.push(b'0');
            return Some(());
        }
    };
    let behind_point = (last? + 1) as i64 - whole.len() as i64;
    let exponent = exponent - behind_point;
    if significant.len() as i64 + exponent > POWER_ALWAYS_FINITE {
        return None;
    }
    into.extend_from_slice(sign);
    into.extend_from_slice(significant);
    if exponent >= 0 {
        into.resize(into.len() + exponent as usize, b'0');
    } else {
        into.push(b'e');
        into.extend_from_slice(exponent.to_string().as_bytes());
    }
    Some(())
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let first = digits.iter().position(|&digit| digit != b'0');
    let digits = digits.get(first.unwrap_or(digits.len())..)?;
    if digits.len() > EXPONENT_DIGITS_MAX {
        return None;
    }
    let power = digits
        .iter()
        .fold(0, |sum, &digit| sum * 10 + i64::from(digit - b'0'));
    Some(if is_negative { -power } else { power })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(number: &str) -> Option<String> {
        let mut into = b"before".to_vec();
        write(number.as_bytes(), &mut into)?;
        Some(String::from_utf8(into).unwrap().split_off(6))
    }

    #[test]
    fn one_number_has_one_form() {
        for (form, numbers) in [
            ("0", &["0", "-0", "0.0", "-0.00e5", "0e-7", "0E+99999"][..]),
            (
                "1",
                &["1", "1.0", "10e-1", "0.1e1", "1e0", "1E+00", "0.01e+2"],
            ),
            (
                "-1500",
                &["-1500", "-15e2", "-1.5e3", "-1500.000", "-150000e-2"],
            ),
            ("15e-1", &["1.5", "1.50", "15e-1", "0.15E1", "150e-02"]),
            ("-1e-400", &["-1e-400", "-0.1e-399", "-10e-401"]),
            (
                "123456789012345678",
                &["123456789012345678", "123456789012345678.0"],
            ),
            ("12345678901234567890123e-3", &["12345678901234567890.123"]),
            ("10203e-4", &["1.0203", "01.02030"]),
        ] {
            for number in numbers {
                assert_eq!(written(number).as_deref(), Some(form), "{}", number);
            }
        }
    }

    #[test]
    fn the_largest_power_that_is_surely_finite_is_written_out() {
        let one = format!("1{}", "0".repeat(307));
        assert_eq!(written("1e307"), Some(one.clone()));
        assert_eq!(written(&one), Some(one.clone()));
        assert_eq!(written("0.001e310"), Some(one));
        for number in [
            "1e308",
            "1e309",
            "0.01e310",
            &"9".repeat(309),
            "-1e99999",
            "1e999999999999999999",
        ] {
            assert_eq!(written(number), None, "{}", number);
        }
    }

    #[test]
    fn small_integers_are_what_they_are() {
        for number in ["0", "7", "-7", "12345678901234567", "-12345678901234567"] {
            assert!(is_plain(number.as_bytes()), "{}", number);
        }
        for number in ["", "-", "-0", "1.0", "1e2", "123456789012345678", "true"] {
            assert!(!is_plain(number.as_bytes()), "{}", number);
        }
    }

    #[test]
    fn what_is_no_number_is_handed_on() {
        for text in [
            "", "-", "+1", "1e", "1e+", "1e+-2", "1.2.3", "1.e.2", ".5", "--1", "1ee2", "0x10",
            "nan",
        ] {
            assert_eq!(written(text), None, "{}", text);
        }
    }
}
