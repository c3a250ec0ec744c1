//! Filters that an application brings along: which there are, where they stand in a request's way, and what a request becomes
//! in them. What one does is read from its code as far as that is plain (`reading`); of others that see the client's
//! certificate it is known that they may hand it on.

use super::reading::{self, Does};
use crate::gateway::files::{Files, folder};
use crate::gateway::hop::{Carrier, Cause, Logged, Slot, Value};
use crate::gateway::run::Run;

/// Kinds of filters that stand in the way of all requests, unlike those that a route names.
const GLOBAL: [&str; 4] = ["GlobalFilter", "WebFilter", "HttpHeadersFilter", "OncePerRequestFilter"];
/// The end of the name of what makes filters that routes name.
const FACTORY: &str = "GatewayFilterFactory";
/// What they come to the certificate by.
const CERTIFICATE: [&str; 5] = ["SslInfo", "sslInfo", "X509Certificate", "SSLSession", "PeerCertificates"];
/// Where an application's own sources lie, below the folder of the application.
const SOURCES: &str = "src/main/";

/// Whether a text has filters that may do something to headers.
pub(super) fn recognises(name: &str, text: &str) -> bool {
    let has = |word: &&str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    !name.contains("src/test/")
        && (GLOBAL.iter().any(has) || has(&FACTORY))
        && ["header", "Header"].iter().any(has)
        && (CERTIFICATE.iter().any(has)
            || ["remove(", "DPoP", "dpop", "uthorization", "AUTHORIZATION", "log"].iter().any(has))
}

/// A filter of an application's own.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) file: u32,
    /// By which routes name it; none: it stands in every request's way.
    name: Option<String>,
    /// It sees certificates, and what it does with them is not known.
    unknown: bool,
    does: Does,
}

impl Own {
    pub(super) fn read(files: &Files, file: u32) -> Self {
        let text = &files.get(file).text;
        let sees = CERTIFICATE.iter().any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some());
        let does = reading::read(file, text);
        let name = name_of(text);
        // What a servlet's filter does is done in wrappers, and not read.
        let unknown = sees && does.sets.is_empty();
        Self { file, name, unknown, does }
    }

    /// Whether routes name it so; `None` asks for those that nobody needs to name.
    pub(super) fn is_called(&self, name: Option<&str>) -> bool {
        self.name.as_deref() == name
    }

    /// Nothing is known of it, or nothing that matters.
    pub(super) const fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// What it writes to logs.
    pub(super) fn logs(&self) -> &[Logged] {
        &self.does.logs
    }

    /// The headers that it puts the certificate into.
    pub(super) fn carriers(&self) -> impl Iterator<Item = Carrier> + '_ {
        self.does.sets.iter().map(|set| Carrier { header: set.header.clone(), form: set.form, place: set.place })
    }

    /// Sends a request through.
    pub(super) fn apply(&self, run: &mut Run) {
        if self.unknown {
            // Everything but the client's tokens and proofs may be another.
            let kept = ["authorization", "dpop"].map(|name| (name, run.slot(name)));
            run.anything();
            for (name, slot) in kept {
                run.request.headers.insert(name.to_owned(), slot);
            }
        }
        for (name, place) in &self.does.removes {
            run.remove(name, *place, Cause::Removed);
        }
        for name in &self.does.clears {
            run.request.headers.insert(name.clone(), Slot { values: vec![Value::Unknown], event: None });
        }
        for set in &self.does.sets {
            let before = run.slot(&set.header);
            // Which of the two comes first is decided by an order that is not known.
            if before.values != [Value::Client] {
                run.request.headers.insert(set.header.clone(), Slot { values: vec![Value::Unknown], event: None });
            } else if run.presented {
                let mut values = if set.beside { before.values } else { Vec::new() };
                values.push(Value::Certificate(set.form));
                run.set(&set.header, values, set.place, if set.beside { Cause::Appended } else { Cause::Set });
            } else if set.sometimes {
                run.set(&set.header, before.values, set.place, Cause::Conditional);
            } else {
                run.request.headers.insert(set.header.clone(), Slot { values: vec![Value::Unknown], event: None });
            }
        }
    }
}

/// By which name routes know what a factory makes.
fn name_of(text: &str) -> Option<String> {
    if GLOBAL.iter().any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some()) {
        return None;
    }
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let declared = text.match_indices("class ").filter_map(|(at, found)| {
        let rest = &text[at + found.len()..];
        let name = &rest[..rest.find(|c| !word(c)).unwrap_or(rest.len())];
        Some(name.strip_suffix(FACTORY).filter(|name| !name.is_empty())?.to_owned())
    });
    Some(declared.into_iter().next().unwrap_or_default())
}

/// The folder of the application that a file belongs to: around its sources, or the file's own.
pub(super) fn application(files: &Files, number: u32) -> &str {
    let path = files.get(number).path();
    path.find(SOURCES).map_or_else(|| folder(path), |at| &path[..at])
}

/// Whether code runs in the application of these settings: it lies beside them, or in no application that has settings of
/// its own (`others` are all of those).
pub(super) fn beside(files: &Files, code: u32, settings: &[u32], others: &[u32]) -> bool {
    let application = |number: u32| {
        let path = files.get(number).path();
        path.find(SOURCES).map(|at| &path[..at])
    };
    let own = application(code);
    let in_own = |all: &[u32]| all.iter().any(|other| application(*other) == own);
    own.is_none() || in_own(settings) || !in_own(others) || settings.iter().all(|one| application(*one).is_none())
}
