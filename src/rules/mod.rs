//! The catalogue: token families and rule pages, read from the YAML files under `rules/` (embedded) and from folders
//! that the user names. A wrong file is an error with its place, never a rule that silently does nothing.

mod check;
mod decoder;
pub mod docs;
mod family;
mod key;
mod page;
mod reader;
mod shape;
mod taxonomy;

use std::collections::HashMap;
use std::sync::OnceLock;

pub use check::Check;
pub use decoder::Decoder;
pub use family::{
    AnchorAt, Bindable, Checksum, Expiry, Family, Form, JoseMatch, OnChecksumFailure, Pattern, Payload, Predicates,
    Reach, Role, SamlForm,
};
pub use key::{KeyFormat, KeyMatch};
pub use page::Page;
use reader::Document;
pub use reader::RuleError;
pub use taxonomy::{Taxa, Taxonomy, taxonomies, taxonomy};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// About how many families there are.
const FAMILIES: usize = 256;

/// The shortest literal that can be an anchor, in bytes. Two only where the pair is as rare as `Q~`.
pub const MIN_ANCHOR: usize = 2;

/// The longest literal that can be an anchor, in bytes.
pub const MAX_ANCHOR: usize = 64;

/// The longest text that may stand between an anchor and its token's start, in bytes.
pub const MAX_LEAD: usize = 4096;

/// What the names of headers, parameters and fields are found by: every name in `names` contains one of these.
pub const NAME_STEMS: &[&str] =
    &["token", "authorization", "bearer", "cookie", "session", "sid", "api-key", "api_key", "apikey", "client_secret"];

/// The mark that stands inside samples so that no scanner takes them for tokens; loaders remove it.
pub const SPLIT_MARK: char = '¦';

/// A page one can be pointed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// What it is.
    pub title: &'static str,
    /// Where it is.
    pub url: &'static str,
}

/// All token families, and the pages of all other rules (read when first asked for).
#[derive(Debug)]
pub struct Catalogue {
    /// Token families: those of the embedded files by file name, then those of the user's files.
    pub families: Vec<Family>,
    by_slug: HashMap<&'static str, usize>,
    checks: Vec<OnceLock<Option<Check>>>,
}

impl Catalogue {
    /// The embedded catalogue.
    ///
    /// # Errors
    /// Only where an embedded file is wrong, which a test rules out.
    pub fn embedded() -> Result<Self, RuleError> {
        Self::from_files(Self::embedded_files())
    }

    /// The embedded catalogue with the user's family files on top: a family with the slug of an embedded one takes
    /// its place. `files` are names (for messages) and texts.
    ///
    /// # Errors
    /// The first thing that is wrong in a file, with its place.
    pub fn with_files<'a>(files: impl IntoIterator<Item = (String, &'a str)>) -> Result<Self, RuleError> {
        let parse = |(name, text): (String, &str)| Document::parse(&name, text);
        Self::from_files(Self::embedded_files().chain(files.into_iter().map(parse)))
    }

    fn embedded_files() -> impl Iterator<Item = Result<Document, RuleError>> {
        embedded::TOKENS.iter().map(Document::embedded)
    }

    fn from_files(files: impl Iterator<Item = Result<Document, RuleError>>) -> Result<Self, RuleError> {
        let mut families: Vec<Family> = Vec::with_capacity(FAMILIES);
        let mut by_slug: HashMap<&'static str, usize> = HashMap::new();
        for file in files {
            let file = file?;
            let mut in_this_file = std::collections::HashSet::new();
            for family in family::read_file(file)? {
                if !in_this_file.insert(family.slug) {
                    return Err(RuleError::at(file.file.name, family.place, format!("`{}` stands twice", family.slug)));
                }
                match by_slug.get(family.slug) {
                    Some(&index) => families[index] = family,
                    None => {
                        by_slug.insert(family.slug, families.len());
                        families.push(family);
                    }
                }
            }
        }
        // What only a general name tells gives way to every family that says more, whatever the files are called.
        let general: Vec<Family> = families.extract_if(.., |family| family.rank < 0).collect();
        families.extend(general);
        let by_slug = families.iter().enumerate().map(|(index, family)| (family.slug, index)).collect();
        Ok(Self { families, by_slug, checks: embedded::CHECKS.iter().map(|_| OnceLock::new()).collect() })
    }

    /// The families of one file's text, for checking it.
    ///
    /// # Errors
    /// The first thing that is wrong in it, with its place.
    pub fn families_of(name: &str, text: &str) -> Result<Vec<Family>, RuleError> {
        family::read_file(Document::parse(name, text)?)
    }

    /// The family of that slug, with its index in [`Self::families`].
    pub fn family(&self, slug: &str) -> Option<(usize, &Family)> {
        self.by_slug.get(slug).map(|&index| (index, &self.families[index]))
    }

    /// The pages of all rules that are not families, sorted by slug.
    pub fn checks(&self) -> Vec<&Check> {
        let mut checks: Vec<&Check> = (0..embedded::CHECKS.len()).filter_map(|at| self.check_at(at)).collect();
        checks.sort_by_key(|check| check.slug);
        checks
    }

    /// The page of that rule.
    pub fn check(&self, slug: &str) -> Option<&Check> {
        // A page's file is called after it, and files are sorted by name.
        let wanted = || slug.bytes().chain(*b".yaml");
        let at = embedded::CHECKS.binary_search_by(|(name, _)| {
            let name = name.rsplit('/').next().unwrap_or_default();
            name.bytes().cmp(wanted())
        });
        self.check_at(at.ok()?)
    }

    fn check_at(&self, at: usize) -> Option<&Check> {
        // A test reads every embedded page; here a broken one can only be left out.
        let read = || check::read_file(Document::embedded(&embedded::CHECKS[at]).ok()?).ok();
        self.checks[at].get_or_init(read).as_ref()
    }
}

/// Removes every split mark.
pub fn unsplit(sample: &str) -> String {
    sample.replace(SPLIT_MARK, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_file_is_sound() {
        let catalogue = Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"));
        assert!(!catalogue.families.is_empty());
        for file in embedded::TOKENS {
            let document = Document::embedded(file).unwrap_or_else(|e| panic!("{e}"));
            family::read_file(document.doubted()).unwrap_or_else(|e| panic!("{e}"));
        }
        for file in embedded::CHECKS {
            let check = Document::embedded(file).and_then(check::read_file).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(format!("rules/checks/{}.yaml", check.slug), file.0);
            assert_eq!(catalogue.check(check.slug).map(|page| page.slug), Some(check.slug));
            assert!(catalogue.family(check.slug).is_none(), "{} is both a family and a check", check.slug);
        }
        assert_eq!(catalogue.checks().len(), embedded::CHECKS.len());
    }

    #[test]
    fn a_wrong_file_is_an_error_with_its_place() {
        let error = |text: &str| Catalogue::with_files([("my.yaml".to_owned(), text)]).map(|_| ()).unwrap_err();
        assert_eq!(error("issuer: X\nfamilys: []\n").to_string(), "my.yaml:2:1: unknown key `familys`");
        assert!(error("issuer: [\n").to_string().starts_with("my.yaml:1:9: "));
        assert!(
            error("issuer: X\nfamilies:\n  - slug: a\n    title: b\n    anchors: [a]\n").to_string().contains(":5:15")
        );
    }
}
