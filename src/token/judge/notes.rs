//! What is wrong with a place whatever stands there: a file that is a token cache, a configuration that hands tokens on.

use crate::finding::Severity;
use crate::policy::Policy;
use crate::rules::Catalogue;
use crate::token::cache::{Cache, Content};
use crate::token::fault::Fault;

/// A place and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteCase {
    /// What is wrong.
    pub fault: Fault,
    /// Whose token cache the file is, and what it holds.
    pub cache: Option<(Cache, Content)>,
    /// In a test, an example or documentation.
    pub sample: bool,
}

/// What is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerdict {
    /// What it means.
    pub message: String,
    /// Why.
    pub because: Vec<String>,
    /// What to do.
    pub fix: String,
}

/// How grave it is; `None` where the policy switches its rule off.
pub fn note_severity(case: &NoteCase, catalogue: &Catalogue, policy: &Policy) -> Option<Severity> {
    if let Some(fixed) = policy.severity.get(case.fault.slug()) {
        return *fixed;
    }
    let severity = match case.cache {
        Some((_, Content::Empty | Content::Nothing)) => Severity::Low,
        _ => catalogue.check(case.fault.slug())?.severity,
    };
    Some(if case.sample { severity.lowered().max(Severity::Low) } else { severity })
}

/// What is to be said of it.
pub fn note_verdict(case: &NoteCase, catalogue: &Catalogue) -> NoteVerdict {
    let page = catalogue.check(case.fault.slug());
    let mut because = Vec::new();
    let (message, fix) = match case.cache {
        Some((cache, content)) => {
            let title = cache.title();
            because.push(format!("by its name and content this is where {title} keeps the tokens it got"));
            let message = if content == Content::Something {
                because.push("no token in it could be told apart: it may be encrypted or of another form".to_owned());
                format!(
                    "This file is the token cache of {title}: whoever can read it can act as the user who signed in."
                )
            } else {
                because.push("it holds no entry now".to_owned());
                format!("This file is the token cache of {title}, empty so far: the next sign-in fills it.")
            };
            (message, cache_fix(cache))
        }
        None => {
            because.push("the value stands for what the user was authenticated with".to_owned());
            let message = "This configuration hands the token that the user came with on to a tool server, which can use it as the user wherever it is accepted.";
            (message.to_owned(), page.map_or_else(String::new, |page| page.first_fix().to_owned()))
        }
    };
    if case.sample {
        because.push("only seen in tests, examples or documentation".to_owned());
    }
    NoteVerdict { message, because, fix }
}

/// What to do about a token cache that got where it is.
pub(super) fn cache_fix(cache: Cache) -> String {
    format!("{}. Then delete the file, and keep it out of repositories, images and artifacts.", cache.sign_out())
}
