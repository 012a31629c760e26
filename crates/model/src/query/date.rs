//! Dates as `registeredAt` compares them.

use crate::time::Timestamp;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// The instant written as `2018-06-18`, `2018-06-18T22:28:28`, with a fraction, `Z` or `+00:00`
/// behind it. No zone means UTC, a date alone means midnight. `None` if it is not one.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let midnight = days_since_epoch(year, month, day) * MILLIS_PER_DAY;
    let within = time.map_or(Some(0), time_of_day)?;
    Some(Timestamp::from_millis(midnight + within))
}

fn time_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => (&text[..at], zone(&text[at..])?),
        None => (text, 0),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let digits = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    if hour > 23 || minute > 59 || second > 59 || !digits {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    Some(((hour * 60 + minute) * 60 + second) * 1000 + millis - offset)
}

/// How far the zone is ahead of UTC, in milliseconds.
fn zone(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'Z' | b'z' => return (text.len() == 1).then_some(0),
        b'-' => -1,
        _ => 1,
    };
    let digits = text[1..].replace(':', "");
    let two = |range: std::ops::Range<usize>| number(digits.get(range)?, 2);
    let (hours, minutes) = (two(0..2)?, two(2..4)?);
    (digits.len() == 4 && hours < 24 && minutes < 60)
        .then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (value, width) in numbers.iter_mut().zip(widths) {
        *value = number(parts.next()?, width)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn number(text: &str, width: usize) -> Option<i64> {
    let digits = text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar, counted from the years and months before.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let leaps = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    let months: i64 = (1..month).map(|month| days_of(year, month)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_utc_unless_they_name_a_zone() {
        for (text, millis) in [
            ("1970-01-01", 0),
            ("2018-02-13", 1_518_480_000_000),
            ("2000-02-29", 951_782_400_000),
            ("2018-06-18T22:28:28+00:00", 1_529_360_908_000),
            ("2018-06-18T22:28:28Z", 1_529_360_908_000),
            ("2018-06-18T22:28:28", 1_529_360_908_000),
            ("2018-06-18T22:28:28.5Z", 1_529_360_908_500),
            ("2018-06-19T00:28:28+02:00", 1_529_360_908_000),
            ("2018-06-18T20:28:28-0200", 1_529_360_908_000),
            ("1969-12-31T23:59:59Z", -1_000),
        ] {
            assert_eq!(parse(text).map(Timestamp::millis), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2018",
            "2018-13-01",
            "2018-02-29",
            "18-02-13",
            "2018-02-13T",
            "2018-02-13T25:00:00",
            "2018-02-13T10:00",
            "2018-02-13T10:00:00+2",
            "2018-02-13T10:00:00.",
            "2018-02-13T10:00:00Zulu",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
