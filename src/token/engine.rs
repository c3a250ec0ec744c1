//! What is fixed for a scan: families, the anchors they are found by, and what looks at the hits of each anchor. Shared by
//! all threads.

use memchr::memmem::Finder;

use super::claims::Classifier;
use super::file::Nature;
use super::keys;
use super::known::Known;
use super::names::{self, Extra, Names};
use super::prefilter::{AnchorHit, Prefilter};
use super::weak_secret::WordList;
use super::{directive, jose, jose_json, prefixed, saml, signing_secret};
use crate::rules::{Catalogue, Family, SamlForm};
use crate::secret::Secret;

/// Everything that is fixed for a scan: families, anchors, known examples. Shared by all threads.
#[derive(Debug)]
pub struct Engine {
    /// The catalogue it was built from.
    pub catalogue: Catalogue,
    /// Finds the anchors of all of them.
    pub prefilter: Prefilter,
    pub(super) routes: Vec<Route>,
    pub(super) classifier: Classifier,
    pub(super) names: Names,
    pub(super) known: Known,
    /// The families of SAML assertions, and of encrypted ones.
    pub(super) saml_plain: Option<u16>,
    pub(super) saml_encrypted: Option<u16>,
    pub(super) keys: keys::Classifier,
    pub(super) weak: WordList,
    /// What is looked for only in files of some form, in the order of [`Extra::ALL`].
    extras: Vec<Finder<'static>>,
}

/// What looks at the hits of an anchor.
#[derive(Debug)]
pub(super) enum Route {
    Jose,
    JoseJson,
    Name,
    Saml(Announced),
    Key(keys::Announced),
    SigningSecret,
    Directive,
    Families(Vec<u16>),
    Fold(Fold),
}

/// How a SAML assertion is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// By a SAML name in its XML.
    Text,
    /// By the name of the field that carries it.
    Name,
    /// By the OAuth grant type beside the field that carries it.
    Grant,
    /// By what it begins with in base64.
    Base64,
}

/// What an anchor says of text that is folded into the text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fold {
    /// The anchor stands in base64, so many symbols into a group of four.
    Within(u8),
    /// The word `base64`.
    Announced,
    /// A Kubernetes Secret.
    Secret,
}

/// What a JSON Web Token begins with, in base64 once more: `eyJ` and the next letter at each of three alignments; and
/// gzip, in base64 and in that twice (a Helm release).
const FOLDED: &[(&str, Fold)] = &[
    ("ZXlK", Fold::Within(0)),
    ("V5Sm", Fold::Within(2)),
    ("V5Sj", Fold::Within(2)),
    ("V5Sn", Fold::Within(2)),
    ("leUp", Fold::Within(3)),
    ("leUo", Fold::Within(3)),
    ("H4sI", Fold::Within(0)),
    ("SDRzS", Fold::Within(0)),
    ("Secret", Fold::Secret),
];

impl Engine {
    /// Prepares a catalogue for scanning.
    pub fn new(catalogue: Catalogue) -> Self {
        let mut literals: Vec<(String, bool)> = Vec::new();
        let mut routes = Vec::new();
        let mut add = |text: &str, any_case: bool, route: Route| {
            literals.push((text.to_owned(), any_case));
            routes.push(route);
        };
        jose::ANCHORS.iter().for_each(|a| add(a, false, Route::Jose));
        jose_json::ANCHORS.iter().for_each(|a| add(a, false, Route::JoseJson));
        names::ANCHORS.iter().for_each(|a| add(a, true, Route::Name));
        for (anchors, announced) in [
            (saml::TEXT_ANCHORS, Announced::Text),
            (saml::NAME_ANCHORS, Announced::Name),
            (saml::GRANT_ANCHORS, Announced::Grant),
            (saml::BASE64_ANCHORS, Announced::Base64),
        ] {
            anchors.iter().for_each(|a| add(a, false, Route::Saml(announced)));
        }
        FOLDED.iter().for_each(|(anchor, fold)| add(anchor, false, Route::Fold(*fold)));
        add("base64", true, Route::Fold(Fold::Announced));
        keys::FOLDED.iter().for_each(|(anchor, into)| add(anchor, false, Route::Fold(Fold::Within(*into))));
        signing_secret::ANCHORS.iter().for_each(|a| add(a, true, Route::SigningSecret));
        keys::ANCHORS.iter().for_each(|(a, announced)| add(a, false, Route::Key(*announced)));
        add(directive::ANCHOR, false, Route::Directive);
        names::SPELLED.iter().for_each(|a| add(a, false, Route::Name));
        let mut by_anchor: Vec<((&str, bool), Vec<u16>)> = Vec::new();
        for (index, family) in catalogue.families.iter().enumerate() {
            for anchor in &family.anchors {
                let key = (*anchor, family.any_case);
                match by_anchor.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, families)) => families.push(index as u16),
                    None => by_anchor.push((key, vec![index as u16])),
                }
            }
        }
        for ((anchor, any_case), families) in by_anchor {
            add(anchor, any_case, Route::Families(families));
        }
        let prefilter = Prefilter::new(literals.iter().map(|(text, any_case)| (text.as_bytes(), *any_case)));
        let (classifier, names) = (Classifier::new(&catalogue), Names::new(&catalogue));
        let extras = Extra::ALL.iter().map(|extra| Finder::new(extra.literal()).into_owned()).collect();
        let saml = |form| catalogue.families.iter().position(|f| f.saml == Some(form)).map(|index| index as u16);
        let (saml_plain, saml_encrypted) = (saml(SamlForm::Plain), saml(SamlForm::Encrypted));
        let (known, keys) = (Known::embedded(), keys::Classifier::new(&catalogue));
        Self {
            catalogue,
            prefilter,
            routes,
            classifier,
            names,
            known,
            saml_plain,
            saml_encrypted,
            keys,
            extras,
            weak: WordList::default(),
        }
    }

    /// The same, trying the user's secrets on HS* signatures after those of the embedded list.
    pub fn with_weak_secrets(self, secrets: Vec<Secret>) -> Self {
        Self { weak: WordList::with(secrets), ..self }
    }

    /// Where the private key with that thumbprint was published, if everybody knows it.
    pub fn published_key(&self, thumbprint: &keys::Thumbprint) -> Option<&'static str> {
        self.known.key(thumbprint)
    }

    /// Appends to `hits` what only a file of that nature is searched for, as anchors past the last route.
    /// `first` says that `bytes` begin with the file.
    pub(super) fn find_extras(
        &self,
        nature: Nature,
        bytes: &[u8],
        from: usize,
        to: usize,
        first: bool,
        hits: &mut Vec<AnchorHit>,
    ) {
        let before = hits.len();
        for extra in Extra::of(nature) {
            let anchor = (self.routes.len() + extra as usize) as u16;
            if extra == Extra::Whole {
                hits.extend((first && from == 0).then_some(AnchorHit { at: 0, anchor }));
                continue;
            }
            let finder = &self.extras[extra as usize];
            let end = (to + finder.needle().len() - 1).min(bytes.len());
            let found = finder.find_iter(&bytes[from..end]);
            hits.extend(found.map(|at| AnchorHit { at: from + at, anchor }));
        }
        if hits.len() > before {
            hits.sort_unstable();
        }
    }

    /// What an anchor past the last route stands for.
    pub(super) fn extra(&self, anchor: u16) -> Option<Extra> {
        usize::from(anchor).checked_sub(self.routes.len()).map(|index| Extra::ALL[index])
    }

    /// The family of that index.
    pub(super) fn family(&self, index: u16) -> &Family {
        &self.catalogue.families[usize::from(index)]
    }

    /// Every stretch that has the shape of a prefixed family's token, proved or not.
    pub(super) fn shapes(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut hits = Vec::new();
        self.prefilter.find(bytes, 0, bytes.len(), &mut hits);
        let mut found = Vec::new();
        for hit in hits {
            let Route::Families(families) = &self.routes[usize::from(hit.anchor)] else { continue };
            for family in families.iter().map(|index| self.family(*index)) {
                if let Some(start) = prefixed::start_of(family, bytes, hit.at, 0)
                    && let Some(length) = family.pattern.as_ref().and_then(|pattern| pattern.end_in(&bytes[start..]))
                {
                    found.push((start, start + length));
                }
            }
        }
        found
    }
}
