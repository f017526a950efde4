//! Date-times as `processor/profile/times.py` takes them, but for leap seconds, which are handed on.

/// Days from the year 0 to 1970, in the proleptic Gregorian calendar.
const DAYS_BEFORE_1970: i64 = 719_528;
const SECONDS_PER_DAY: i64 = 86_400;

/// Whether `text` is a date-time; None where the plain core is to say.
pub fn check(text: &[u8]) -> Option<()> {
    read(text).map(|_| ())
}

/// Whether the date-time `text` is after `timestamp_ms` since the epoch.
pub fn is_later_than(text: &[u8], timestamp_ms: i64) -> Option<bool> {
    let (second, fraction) = read(text)?;
    let event_second = timestamp_ms.div_euclid(1000);
    if second != event_second {
        return Some(second > event_second);
    }
    let event_ms = timestamp_ms.rem_euclid(1000) as u32;
    let digits =
        [event_ms / 100, event_ms / 10 % 10, event_ms % 10].map(|digit| b'0' + digit as u8);
    // As text, for any number of digits: "5" is later than 499 ms, "4990001" than 499 ms, "499" is not.
    Some(fraction > without_zeros(&digits))
}

/// Seconds since the epoch, and the fraction's digits without the zeros at their end.
fn read(text: &[u8]) -> Option<(i64, &[u8])> {
    let year = number(text, 0, 4)?;
    let month = number(text, 5, 2)?;
    let day = number(text, 8, 2)?;
    let hour = number(text, 11, 2)?;
    let minute = number(text, 14, 2)?;
    let second = number(text, 17, 2)?;
    let has_shape = text[4] == b'-'
        && text[7] == b'-'
        && matches!(text[10], b'T' | b't' | b' ')
        && text[13] == b':'
        && text[16] == b':'
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !has_shape {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut fraction: &[u8] = b"";
    if let Some(behind) = rest.strip_prefix(b".") {
        let digits = behind
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return None;
        }
        fraction = without_zeros(&behind[..digits]);
        rest = &behind[digits..];
    }
    let local = day_number(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Some((local - offset_s(rest)?, fraction))
}

/// What stands behind the time, as seconds east of UTC: nothing, `Z`, `+02`, `+0200` or `+02:00`.
fn offset_s(rest: &[u8]) -> Option<i64> {
    let sign = match rest.first() {
        None => return Some(0),
        Some(b'Z' | b'z') => return if rest.len() == 1 { Some(0) } else { None },
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return None,
    };
    let hours = number(rest, 1, 2)?;
    let minutes = match rest.len() {
        3 => 0,
        5 => number(rest, 3, 2)?,
        6 if rest[3] == b':' => number(rest, 4, 2)?,
        _ => return None,
    };
    if hours < 24 && minutes < 60 {
        Some(sign * (hours * 60 + minutes) * 60)
    } else {
        None
    }
}

#[inline(always)]
fn number(text: &[u8], at: usize, digits: usize) -> Option<i64> {
    let mut number = 0;
    for byte in text.get(at..at + digits)? {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(number)
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let kept = digits
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(0, |last| last + 1);
    &digits[..kept]
}

fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    const BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let leap_day = i64::from(month > 2 && is_leap_year(year));
    year * 365 + leap_days + BEFORE_MONTH[(month - 1) as usize] + leap_day + day
        - 1
        - DAYS_BEFORE_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_counted_from_the_epoch() {
        for (text, second, fraction) in [
            ("1970-01-01T00:00:00Z", 0, ""),
            ("2020-05-25T21:24:39.1200Z", 1_590_441_879, "12"),
            ("2020-05-25 23:24:39+02:00", 1_590_441_879, ""),
            ("2020-05-25t21:24:39.000z", 1_590_441_879, ""),
            ("2020-05-25T21:24:39", 1_590_441_879, ""),
            ("2020-05-25T18:54:39-0230", 1_590_441_879, ""),
            ("2020-05-25T23:24:39+02", 1_590_441_879, ""),
            ("0000-02-29T00:00:00Z", -62_162_121_600, ""),
            ("2024-03-01T00:00:00Z", 1_709_251_200, ""),
            ("1900-03-01T00:00:00Z", -2_203_891_200, ""),
            ("9999-12-31T23:59:59Z", 253_402_300_799, ""),
        ] {
            assert_eq!(
                read(text.as_bytes()),
                Some((second, fraction.as_bytes())),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_else_is_a_date_time() {
        for text in [
            "",
            "2020-05-25",
            "2020-02-30T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2020-05-25T24:00:00Z",
            "2020-05-25T21:24:60Z",
            "2020-05-25T21:24:39.Z",
            "2020-05-25T21:24:39+1",
            "2020-05-25T21:24:39+00:",
            "2020-05-25T21:24:39+2400",
            "2020-05-25T21:24:39ZZ",
            "2020-05-25T21:24:39Z ",
            "2020-05-25T21:24:39+00000",
            "2020-13-01T00:00:00Z",
            "2020-00-01T00:00:00Z",
            "2020-01-00T00:00:00Z",
            "2020/05-25T21:24:39Z",
            "2020-05-25T21:24:3",
            "2020-05-25_21:24:39Z",
            "2020-05-25T21:60:39Z",
        ] {
            assert_eq!(check(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn no_digit_is_lost_in_a_comparison() {
        let later = |text: &str, ms| is_later_than(text.as_bytes(), ms).unwrap();
        assert!(later("1970-01-01T00:00:01.5Z", 1_499));
        assert!(!later("1970-01-01T00:00:01.499Z", 1_499));
        assert!(!later("1970-01-01T00:00:01.4990Z", 1_499));
        assert!(later("1970-01-01T00:00:01.49900000000000000001Z", 1_499));
        assert!(!later("1970-01-01T00:00:01Z", 1_000));
        assert!(later("1970-01-01T00:00:00Z", -1));
        assert!(!later("1969-12-31T23:59:59.999Z", -1));
        assert!(!later("1970-01-01T00:00:01.05Z", 1_050));
    }
}
