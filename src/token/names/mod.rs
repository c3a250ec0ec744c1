//! Tokens without a shape of their own, found by the name that stands before them: `Authorization: Bearer …`,
//! `"access_token": "…"`, `?token=…`, `Cookie: session=…`; in files whose form is known, by their place.

mod forms;
mod locate;
mod reader;
mod value;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

pub use self::forms::Extra;
use self::reader::Reader;
use super::carrier::{Carrier, normalise};
use super::file::Form;
use super::record::CutOff;
use crate::origin::Layers;
use crate::rules::Catalogue;

/// What names are found by, in any letter case. `earer` and `uthorization` leave out the letter that is written either
/// way.
pub const ANCHORS: &[&str] = &["earer", "uthorization", "token", "ookie", "api-key", "api_key", "apikey", "sid="];

/// The same, as written: spellings with capitals inside, and the ends of `client_secret`.
pub const SPELLED: &[&str] =
    &["Api-Key", "API-Key", "apiKey", "ApiKey", "APIKey", "t_secret", "t-secret", "tSecret", "T_SECRET"];

/// Names by which families are found.
#[derive(Debug)]
pub struct Names {
    by_name: HashMap<String, u16, foldhash::fast::RandomState>,
    bearer: Option<u16>,
    /// Families that know their values by a pattern, and the names for which they are asked.
    by_shape: Vec<(u16, HashSet<String>)>,
}

/// A value that a name announces.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// Index of the family that the name alone gives.
    pub family: u16,
    /// The name, as compared.
    pub name: String,
    /// Offset of the value.
    pub start: usize,
    /// Offset past the value in the source bytes.
    pub end: usize,
    /// The value, escapes and layers undone.
    pub value: Vec<u8>,
    /// What carries it.
    pub carrier: Carrier,
    /// `DPoP` rather than `Bearer`.
    pub dpop: bool,
    /// What was undone to read it.
    pub layers: Layers,
}

/// What reading after a name gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Values that could be tokens (a cookie header has several).
    Values(Vec<Named>),
    /// The value goes on past the end of the bytes.
    NeedMore,
}

/// What a name is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meaning {
    family: u16,
    /// Known by how it ends only: its value has to show more.
    loose: bool,
}

/// Words of names that end like a token's and guard forms, turn pages or mark places in a text.
const HARMLESS: &[&str] = &[
    "csrf",
    "xsrf",
    "forgery",
    "authenticity",
    "page",
    "next",
    "prev",
    "sync",
    "cancel",
    "continu",
    "verif",
    "nonce",
    "delim",
    "max",
    "num",
    "pad",
    "eos",
    "bos",
    "sep",
    "mask",
    "special",
    "cursor",
    "resume",
    "watch",
    "change",
    "push",
    "device",
    "fcm",
    "apns",
    "idempoten",
    "captcha",
    "stop",
    "lex",
    "syntax",
    "cache",
    "etag",
    "pagination",
    "scroll",
    "design",
    "color",
    "request",
    "lock",
    "public",
];

impl Names {
    /// The names of all families of the catalogue.
    pub fn new(catalogue: &Catalogue) -> Self {
        let mut by_name = HashMap::default();
        let mut by_shape = Vec::new();
        for (index, family) in catalogue.families.iter().enumerate() {
            if family.whole.is_some() {
                by_shape.push((index as u16, family.names.iter().cloned().collect::<HashSet<_>>()));
            } else {
                by_name.extend(family.names.iter().map(|name| (name.clone(), index as u16)));
            }
        }
        // A family's own name announces a token whatever its shape.
        let general = by_name.get("token").copied();
        for name in by_shape.iter().flat_map(|(_, names)| names).filter(|name| *name != "*") {
            if let (Some(general), false) = (general, by_name.contains_key(name)) {
                by_name.insert(name.clone(), general);
            }
        }
        let bearer = by_name.get("authorization").copied();
        Self { by_name, bearer, by_shape }
    }

    /// The families whose pattern the value has, if it may stand after that name.
    pub fn shaped<'n>(
        &'n self,
        catalogue: &'n Catalogue,
        name: &'n str,
        value: &'n [u8],
    ) -> impl Iterator<Item = u16> + 'n {
        let fits = move |index: &u16| {
            let whole = catalogue.families[usize::from(*index)].whole.as_ref();
            whole.is_some_and(|pattern| {
                pattern.lengths().is_some_and(|lengths| lengths.contains(&value.len())) && pattern.is_match(value)
            })
        };
        let asked = move |names: &HashSet<String>| names.contains("*") || names.contains(name);
        self.by_shape.iter().filter(move |(_, names)| asked(names)).map(|(index, _)| *index).filter(fits)
    }

    /// The family of a name: its own, or for `…_access_token` fields the general one.
    fn family(&self, name: &str) -> Option<u16> {
        let general = |stem: &str| self.by_name.get(stem).copied();
        // Most names that are asked end otherwise.
        let ending = ["token", "key", "secret"].iter().any(|ending| name.ends_with(ending));
        general(name).or_else(|| {
            if !ending {
                return None;
            }
            [
                "accesstoken",
                "refreshtoken",
                "authtoken",
                "apitoken",
                "bearertoken",
                "sessiontoken",
                "apikey",
                "clientsecret",
            ]
            .iter()
            .find(|stem| name.ends_with(**stem))
            .and_then(|stem| general(stem).or_else(|| general("token")))
        })
    }

    /// What a name as it is written (and normalised) stands for in a file of that form.
    fn meaning(&self, written: &[u8], name: &str, form: Form) -> Option<Meaning> {
        if let Some(family) = self.family(name) {
            return Some(Meaning { family, loose: false });
        }
        // SERVICE_TOKEN, X-Service-Token, service_token: whatever it is a token of.
        let variable = written.ends_with(b"_TOKEN") && written.iter().all(|b| !b.is_ascii_lowercase());
        let header =
            name.starts_with('x') && written.len() >= 6 && written[written.len() - 6..].eq_ignore_ascii_case(b"-token");
        let loose = name.ends_with("token") || (form == Form::Variables && written.starts_with(b"TOKEN_"));
        let named = (variable || header || loose) && !HARMLESS.iter().any(|word| name.contains(word));
        let family = self.by_name.get("token").copied().filter(|_| named)?;
        Some(Meaning { family, loose: !variable && !header })
    }

    /// Reads what stands after a name (`View::name_at`). What is looked at is taken off `work`.
    pub fn read(&self, catalogue: &Catalogue, view: View<'_>, name: Range<usize>, work: &mut i64) -> Outcome {
        self.counted(catalogue, view, work, |reader| reader.name(name))
    }

    /// Reads what stands at a place that only a file of that form has.
    pub fn read_extra(
        &self,
        catalogue: &Catalogue,
        view: View<'_>,
        extra: Extra,
        at: usize,
        work: &mut i64,
    ) -> Outcome {
        self.counted(catalogue, view, work, |reader| forms::read(reader, extra, at))
    }

    fn counted(
        &self,
        catalogue: &Catalogue,
        view: View<'_>,
        work: &mut i64,
        read: impl FnOnce(&Reader<'_>) -> Result<Vec<Named>, CutOff>,
    ) -> Outcome {
        let View { bytes, more, form } = view;
        let used = Cell::new(0);
        let outcome = read(&Reader { names: self, catalogue, bytes, more, form, used: &used });
        *work -= used.get();
        match outcome {
            Ok(values) => Outcome::Values(values),
            Err(CutOff) => Outcome::NeedMore,
        }
    }

    /// Cookies are named freely: those that sound like a session or a token are asked, forgery guards are not.
    fn cookie_family(&self, name: &[u8]) -> Option<u16> {
        let name = normalise(name);
        if ["csrf", "xsrf", "nonce", "state", "consent", "analytics", "utm", "locale"].iter().any(|w| name.contains(w))
        {
            return None;
        }
        let name = name.trim_start_matches("host").trim_start_matches("secure");
        let session = self.by_name.get("session").copied();
        let own = self.family(name).filter(|_| !matches!(name, "cookie" | "setcookie"));
        own.or(session.filter(|_| {
            ["sess", "sid", "auth", "token", "jwt", "remember", "sso", "login"].iter().any(|w| name.contains(w))
        }))
    }
}

/// The bytes at hand.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Others may follow.
    pub more: bool,
    /// How the file names tokens.
    pub form: Form,
}
