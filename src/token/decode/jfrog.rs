//! JFrog's reference tokens: the base64 of `reftkn:01:EXPIRY:RANDOM`, ten digits of expiry, zeros where there is none.

use base64::Engine as _;

use crate::token::facts::{Facts, Time};
use crate::token::jose;

/// Reads the expiry. `None` if it is no reference token.
pub(super) fn read(token: &[u8], facts: &mut Facts) -> Option<()> {
    let text = jose::BASE64.decode(token).ok()?;
    let mut parts = text.split(|b| *b == b':');
    let (name, version, expiry, random) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let version_fits = version.len() == 2 && version.iter().all(u8::is_ascii_digit);
    if name != b"reftkn" || !version_fits || random.len() < 16 || parts.next().is_some() {
        return None;
    }
    let expiry: i64 = std::str::from_utf8(expiry).ok()?.parse().ok()?;
    facts.expires = match expiry {
        0 => Time::Never,
        1.. => Time::At(expiry),
        _ => return None,
    };
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;

    #[test]
    fn the_third_part_is_the_expiry() {
        let token = |text: &str| jose::BASE64.encode(text);
        let read = |text: &str| {
            let mut f = facts();
            super::read(token(text).as_bytes(), &mut f).map(|()| f.expires)
        };
        assert_eq!(read("reftkn:01:1800000000:QkV3o0sfzUeNQ1Tn5yW9aAxpbqk"), Some(Time::At(1_800_000_000)));
        assert_eq!(read("reftkn:01:0000000000:QkV3o0sfzUeNQ1Tn5yW9aAxpbqk"), Some(Time::Never));
        for wrong in ["reftkn:01:soon:QkV3o0sfzUeNQ1Tn5yW9aAxpbqk", "reftkn:01:1800000000", "something:01:0:aaaa"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
