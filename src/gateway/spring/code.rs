//! Filters that an application brings along: which there are, where they stand in a request's way, and what a request becomes
//! in them. What one does is read from its code as far as that is plain (`reading`); of others that see the client's
//! certificate it is known that they may hand it on.

use super::reading::{self, Does};
use crate::gateway::files::{Files, folder};
use crate::gateway::hop::{Carrier, Cause, Logged, Slot, Value};
use crate::gateway::run::Run;
use crate::syntax::code::{Call, Piece, pieces};

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
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    !name.contains("src/test/")
        && (GLOBAL.iter().any(has) || has(&FACTORY))
        && ["header", "Header"].iter().any(has)
        && (CERTIFICATE.iter().any(has) || ["DPoP", "dpop", "uthorization", "AUTHORIZATION", "log"].iter().any(has))
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
