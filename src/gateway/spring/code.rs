//! Filters that an application brings along: what they do is code, and not read. Of those that see the client's certificate and
//! stand in every request's way it is known that they may hand it on.

use crate::gateway::files::{Files, folder};
use crate::gateway::run::Run;

/// Kinds of filters that stand in the way of all requests, unlike those that a route names.
const GLOBAL: [&str; 4] = ["GlobalFilter", "WebFilter", "HttpHeadersFilter", "OncePerRequestFilter"];
/// What they come to the certificate by.
const CERTIFICATE: [&str; 5] = ["SslInfo", "sslInfo", "X509Certificate", "SSLSession", "PeerCertificates"];
/// Where an application's own sources lie, below the folder of the application.
const SOURCES: &str = "src/main/";

/// Whether a text has a filter that may hand certificates on.
pub(super) fn recognises(name: &str, text: &str) -> bool {
    let has = |word: &&str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    !name.contains("src/test/")
        && GLOBAL.iter().any(has)
        && CERTIFICATE.iter().any(has)
        && ["header", "Header"].iter().any(has)
}

/// The folder of the application that a file belongs to: around its sources, or the file's own.
pub(super) fn application(files: &Files, number: u32) -> &str {
    let path = files.get(number).path();
    path.find(SOURCES).map_or_else(|| folder(path), |at| &path[..at])
}

/// Whether any of the code runs in the application of these settings: what lies beside them, or in no application that has
/// settings of its own (`others` are all of those).
pub(super) fn beside(files: &Files, code: &[u32], settings: &[u32], others: &[u32]) -> bool {
    let application = |number: u32| {
        let path = files.get(number).path();
        path.find(SOURCES).map(|at| &path[..at])
    };
    code.iter().any(|number| {
        let own = application(*number);
        let in_own = |all: &[u32]| all.iter().any(|other| application(*other) == own);
        own.is_none() || in_own(settings) || !in_own(others) || settings.iter().all(|one| application(*one).is_none())
    })
}

/// Sends a request through: everything but the client's tokens and proofs may be another.
pub(super) fn run(run: &mut Run) {
    let kept = ["authorization", "dpop"].map(|name| (name, run.slot(name)));
    run.anything();
    for (name, slot) in kept {
        run.request.headers.insert(name.to_owned(), slot);
    }
}
