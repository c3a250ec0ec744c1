//! When a record was written: at the line's beginning or under a name that says so (ISO 8601 and RFC 3339, the common log
//! format, RFC 3164, seconds and parts of them since 1970).

use super::{Field, Record, fields};

/// How far into a line its time may begin.
const HEAD: usize = 96;
/// The same for the common log format, where names stand before it.
const COMMON_HEAD: usize = 256;

/// A record's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::token) struct Stamp {
    /// Seconds since 1970, as if it were UTC where no zone is given.
    pub(in crate::token) seconds: i64,
    /// How much it says.
    pub(in crate::token) sort: Sort,
}

/// How much a time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::token) enum Sort {
    /// A moment.
    Moment,
    /// Date and time of some zone.
    Local,
    /// Day and time, without the year.
    Undated,
}

/// The time of a record; `own` is what of it belongs to the token.
pub(super) fn of(record: &Record<'_>, own: &[&[u8]]) -> Option<Stamp> {
    let named = |part: &&[u8]| fields(part).filter(|field| !field.prose && is_time(field.name())).find_map(value);
    leading(record.before).or_else(|| own.iter().find_map(named))
}

fn is_time(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "time",
        "timestamp",
        "ts",
        "datetime",
        "date",
        "eventtime",
        "timelocal",
        "timeiso8601",
        "asctime",
        "loggedat",
        "logtime",
        "requesttime",
        "starttime",
        "starteddatetime",
    ];
    NAMES.contains(&name)
}

fn value(field: Field<'_>) -> Option<Stamp> {
    iso(field.rest).or_else(|| common(field.rest)).or_else(|| epoch(field.rest))
}

/// The time that a line begins with, after a level or the like.
fn leading(line: &[u8]) -> Option<Stamp> {
    let head = &line[..line.len().min(HEAD)];
    if let Some(stamp) = syslog(head).or_else(|| epoch(line)) {
        return Some(stamp);
    }
    let mut named = false;
    for (at, byte) in head.iter().enumerate() {
        if byte.is_ascii_digit() && (at == 0 || matches!(head[at - 1], b' ' | b'[' | b'(' | b'|' | b'\t' | b'"')) {
            let before = head[..at].trim_ascii_end();
            named |= matches!(before.strip_suffix(b"\"").unwrap_or(before).last(), Some(b'=' | b':'));
            if let Some(stamp) = iso(&line[at..]).filter(|_| !named) {
                return Some(stamp);
            }
        }
        if *byte == b'{' {
            return None;
        }
    }
    let head = &line[..line.len().min(COMMON_HEAD)];
    memchr::memchr_iter(b'[', head).find_map(|at| common(&line[at + 1..]))
}

/// A number of so many digits at the beginning of a text.
fn number(text: &[u8], digits: usize) -> Option<i64> {
    let text = text.get(..digits)?;
    text.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// Seconds since 1970 of a day and a time of it; `None` where there is no such day or time, or it is far off.
fn seconds(year: i64, month: i64, day: i64, (hour, minute, second): (i64, i64, i64)) -> Option<i64> {
    let fits = (1990..2106).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !fits || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days from civil, with years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y / 400;
    let of_era = y - era * 400;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 + day - 1 + era * 146_097 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn clock(text: &[u8]) -> Option<(i64, i64, i64)> {
    let colons = text.get(2) == Some(&b':') && text.get(5) == Some(&b':');
    colons.then_some(())?;
    Some((number(text, 2)?, number(&text[3..], 2)?, number(&text[6..], 2)?))
}

/// `Z`, `+02:00`, ` +0200`, ` UTC`: seconds to the east.
fn zone(text: &[u8]) -> Option<i64> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    if text.first().is_some_and(|b| b.eq_ignore_ascii_case(&b'z'))
        || text.starts_with(b"UTC")
        || text.starts_with(b"GMT")
    {
        return Some(0);
    }
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = number(&text[1..], 2)?;
    let minutes = &text[3..];
    let minutes = number(minutes.strip_prefix(b":").unwrap_or(minutes), 2)?;
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// `2026-11-21T11:59:41.123Z`, with a blank for the `T`, a comma for the point, a zone or none.
fn iso(text: &[u8]) -> Option<Stamp> {
    let parted = |at: usize, marks: &[u8]| text.get(at).is_some_and(|b| marks.contains(b));
    if !parted(4, b"-/") || !parted(7, b"-/") || !parted(10, b"Tt _") {
        return None;
    }
    let time = clock(&text[11..])?;
    let local = seconds(number(text, 4)?, number(&text[5..], 2)?, number(&text[8..], 2)?, time)?;
    let rest = &text[19..];
    let fraction = match rest.first() {
        Some(b'.' | b',') => 1 + rest[1..].iter().take_while(|b| b.is_ascii_digit()).count(),
        _ => 0,
    };
    Some(stamp(local, zone(&rest[fraction..])))
}

/// `21/Nov/2026:11:59:41 +0000`
fn common(text: &[u8]) -> Option<Stamp> {
    if text.get(2) != Some(&b'/') || text.get(6) != Some(&b'/') || text.get(11) != Some(&b':') {
        return None;
    }
    let local = seconds(number(&text[7..], 4)?, month(&text[3..])?, number(text, 2)?, clock(&text[12..])?)?;
    Some(stamp(local, zone(&text[20..])))
}

/// `Nov 21 11:59:41`, behind a priority or not. The year is not known: any will do to tell two apart.
fn syslog(line: &[u8]) -> Option<Stamp> {
    let priority = line.strip_prefix(b"<").and_then(|rest| {
        let digits = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        rest[digits..].strip_prefix(b">")
    });
    let text = priority.unwrap_or(line);
    let month = month(text)?;
    let day = match (text.get(3)?, text.get(4)?) {
        (b' ', b' ') => number(text.get(5..)?, 1)?,
        (b' ', _) => number(&text[4..], 2)?,
        _ => return None,
    };
    let local = seconds(2000, month, day, clock(text.get(7..)?)?)?;
    Some(Stamp { seconds: local, sort: Sort::Undated })
}

fn month(text: &[u8]) -> Option<i64> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let name = text.get(..3)?;
    MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name)).map(|at| at as i64 + 1)
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, told by the number of digits (as good until 2286).
fn epoch(text: &[u8]) -> Option<Stamp> {
    let digits = text.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
    if text.get(digits).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/')) {
        return None;
    }
    let unit = match digits {
        10 => 1,
        13 => 1_000,
        16 => 1_000_000,
        19 => 1_000_000_000,
        _ => return None,
    };
    let seconds =
        text[..digits].iter().try_fold(0i64, |n, b| n.checked_mul(10)?.checked_add(i64::from(b - b'0')))? / unit;
    // Nothing was logged so before there were such logs.
    (seconds > 1_000_000_000).then_some(Stamp { seconds, sort: Sort::Moment })
}

fn stamp(local: i64, zone: Option<i64>) -> Stamp {
    match zone {
        Some(east) => Stamp { seconds: local - east, sort: Sort::Moment },
        None => Stamp { seconds: local, sort: Sort::Local },
    }
}

impl Stamp {
    /// Seconds between this and another time, at least: the zones that a local time could be of are told from each other
    /// by quarters of an hour. `None` where nothing can be said.
    pub(in crate::token) fn off_by(self, other: i64) -> Option<i64> {
        const QUARTER: i64 = 15 * 60;
        /// Fourteen hours to the east, twelve to the west.
        const FARTHEST: i64 = 14 * 3_600;
        let difference = self.seconds.saturating_sub(other).saturating_abs();
        match self.sort {
            Sort::Moment => Some(difference),
            Sort::Local if difference > FARTHEST + QUARTER => Some(difference - FARTHEST),
            Sort::Local => Some((difference % QUARTER).min(QUARTER - difference % QUARTER)),
            Sort::Undated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(i64, Sort)> {
        let record = Record { before: line.as_bytes(), after: b"" };
        of(&record, &record.own()).map(|stamp| (stamp.seconds, stamp.sort))
    }

    #[test]
    fn times_of_records() {
        let at = 1_795_262_381; // 2026-11-21T11:59:41Z
        for line in [
            "2026-11-21T11:59:41Z DEBUG",
            "2026-11-21T12:59:41.123+01:00 DEBUG",
            "2026-11-21 11:59:41,123 +0000 DEBUG",
            "INFO [2026-11-21T11:59:41Z] x",
            "orders-7d9f | 2026-11-21T11:59:41.000000001Z stdout F x",
            "192.0.2.1 - - [21/Nov/2026:12:59:41 +0100] \"GET",
            "{\"level\":\"info\",\"time\":\"2026-11-21T11:59:41Z\",\"t\":\"",
            "{\"level\":30,\"time\":1795262381123,\"t\":\"",
            "level=info ts=1795262381.123 t=",
            "{\"@timestamp\" : \"2026-11-21T11:59:41Z\"",
            "1795262381.123 x",
        ] {
            assert_eq!(read(line), Some((at, Sort::Moment)), "{line}");
        }
        for line in ["2026-11-21 11:59:41,123 DEBUG", "[2026/11/21 11:59:41] x", "time=\"2026-11-21 11:59:41\""] {
            assert_eq!(read(line), Some((at, Sort::Local)), "{line}");
        }
        assert_eq!(read("<34>Nov  1 11:59:41 host app: ").map(|found| found.1), Some(Sort::Undated));
        for line in [
            "expires=2026-11-21T11:59:41Z",
            "{\"exp\":1795262381}",
            "id 1795262381 x",
            "2026-13-21T11:59:41Z",
            "0000-00-00 00:00:00",
            "May the force be with you",
            "1795262381-4711 x",
            "",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_local_time_is_off_by_what_no_zone_explains() {
        let local = |seconds| Stamp { seconds, sort: Sort::Local }.off_by(1_795_262_381);
        assert_eq!(local(1_795_262_381 + 3_600), Some(0));
        assert_eq!(local(1_795_262_381 - 5 * 3_600 - 1_800 + 7), Some(7));
        assert_eq!(local(1_795_262_381 + 3_600 + 400), Some(400));
        assert!(local(1_795_262_381 + 3 * 86_400) > Some(86_400));
        assert_eq!(Stamp { seconds: 5, sort: Sort::Undated }.off_by(9), None);
    }
}
