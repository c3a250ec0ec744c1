//! Dates as issuers write them into their tokens.

use crate::token::facts::Time;

/// RFC 3339 with an offset. A date without one says nothing exact, so it says nothing.
pub(super) fn rfc3339(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second).filter(|seconds| *seconds > 0)
}

/// Seconds or, where they would be past the year 5138, milliseconds since 1970.
pub(super) fn unix(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok().filter(|n| *n > 0)?;
    Some(if number > 100_000_000_000 { number / 1000 } else { number })
}

/// The earlier of an expiry so far and another one: every one has to hold.
pub(super) fn earlier(so_far: Time, other: i64) -> Time {
    Time::At(so_far.seconds().map_or(other, |known| known.min(other)))
}

/// The later of a beginning so far and another one.
pub(super) fn later(so_far: Time, other: i64) -> Time {
    Time::At(so_far.seconds().map_or(other, |known| known.max(other)))
}
