//! Java key stores: JKS, JCEKS and Bouncy Castle's BKS. Their keys are encrypted, entry by entry; certificates stand in
//! clear, and so it can be seen whose key it is.

use super::Contents;
use super::certificate::{self, Certificate};
use super::private::{self, PrivateKey};
use super::public::Algorithm;

/// The first octets of a JKS file.
const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
/// The first octets of a JCEKS file.
const JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];
/// How many entries a store has at most.
const MAX_ENTRIES: u32 = 10_000;
/// How many certificates of a store are kept.
const MAX_CERTIFICATES: usize = 256;

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Jks,
    Jceks,
    Bks,
}

/// Which store begins with `head`.
pub(super) fn kind(head: &[u8]) -> Option<Store> {
    let mut reader = Reader { rest: head };
    let magic = reader.take(4)?;
    if magic == JKS || magic == JCEKS {
        let plausible = matches!(reader.number()?, 1 | 2) && reader.number()? <= MAX_ENTRIES;
        return plausible.then_some(if magic == JKS { Store::Jks } else { Store::Jceks });
    }
    // BKS has no magic: version, a salt of 20 octets, an iteration count, and a first entry.
    let version = u32::from_be_bytes(magic.try_into().ok()?);
    let salted = matches!(version, 1 | 2) && reader.number()? == 20;
    let _salt = reader.take(20)?;
    let rounds = reader.number()?;
    let entry = matches!(*reader.take(1)?.first()?, 1..=4);
    let alias = reader.text()?;
    (salted && (1..=1_000_000).contains(&rounds) && entry && alias.iter().all(|b| (b' '..=b'~').contains(b)))
        .then_some(Store::Bks)
}

/// Reads a store. `None` unless it holds a private or secret key. A file that is cut is read as far as it goes.
pub(super) fn read(file: &[u8]) -> Option<Contents> {
    let kind = kind(file)?;
    let mut walk = Walk { reader: Reader { rest: file }, versions: 0, keys: Vec::new(), certificates: Vec::new() };
    match kind {
        Store::Jks | Store::Jceks => walk.java(),
        Store::Bks => walk.bouncy_castle(),
    };
    (!walk.keys.is_empty()).then_some(Contents {
        keys: walk.keys,
        certificates: walk.certificates,
        ..Contents::default()
    })
}

struct Walk<'a> {
    reader: Reader<'a>,
    versions: u32,
    keys: Vec<PrivateKey>,
    certificates: Vec<Certificate>,
}

impl Walk<'_> {
    /// `sun.security.provider.JavaKeyStore`: entries of a tag, an alias, a date and what they hold.
    fn java(&mut self) -> Option<()> {
        self.reader.take(4)?;
        self.versions = self.reader.number()?;
        for _ in 0..self.reader.number()? {
            let tag = self.reader.number()?;
            self.reader.text()?;
            self.reader.take(8)?;
            match tag {
                1 => {
                    let length = self.reader.number()? as usize;
                    let sealed = self.reader.take(length)?;
                    let first = self.certificates.len();
                    for _ in 0..self.reader.number()? {
                        self.certificate()?;
                    }
                    let owner = self.certificates.get(first).copied();
                    self.key(sealed, owner);
                }
                2 => self.certificate()?,
                // A sealed object, whose end only Java's deserialisation finds.
                3 => {
                    self.key(self.reader.rest, None);
                    return None;
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// `BcKeyStoreSpi`: entries of a type, an alias, a date, a chain and a sealed block.
    fn bouncy_castle(&mut self) -> Option<()> {
        self.reader.take(4 + 4 + 20 + 4)?;
        loop {
            let kind = *self.reader.take(1)?.first()?;
            self.reader.text()?;
            self.reader.take(8)?;
            let mut owner = None;
            for _ in 0..self.reader.number()? {
                let found = self.bks_certificate()?;
                owner = owner.or(found);
            }
            match kind {
                1 => {
                    self.bks_certificate()?;
                }
                // A key in clear, of a kind, a format and an algorithm.
                2 => {
                    self.reader.take(1)?;
                    self.reader.text()?;
                    self.reader.text()?;
                    let length = self.reader.number()? as usize;
                    self.keys.extend(private::read(self.reader.take(length)?));
                }
                // A secret, a sealed key.
                3 | 4 => {
                    let length = self.reader.number()? as usize;
                    let sealed = self.reader.take(length)?;
                    self.key(sealed, owner);
                }
                _ => return None,
            }
        }
    }

    fn key(&mut self, sealed: &[u8], owner: Option<Certificate>) {
        let key = PrivateKey::locked(Algorithm::Unknown, None, sealed);
        self.keys.push(PrivateKey { thumbprint: owner.map(|certificate| certificate.key), ..key });
    }

    fn certificate(&mut self) -> Option<()> {
        if self.versions == 2 {
            self.reader.text()?;
        }
        let length = self.reader.number()? as usize;
        let der = self.reader.take(length)?;
        if self.certificates.len() < MAX_CERTIFICATES {
            self.certificates.extend(certificate::read(der));
        }
        Some(())
    }

    fn bks_certificate(&mut self) -> Option<Option<Certificate>> {
        self.reader.text()?;
        let length = self.reader.number()? as usize;
        let found = certificate::read(self.reader.take(length)?);
        if self.certificates.len() < MAX_CERTIFICATES {
            self.certificates.extend(found);
        }
        Some(found)
    }
}

/// What Java's `DataOutput` writes.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length: [u8; 2] = self.take(2)?.try_into().ok()?;
        self.take(usize::from(u16::from_be_bytes(length)))
    }
}
