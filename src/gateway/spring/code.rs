//! Filters that an application brings along: what they do is code, of which little is read. Of those that see the client's
//! certificate and stand in every request's way it is known that they may hand it on; of one that plainly does, and plainly
//! lets requests without a certificate go on as they came, that is known, too.

use crate::gateway::files::{Files, folder};
use crate::gateway::hop::{Cause, Event, Form, Place, Slot, Value};
use crate::gateway::run::Run;
use crate::syntax::code::{Call, Piece, pieces};

/// Kinds of filters that stand in the way of all requests, unlike those that a route names.
const GLOBAL: [&str; 4] = ["GlobalFilter", "WebFilter", "HttpHeadersFilter", "OncePerRequestFilter"];
/// What they come to the certificate by.
const CERTIFICATE: [&str; 5] = ["SslInfo", "sslInfo", "X509Certificate", "SSLSession", "PeerCertificates"];
/// Where an application's own sources lie, below the folder of the application.
const SOURCES: &str = "src/main/";

/// Whether a text has a filter that may hand certificates on, or may take headers away.
pub(super) fn recognises(name: &str, text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    !name.contains("src/test/")
        && GLOBAL.iter().any(|kind| has(kind))
        && ["header", "Header"].iter().any(|word| has(word))
        && (sees_certificates(text) || has("remove("))
}

/// Whether a filter comes by the client's certificate.
fn sees_certificates(text: &str) -> bool {
    CERTIFICATE.iter().any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some())
}

/// The folder of the application that a file belongs to: around its sources, or the file's own.
pub(super) fn application(files: &Files, number: u32) -> &str {
    let path = files.get(number).path();
    path.find(SOURCES).map_or_else(|| folder(path), |at| &path[..at])
}

/// What is known of an application's filters that see certificates.
#[derive(Debug)]
pub(super) struct Filters {
    forwarding: Option<Forwarding>,
}

impl Filters {
    /// Those of the code that run in the application of these settings, if any do: what lies beside them, or in no application
    /// that has settings of its own (`others` are all of those).
    pub(super) fn of(files: &Files, code: &[u32], settings: &[u32], others: &[u32]) -> Option<Self> {
        let around = |number: u32| {
            let path = files.get(number).path();
            path.find(SOURCES).map(|at| &path[..at])
        };
        let runs = |number: &&u32| {
            let own = around(**number);
            let in_own = |all: &[u32]| all.iter().any(|other| around(*other) == own);
            own.is_none() || in_own(settings) || !in_own(others) || settings.iter().all(|one| around(*one).is_none())
        };
        let own: Vec<u32> = code.iter().filter(runs).copied().collect();
        let sees = own.iter().any(|number| sees_certificates(&files.get(*number).text));
        sees.then(|| Self { forwarding: Forwarding::of(files, &own) })
    }

    /// Sends a request through: everything but the client's tokens and proofs may be another, and what is known of one filter.
    pub(super) fn run(&self, run: &mut Run) {
        let known = self.forwarding.as_ref().map(|known| (known, run.slot(&known.header)));
        let kept = ["authorization", "dpop"].map(|name| (name, run.slot(name)));
        run.anything();
        for (name, slot) in kept {
            run.request.headers.insert(name.to_owned(), slot);
        }
        if let Some((known, before)) = known {
            known.apply(run, before);
        }
    }
}

/// A filter that sets a header from the certificate where there is one, and else lets the request go on as it came.
#[derive(Debug, Clone)]
struct Forwarding {
    /// The header, lower case.
    header: String,
    /// The call that sets it.
    place: Place,
}

impl Forwarding {
    /// The one among an application's filters, if it is plain that it does that, and that none of the others takes the header away.
    fn of(files: &Files, code: &[u32]) -> Option<Self> {
        let mut found = code.iter().filter_map(|number| Self::read(files, *number));
        let only = found.next().filter(|_| found.next().is_none())?;
        let takes_away = |number: &u32| {
            let mut all = Vec::new();
            let pieces = pieces(&files.get(*number).text);
            within(&pieces, &mut |call| all.push(call));
            all.iter().any(|call| {
                let other = |text: &str| !text.eq_ignore_ascii_case(&only.header);
                call.name.starts_with("remove") && !literal(call).is_some_and(other)
            })
        };
        (!code.iter().any(takes_away)).then_some(only)
    }

    /// `if (no certificate) { return chain.filter(exchange); }`, and after it `headers.set("X-Client-Cert", der)`.
    fn read(files: &Files, file: u32) -> Option<Self> {
        let text = &files.get(file).text;
        // The form: DER in base64.
        if !["getEncoded", "encodeToString"].iter().all(|word| text.contains(word)) {
            return None;
        }
        let pieces = pieces(text);
        let mut methods = Vec::new();
        within(&pieces, &mut |call| {
            if let ("filter", [exchange, chain, body]) = (call.name, call.arguments.as_slice())
                && let (Some(Piece::Word(exchange)), Some(Piece::Word(chain))) = (exchange.last(), chain.last())
            {
                methods.push((*exchange, *chain, body.as_slice()));
            }
        });
        let [(exchange, chain, body)] = methods.as_slice() else { return None };
        let goes_on = |pieces: &[Piece<'_>]| {
            pieces.windows(3).any(|three| match three {
                [Piece::Word(name), Piece::Sign(b'.'), Piece::Call(call)] => {
                    name == chain && call.name == "filter" && call.arguments == [[Piece::Word(exchange)]]
                }
                _ => false,
            })
        };
        let choice = body.iter().position(|piece| match piece {
            Piece::Call(Call { name: "if", arguments, .. }) => match arguments.as_slice() {
                [condition, then] => speaks_of_certificates(condition) && goes_on(then),
                _ => false,
            },
            _ => false,
        })?;
        let (mut before, mut set) = (false, Vec::new());
        within(&body[..choice], &mut |call| before |= matches!(call.name, "mutate" | "set" | "headers"));
        within(&body[choice + 1..], &mut |call| {
            if matches!(call.name, "set" | "header") && call.arguments.len() == 2 {
                set.push((literal(call), call.start, call.end));
            }
        });
        let [(Some(header), start, end)] = set.as_slice() else { return None };
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let place = Place { file, start: offset(*start), end: offset(*end) };
        (!before).then(|| Self { header: header.to_ascii_lowercase(), place })
    }

    /// What becomes of the header, given what it held `before` the filters.
    fn apply(&self, run: &mut Run, before: Slot) {
        if run.presented {
            run.set(&self.header, vec![Value::Certificate(Form::DerBase64)], self.place, Cause::Set);
        } else {
            let event = Some(Event::new(self.place, Cause::Conditional)).filter(|_| before.values == [Value::Client]);
            run.request.headers.insert(self.header.clone(), Slot { event: event.or(before.event), ..before });
        }
    }
}

/// All that is called.
fn within<'p, 'a>(pieces: &'p [Piece<'a>], each: &mut impl FnMut(&'p Call<'a>)) {
    for piece in pieces {
        match piece {
            Piece::Call(call) => {
                each(call);
                call.arguments.iter().for_each(|argument| within(argument, each));
            }
            Piece::Group(inside) => within(inside, each),
            _ => {}
        }
    }
}

/// The text that is a call's first argument.
fn literal<'a>(call: &Call<'a>) -> Option<&'a str> {
    match call.arguments.first()?.as_slice() {
        [Piece::Text(text)] => Some(text),
        _ => None,
    }
}

/// Whether a condition asks for the certificate.
fn speaks_of_certificates(condition: &[Piece<'_>]) -> bool {
    let names = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["ssl", "cert", "x509"].iter().any(|word| name.contains(word))
    };
    condition.iter().any(|piece| match piece {
        Piece::Word(word) => names(word),
        Piece::Call(call) => names(call.name),
        _ => false,
    })
}
