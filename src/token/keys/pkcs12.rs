//! PKCS#12 (RFC 7292): what it holds in clear or behind the empty passphrase, and that it holds a private key at all.

use std::borrow::Cow;

use super::certificate::{self, Certificate};
use super::private::{self, PrivateKey, Protection};
use super::{Contents, ber, pbe};
use crate::syntax::der::{self, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, context};

/// How many bags are looked at.
const MAX_BAGS: usize = 256;

/// How long the file is that begins with `head`, if it is one: a sequence of version 3 and of contents that are data.
/// `usize::MAX` where only its end will tell.
pub(super) fn length(head: &[u8]) -> Option<usize> {
    let total = if head.get(1) == Some(&0x80) { usize::MAX } else { der::announced_length(head)? };
    // Only the head may be at hand: step into elements that reach past it.
    let inner = enter(head, SEQUENCE)?;
    if Reader::new(inner).take(INTEGER)? != [3] {
        return None;
    }
    let safe = enter(&inner[3..], SEQUENCE)?;
    (Reader::new(safe).take(OID)? == DATA).then_some(total)
}

/// What follows the header of the element at the start of `bytes`.
fn enter(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let octets = match *bytes.get(1)? {
        ..=0x80 => 0,
        length => usize::from(length & 0x7f),
    };
    (bytes[0] == tag && octets <= 4).then(|| bytes.get(2 + octets..))?
}

/// `pkcs7-data` (RFC 5652, section 4).
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
/// `id-encryptedData` (RFC 5652, section 8).
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];

/// Reads a file. `None` unless it is one, whole, that holds a private key.
pub(super) fn read(file: &[u8]) -> Option<Contents> {
    let file = ber::definite(file)?;
    let mut pfx = Reader::sequence(&file)?;
    pfx.small().filter(|version| *version == 3)?;
    let mut safe = Reader::new(pfx.take(SEQUENCE)?);
    if safe.take(OID)? != DATA {
        return None; // signed rather than guarded by a passphrase
    }
    let safe = Reader::new(safe.take(context(0))?).take(OCTET_STRING)?;
    let passphrase = pfx.take(SEQUENCE).and_then(|mac_data| pbe::mac_of_empty(mac_data, safe));
    let mut bags = Bags { passphrase, keys: Vec::new(), certificates: Vec::new(), left: MAX_BAGS };
    let parts = ber::definite(safe)?;
    let mut parts = Reader::sequence(&parts)?;
    while let Some(part) = parts.take(SEQUENCE) {
        bags.part(part);
    }
    // What is encrypted as a whole holds certificates: every tool writes keys as encrypted bags in the open. A file
    // without such a bag is a trust store.
    (!bags.keys.is_empty()).then_some(Contents {
        keys: bags.keys,
        certificates: bags.certificates,
        ..Contents::default()
    })
}

struct Bags {
    /// The spelling of the empty passphrase that opens the file.
    passphrase: Option<&'static [u8]>,
    keys: Vec<PrivateKey>,
    certificates: Vec<Certificate>,
    left: usize,
}

impl Bags {
    /// A `ContentInfo`: bags in clear, or encrypted as a whole.
    fn part(&mut self, part: &[u8]) -> Option<()> {
        let mut part = Reader::new(part);
        let kind = part.take(OID)?;
        let content = part.take(context(0))?;
        if kind == DATA {
            return self.bags(Reader::new(content).take(OCTET_STRING)?, Protection::Open);
        }
        if kind != ENCRYPTED_DATA {
            return None;
        }
        let mut data = Reader::sequence(content)?;
        data.small()?;
        let mut info = Reader::new(data.take(SEQUENCE)?);
        info.take(OID)?;
        let scheme = info.take(SEQUENCE)?;
        // [0] IMPLICIT OCTET STRING, in one piece or in several
        let ciphertext = match info.take(0x80) {
            Some(whole) => Cow::Borrowed(whole),
            None => Cow::Owned(ber::pieces(info.take(context(0))?)?),
        };
        let bags = pbe::decrypt(scheme, &ciphertext, self.passphrase?)?;
        self.bags(&bags, Protection::EmptyPassphrase)
    }

    /// `SafeContents`
    fn bags(&mut self, contents: &[u8], protection: Protection) -> Option<()> {
        let bags = ber::definite(contents)?;
        let mut bags = Reader::sequence(&bags)?;
        while let Some(bag) = bags.take(SEQUENCE) {
            self.left = self.left.checked_sub(1)?;
            let mut bag = Reader::new(bag);
            let (Some(kind), Some(value)) = (bag.take(OID), bag.take(context(0))) else { continue };
            // pkcs-12-bagtypes
            let [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, kind] = kind else { continue };
            match kind {
                1 => self.key(private::read(value), protection),
                2 => self.shrouded(value),
                3 => {
                    let der = Reader::sequence(value).and_then(|mut cert| {
                        cert.take(OID)?;
                        Reader::new(cert.take(context(0))?).take(OCTET_STRING)
                    });
                    self.certificates.extend(der.and_then(certificate::read));
                }
                _ => {}
            }
        }
        Some(())
    }

    /// An encrypted key.
    fn shrouded(&mut self, value: &[u8]) {
        let opened = self.passphrase.and_then(|passphrase| {
            let mut info = Reader::sequence(value)?;
            let (scheme, ciphertext) = (info.take(SEQUENCE)?, info.take(OCTET_STRING)?);
            private::read(&pbe::decrypt(scheme, ciphertext, passphrase)?)
        });
        match opened {
            Some(key) => self.key(Some(key), Protection::EmptyPassphrase),
            None => self.keys.extend(private::read(value)),
        }
    }

    fn key(&mut self, key: Option<PrivateKey>, protection: Protection) {
        self.keys.extend(key.map(|key| PrivateKey { protection, ..key }));
    }
}
