//! The baseline: findings that somebody has accepted, with a reason and until a day. It is a file that is committed, so
//! it holds nothing that could be looked up: a token is named by an HMAC under a key that belongs to the file alone.
//!
//! An entry is for one thing (a token, a key, a way through a gateway), one rule and one path. Lines do not matter; a
//! new token on the same line, the same token in another file, and a token that turns out to be worse are reported.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::secret::hex;

/// The name of the file's schema.
pub const SCHEMA: &str = "keybound-baseline/v1";
/// How the file is called.
pub const FILE: &str = ".keybound-baseline.json";
/// How long the file's key is, in bytes.
pub const KEY: usize = 32;

/// What an entry is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The path, with `/`; of a member of an archive that of the archive, `!/` and its own.
    pub path: String,
    /// The rule.
    pub rule: String,
    /// HMAC-SHA256 of what was found, as hexadecimal digits.
    pub fingerprint: String,
}

/// Why it was accepted, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Why; may be empty, which is reported.
    pub reason: String,
    /// The last day; `None`: for good.
    pub expires: Option<jiff::civil::Date>,
}

/// A baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    key: [u8; KEY],
    entries: BTreeMap<Subject, Terms>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    key: String,
    entries: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    path: String,
    rule: String,
    fingerprint: String,
    #[serde(default)]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

impl Baseline {
    /// An empty one.
    pub const fn new(key: [u8; KEY]) -> Self {
        Self { key, entries: BTreeMap::new() }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong, with its place; never what stands there.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text)
            .map_err(|error| format!("{}:{}: not a baseline file", error.line(), error.column()))?;
        if file.schema != SCHEMA {
            return Err(format!("its schema is not {SCHEMA}"));
        }
        let digits = crate::secret::Fingerprint::from_hex(&file.key).ok_or("its key is not 64 hexadecimal digits")?;
        let mut baseline = Self::new(digits.0);
        for (number, row) in file.entries.into_iter().enumerate() {
            let expires = match row.expires {
                Some(day) => Some(day.parse().map_err(|_| format!("entry {}: `expires` is no day", number + 1))?),
                None => None,
            };
            let subject = Subject { path: row.path, rule: row.rule, fingerprint: row.fingerprint };
            baseline.entries.insert(subject, Terms { reason: row.reason, expires });
        }
        Ok(baseline)
    }

    /// The file: sorted, one entry a line, so that changes are easy to read and to merge.
    pub fn to_json(&self) -> String {
        let mut text = format!("{{\n  \"schema\": \"{SCHEMA}\",\n  \"key\": \"{}\",\n  \"entries\": [", hex(&self.key));
        for (number, (subject, terms)) in self.entries.iter().enumerate() {
            let row = Row {
                path: subject.path.clone(),
                rule: subject.rule.clone(),
                fingerprint: subject.fingerprint.clone(),
                reason: terms.reason.clone(),
                expires: terms.expires.map(|day| day.to_string()),
            };
            text += if number == 0 { "\n    " } else { ",\n    " };
            // Strings and nothing else: that can't fail.
            text += &serde_json::to_string(&row).unwrap_or_default();
        }
        text + "\n  ]\n}\n"
    }

    /// What stands for something found, such as a token's fingerprint.
    pub fn keyed(&self, identity: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(identity.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// The terms on which something was accepted.
    pub fn terms(&self, subject: &Subject) -> Option<&Terms> {
        self.entries.get(subject)
    }

    /// Whether anything of that path was accepted.
    pub fn knows_path(&self, path: &str) -> bool {
        let first = Subject { path: path.to_owned(), rule: String::new(), fingerprint: String::new() };
        self.entries.range(first..).next().is_some_and(|(subject, _)| subject.path == path)
    }

    /// Accepts something. What was accepted before keeps its terms.
    pub fn accept(&mut self, subject: Subject, terms: &Terms) {
        self.entries.entry(subject).or_insert_with(|| terms.clone());
    }

    /// Keeps only entries for which that holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&Subject, &Terms) -> bool) {
        self.entries.retain(|subject, terms| keep(subject, terms));
    }

    /// All entries, sorted.
    pub fn entries(&self) -> impl Iterator<Item = (&Subject, &Terms)> {
        self.entries.iter()
    }
}

impl Terms {
    /// Whether they hold on a day.
    pub fn hold_on(&self, day: jiff::civil::Date) -> bool {
        self.expires.is_none_or(|last| day <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(path: &str) -> Subject {
        Subject { path: path.to_owned(), rule: "jwt-unbound".to_owned(), fingerprint: "00".to_owned() }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut baseline = Baseline::new([7; KEY]);
        let until = Terms { reason: "a \"reason\"".to_owned(), expires: Some(jiff::civil::date(2027, 1, 31)) };
        baseline.accept(subject("b"), &until);
        baseline.accept(subject("a"), &Terms { reason: String::new(), expires: None });
        assert_eq!(Baseline::from_json(&baseline.to_json()), Ok(baseline.clone()));
        assert!(baseline.knows_path("a") && baseline.knows_path("b") && !baseline.knows_path("ab"));
        assert!(until.hold_on(jiff::civil::date(2027, 1, 31)) && !until.hold_on(jiff::civil::date(2027, 2, 1)));
    }

    #[test]
    fn what_is_wrong_is_said_without_being_quoted() {
        for text in ["", "{}", "[1]", "{\"schema\":\"x\",\"key\":\"\",\"entries\":[]}"] {
            assert!(Baseline::from_json(text).is_err(), "{text}");
        }
    }
}
