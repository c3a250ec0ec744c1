//! Certificates, as far as their lifetime and what they are for: PEM in texts, X.509 in that (RFC 5280).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::syntax::der::{Element, OCTET_STRING, OID, Reader, SEQUENCE, context};

/// What announces a certificate in a text.
pub(super) const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// The same in base64, as Kubernetes writes files.
pub(super) const BEGIN_ENCODED: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t";
/// So many certificates of a text are read; bundles of authorities have some hundred.
const MOST: usize = 512;

/// `keyUsage` is left alone; these say what the key is for (section 4.2.1.12).
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Names of an issuer and of a subject, in DER.
pub(super) type Names = (Vec<u8>, Vec<u8>);

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Of whom, and for whom it is.
    pub(super) names: Names,
    /// The public key with its algorithm, in DER.
    pub(super) key: Vec<u8>,
    /// Seconds since 1970 at which it begins and ends to be valid.
    pub(super) valid: (i64, i64),
    /// What it is for, as object identifiers; empty where it does not say.
    uses: Vec<Vec<u8>>,
    /// It is that of an authority.
    authority: bool,
}

impl Certificate {
    /// Whether it is one of a client, and of nothing else.
    pub(super) fn is_client(&self) -> bool {
        !self.authority && self.uses == [CLIENT_AUTH]
    }

    /// How long it is valid in all, in seconds.
    pub(super) const fn lifetime(&self) -> i64 {
        self.valid.1.saturating_sub(self.valid.0)
    }
}

/// The certificates of a text, each with where its armour begins and ends.
pub(super) fn in_pem(text: &str) -> Vec<(usize, usize, Certificate)> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(BEGIN)).map(|found| at + found)
        && all.len() < MOST
    {
        let body = start + BEGIN.len();
        let Some(length) = text.get(body..).and_then(|rest| rest.find(END)) else { break };
        at = body + length + END.len();
        let digits: String = text[body..body + length].chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if let Some(certificate) = STANDARD.decode(digits).ok().and_then(|der| read(&der)) {
            all.push((start, at, certificate));
        }
    }
    all
}

/// The certificates of a text that is itself in base64.
pub(super) fn in_base64(text: &str) -> Vec<Certificate> {
    let digits: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let Some(pem) = STANDARD.decode(digits).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Vec::new();
    };
    in_pem(&pem).into_iter().map(|(.., certificate)| certificate).collect()
}

/// Reads a certificate (section 4.1). `None` unless all that is asked for is there.
fn read(der: &[u8]) -> Option<Certificate> {
    let mut fields = Reader::new(Reader::sequence(der)?.take(SEQUENCE)?);
    let _version = fields.take(context(0));
    fields.unsigned()?;
    let _signature = fields.take(SEQUENCE)?;
    let issuer = fields.take(SEQUENCE)?.to_vec();
    let mut validity = Reader::new(fields.take(SEQUENCE)?);
    let valid = (time(validity.element()?)?, time(validity.element()?)?);
    let subject = fields.take(SEQUENCE)?.to_vec();
    let key = fields.take(SEQUENCE)?.to_vec();
    let mut certificate = Certificate { names: (issuer, subject), key, valid, uses: Vec::new(), authority: false };
    // The unique identifiers of version 2 come before the extensions.
    let _ = fields.take(0x81);
    let _ = fields.take(0x82);
    let mut extensions =
        Reader::new(fields.take(context(3)).and_then(|body| Reader::new(body).take(SEQUENCE)).unwrap_or_default());
    while let Some(body) = extensions.take(SEQUENCE) {
        let mut parts = Reader::new(body);
        let id = parts.take(OID)?;
        let _critical = parts.take(BOOLEAN);
        let value = parts.take(OCTET_STRING)?;
        if id == EXTENDED_KEY_USAGE {
            let mut uses = Reader::sequence(value)?;
            while let Some(oid) = uses.take(OID) {
                certificate.uses.push(oid.to_vec());
            }
        } else if id == BASIC_CONSTRAINTS {
            certificate.authority = Reader::sequence(value)?.take(BOOLEAN).is_some_and(|flag| flag != [0]);
        }
    }
    Some(certificate)
}

/// `UTCTime` and `GeneralizedTime` as certificates write them (section 4.1.2.5): whole seconds, `Z`.
fn time(element: Element<'_>) -> Option<i64> {
    let text = std::str::from_utf8(element.body).ok()?.strip_suffix('Z')?;
    let (year, rest) = match element.tag {
        UTC_TIME => {
            let year: i16 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2_000 + year } else { 1_900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let moment = jiff::civil::DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    (rest.len() == 10).then_some(())?;
    // The end of 9999, which stands for no end, lies past what a timestamp holds.
    Some(moment.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_of_both_kinds() {
        let at = |tag, body: &str| time(Element { tag, body: body.as_bytes() });
        assert_eq!(at(UTC_TIME, "700101000001Z"), Some(1));
        assert_eq!(at(UTC_TIME, "491231235959Z"), at(GENERALIZED_TIME, "20491231235959Z"));
        assert_eq!(at(GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        assert_eq!(at(UTC_TIME, "7001010000Z"), None);
        assert_eq!(at(UTC_TIME, "701301000001Z"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            let _ = in_pem(&format!("{BEGIN}\n{}\n{END}", STANDARD.encode(&bytes)));
        }
    }
}
