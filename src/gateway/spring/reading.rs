//! What a filter's code does to the headers of a request, as far as it stands there plainly: into which header the certificate
//! goes and in what form, whether that is done for clients without one, too, which proofs and tokens are taken away, and what
//! is logged. Code is not run: conditions count by what they speak of, and what is not recognised is left out.

use crate::gateway::hop::{Credential, Form, Logged, Place};
use crate::gateway::trusted::is_carrier;
use crate::syntax::code::{Call, Piece, pieces};

/// What a filter does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Does {
    pub(super) sets: Vec<Sets>,
    /// Tokens and proofs that it takes away from every request.
    pub(super) removes: Vec<(String, Place)>,
    /// Headers with certificates that it takes away, in whichever order with other filters.
    pub(super) clears: Vec<String>,
    pub(super) logs: Vec<Logged>,
}

/// A header that is filled from the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sets {
    pub(super) header: String,
    pub(super) form: Form,
    /// What the client sent stays beside it.
    pub(super) beside: bool,
    /// Without a certificate, what the client sent goes on as it is.
    pub(super) sometimes: bool,
    pub(super) place: Place,
}

/// Under which condition a piece of code is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Under {
    Nothing,
    /// One that speaks of the certificate.
    Certificate,
    Other,
}

impl Under {
    const fn and(self, inner: Self) -> Self {
        match (self, inner) {
            (Self::Nothing, inner) => inner,
            (outer, Self::Nothing) => outer,
            (Self::Certificate, Self::Certificate) => Self::Certificate,
            _ => Self::Other,
        }
    }
}

/// Reads a file.
pub(super) fn read(file: u32, text: &str) -> Does {
    let mut code = Code { text, ..Code::default() };
    code.walk(&pieces(text), Under::Nothing, false);
    code.done(file)
}

/// A header that is changed, with the call that does it.
#[derive(Debug)]
struct Change {
    header: String,
    under: Under,
    start: usize,
    end: usize,
    /// What it is given, as it is written; nothing where it is taken away.
    value: Option<String>,
    beside: bool,
    /// It is the request's for sure.
    of_request: bool,
}

#[derive(Debug, Default)]
struct Code<'a> {
    text: &'a str,
    changes: Vec<Change>,
    /// Where requests go on as they came, with the condition.
    untouched: Vec<(usize, Under)>,
    /// The request is replaced by another under its own name.
    replaced: Option<Under>,
    logs: Vec<(Credential, usize, usize)>,
}

impl<'a> Code<'a> {
    /// Goes through code; `of_request`: within what is done to the headers of a request.
    fn walk(&mut self, pieces: &[Piece<'a>], under: Under, of_request: bool) {
        let mut at = 0;
        // The condition of the last `if`, for its `else`; and of a choice within a statement.
        let (mut last, mut choice) = (Under::Nothing, Under::Nothing);
        let mut statement = 0;
        while let Some(piece) = pieces.get(at) {
            let rest = &pieces[at + 1..];
            let here = under.and(choice);
            match piece {
                Piece::Sign(b';') => (statement, choice) = (at + 1, Under::Nothing),
                // `a ? b : c`, and `a ?: b`; not `a?.b`.
                Piece::Sign(b'?') if !matches!(rest.first(), Some(Piece::Sign(b'.'))) => {
                    choice = about(&pieces[statement..at]);
                }
                Piece::Word("if") => {
                    if let Some(Piece::Group(condition)) = rest.first() {
                        last = about(condition);
                        at += 1 + self.branch(&rest[1..], under.and(last), of_request);
                        statement = at + 1;
                    }
                }
                Piece::Word("else") => at += self.branch(rest, under.and(last), of_request),
                Piece::Word(name)
                    if matches!(rest, [Piece::Sign(b'='), next, ..] if *next != Piece::Sign(b'='))
                        && is_exchange(name) =>
                {
                    self.replaced = Some(self.replaced.map_or(here, |known| known.and(here)));
                }
                // `headers["X"] = …`
                Piece::Group(index)
                    if matches!(rest, [Piece::Sign(b'='), next, ..] if *next != Piece::Sign(b'='))
                        && matches!(at.checked_sub(1).map(|before| &pieces[before]), Some(Piece::Word(_))) =>
                {
                    if let Some(header) = self.name(index) {
                        let calls = rest.iter().find_map(|piece| match piece {
                            Piece::Call(call) => Some((call.start, call.end)),
                            _ => None,
                        });
                        let words = rest[1..].iter().find_map(|piece| match piece {
                            Piece::Word(word) => Some((*word).to_owned()),
                            _ => None,
                        });
                        let (start, end) = calls.unwrap_or_default();
                        let value = Some(words.unwrap_or_default() + self.text.get(start..end).unwrap_or_default());
                        self.changes.push(Change { header, under: here, start, end, value, beside: false, of_request });
                    }
                }
                Piece::Group(inside) => self.walk(inside, here, of_request),
                Piece::Call(call) => {
                    let before = &pieces[..at];
                    match call.name {
                        "if" => {
                            last = call.arguments.first().map_or(Under::Other, |condition| about(condition));
                            let body = call.arguments.get(1..).unwrap_or_default();
                            body.iter().for_each(|part| self.walk(part, under.and(last), of_request));
                            if body.is_empty() {
                                at += self.branch(rest, under.and(last), of_request);
                            }
                            statement = at + 1;
                        }
                        "else" => call.arguments.iter().for_each(|part| self.walk(part, under.and(last), of_request)),
                        _ => self.call(call, before, here, of_request),
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// What an `if` or an `else` leads to: a block, or one statement. How many pieces that are.
    fn branch(&mut self, rest: &[Piece<'a>], under: Under, of_request: bool) -> usize {
        if let Some(Piece::Group(body)) = rest.first() {
            self.walk(body, under, of_request);
            return 1;
        }
        let ends = |piece: &Piece<'_>| match piece {
            Piece::Sign(b';') | Piece::Word("else") => true,
            Piece::Call(call) => call.name == "else",
            _ => false,
        };
        let passes = |piece: &Piece<'_>| matches!(piece, Piece::Call(call) if call.name == "filter");
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        let end = rest[..end].iter().position(passes).map_or(end, |at| at + 1);
        self.walk(&rest[..end], under, of_request);
        end
    }

    fn call(&mut self, call: &Call<'a>, before: &[Piece<'a>], under: Under, of_request: bool) {
        let first = call.arguments.first().map(Vec::as_slice).unwrap_or_default();
        let followed = matches!(before, [.., Piece::Sign(b'.')]);
        let perhaps = matches!(before, [.., Piece::Sign(b'?'), Piece::Sign(b'.')]);
        let of_response = before.iter().rev().take(6).any(|piece| match piece {
            Piece::Word(word) => *word == "response",
            Piece::Call(call) => call.name == "getResponse",
            _ => false,
        });
        let passes_on = matches!(first, [Piece::Word(name)] if is_exchange(name));
        match call.name {
            "filter" if followed && passes_on => self.untouched.push((call.start, under)),
            "defaultIfEmpty" | "orElse" if passes_on => self.untouched.push((call.start, Under::Certificate)),
            "set" | "header" | "add" | "put" | "addAll" | "addHeader" | "setHeader" if followed || of_request => {
                if let Some(header) = self.name(first).filter(|_| !of_response && call.arguments.len() > 1) {
                    let value = self.written(call.arguments.get(1..).unwrap_or_default(), call);
                    let beside = matches!(call.name, "add" | "addAll");
                    let value = (value != "null").then_some(value);
                    let (start, end) = (call.start, call.end);
                    self.changes.push(Change { header, under, start, end, value, beside, of_request });
                }
            }
            "remove" if !of_response => {
                if let Some(header) = self.name(first) {
                    let (start, end) = (call.start, call.end);
                    self.changes.push(Change { header, under, start, end, value: None, beside: false, of_request });
                }
            }
            "info" | "warn" | "error" if is_log(before) => {
                let what = call.arguments.iter().find_map(|argument| logged(argument));
                self.logs.extend(what.map(|what| (what, call.start, call.end)));
            }
            _ => {}
        }
        let inner = match call.name {
            "let" | "also" | "run" | "apply" if perhaps => Under::Certificate,
            "ifPresent" | "switchIfEmpty" | "orElseGet" => Under::Certificate,
            "for" | "while" | "when" | "switch" => Under::Other,
            _ => Under::Nothing,
        };
        let of_request = of_request || call.name == "headers" && !of_response;
        call.arguments.iter().for_each(|argument| self.walk(argument, under.and(inner), of_request));
    }

    /// The header that an argument names: by text, or by a constant of this file.
    fn name(&self, argument: &[Piece<'a>]) -> Option<String> {
        let name = match argument {
            [Piece::Text(text)] => (*text).to_owned(),
            [Piece::Word("HttpHeaders"), Piece::Sign(b'.'), Piece::Word(name)] => name.replace('_', "-"),
            [.., Piece::Word(name)] if argument.len() == 1 || argument.len() == 3 => self.constant(name)?,
            _ => return None,
        };
        let spelt = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (!name.is_empty() && name.chars().all(spelt)).then(|| name.to_ascii_lowercase())
    }

    /// The text that a name is given in this file.
    fn constant(&self, name: &str) -> Option<String> {
        self.text.match_indices(name).find_map(|(at, _)| {
            let rest = self.text[at + name.len()..].trim_start();
            let rest = rest.strip_prefix(": String").unwrap_or(rest).trim_start();
            let value = rest.strip_prefix('=')?.trim_start().strip_prefix('"')?;
            value.split('"').next().map(str::to_owned)
        })
    }

    /// The source of arguments; of a variable, what it is given.
    fn written(&self, arguments: &[Vec<Piece<'a>>], call: &Call<'a>) -> String {
        if let [argument] = arguments
            && let [Piece::Word(name)] = argument.as_slice()
        {
            let given = self.text.match_indices(name).find_map(|(at, _)| {
                let rest = self.text[at + name.len()..].trim_start().strip_prefix('=')?;
                // Up to the end of the statement, or of the line.
                (!rest.starts_with('=')).then(|| rest.split(';').next().unwrap_or(rest).trim())
            });
            return given.map_or((*name).to_owned(), |given| given.chars().take(400).collect());
        }
        self.text.get(call.start..call.end).unwrap_or_default().to_owned()
    }

    fn done(self, file: u32) -> Does {
        let place = |start: usize, end: usize| {
            let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            // The line says enough.
            let line = self.text.get(start..end).and_then(|text| text.find('\n')).map_or(end, |length| start + length);
            Place { file, start: offset(start), end: offset(line) }
        };
        let mut does = Does::default();
        let passes = self.untouched.iter().filter(|(_, under)| *under == Under::Certificate).map(|(at, _)| *at).min();
        let replaced = self.replaced == Some(Under::Nothing);
        for change in &self.changes {
            let Some(value) = change.value.as_deref() else { continue };
            let Some(form) = self.form(value).filter(|_| speaks(&change.header)) else {
                continue;
            };
            if does.sets.iter().any(|known| known.header == change.header) || change.under == Under::Other {
                continue;
            }
            let same = |other: &&Change| other.header == change.header;
            let mut removals = self.changes.iter().filter(same).filter(|other| other.value.is_none());
            // Something else stands in it where there is no certificate.
            let otherwise = self.changes.iter().filter(same).any(|other| {
                other.start != change.start && other.value.as_deref().is_some_and(|value| self.form(value).is_none())
            });
            let removed = removals.clone().any(|one| one.under == Under::Nothing);
            let elsewhere = removals.any(|one| one.under != Under::Nothing && one.start > change.end);
            let leaks = passes.is_some() && !(replaced && removed);
            let sometimes = leaks || change.under == Under::Certificate && !removed && !otherwise && !elsewhere;
            does.sets.push(Sets {
                header: change.header.clone(),
                form,
                beside: change.beside && !removed,
                sometimes,
                place: place(change.start, change.end),
            });
        }
        for change in &self.changes {
            let taken = change.value.is_none() && change.of_request && change.under == Under::Nothing;
            if taken && matches!(change.header.as_str(), "dpop" | "authorization") {
                does.removes.push((change.header.clone(), place(change.start, change.end)));
            }
            let filled = does.sets.iter().any(|set| set.header == change.header);
            if change.value.is_none() && !filled && speaks(&change.header) {
                does.clears.push(change.header.clone());
            }
        }
        let logs = self.logs.iter();
        does.logs.extend(logs.map(|(what, start, end)| Logged {
            what: *what,
            place: place(*start, *end),
            active: None,
        }));
        does
    }

    /// In which form a value holds the certificate, if it holds any of it.
    fn form(&self, value: &str) -> Option<Form> {
        let lower = value.to_ascii_lowercase();
        let own = |word: &str| lower.contains(word);
        if !["cert", "ssl", "peer", "x509", "pem", "encode", "subject", "thumbprint", "fingerprint", "der", "serial"]
            .iter()
            .any(|word| own(word))
        {
            return None;
        }
        let all = self.text;
        let has = |words: &[&str]| words.iter().any(|word| all.contains(word));
        let whole = has(&["getEncoded", ".encoded"]);
        Some(match () {
            () if own("subject") || own("getname()") || own("principal") => Form::Dn,
            () if own("serialnumber") => Form::Serial,
            () if whole && has(&["SHA-256", "SHA256", "sha256"]) => Form::Sha256,
            () if whole && has(&["SHA-1", "SHA1", "sha1"]) => Form::Sha1,
            () if has(&["BEGIN CERTIFICATE"]) => {
                let escaped = has(&["URLEncoder", "UriUtils", "UriEncoder", "urlEncode", "percentEncode"]);
                let joined = has(&["replace", "lines()", "joinToString", "strip"]);
                match all.contains("BEGIN CERTIFICATE-----\\n") {
                    true if !escaped && !joined => Form::PemLines,
                    _ if escaped => Form::PemEscaped,
                    _ => Form::PemOneLine,
                }
            }
            // What is between colons is told by them; what is not seen is not judged.
            () if !whole || all.contains("\":\"") || all.contains("\":$") => Form::Rfc9440,
            () => Form::DerBase64,
        })
    }
}

/// Whether a header's name says that a certificate is in it.
fn speaks(header: &str) -> bool {
    is_carrier(header) || header.contains("cert")
}

/// What a condition speaks of.
fn about(pieces: &[Piece<'_>]) -> Under {
    fn names(pieces: &[Piece<'_>]) -> bool {
        pieces.iter().any(|piece| match piece {
            Piece::Word(word) => is_of_certificate(word),
            Piece::Call(call) => is_of_certificate(call.name) || call.arguments.iter().any(|argument| names(argument)),
            Piece::Group(inside) => names(inside),
            Piece::Text(_) | Piece::Sign(_) => false,
        })
    }
    if names(pieces) { Under::Certificate } else { Under::Other }
}

fn is_of_certificate(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["cert", "ssl", "peer", "x509", "tls"].iter().any(|word| name.contains(word))
}

/// Names that filters have for what they get.
fn is_exchange(name: &str) -> bool {
    matches!(name, "exchange" | "ex" | "serverWebExchange" | "webExchange" | "swe")
}

/// Whether what is called is a logger's.
fn is_log(before: &[Piece<'_>]) -> bool {
    matches!(before, [.., Piece::Word(name), Piece::Sign(b'.')] if name.to_ascii_lowercase().contains("log"))
}

/// What of a request an argument of a logger is: its headers, or one of them as it came.
fn logged(argument: &[Piece<'_>]) -> Option<Credential> {
    let of_request = |pieces: &[Piece<'_>]| {
        pieces.iter().any(|piece| match piece {
            Piece::Word(word) => *word == "request",
            Piece::Call(call) => call.name == "getRequest",
            _ => false,
        }) && !pieces.iter().any(|piece| matches!(piece, Piece::Call(call) if call.name == "getResponse"))
    };
    match argument {
        [start @ .., Piece::Call(last)] | [start @ .., Piece::Call(last), Piece::Sign(_)]
            if last.name == "getHeaders" && of_request(start) =>
        {
            Some(Credential::AllHeaders)
        }
        [start @ .., Piece::Word("headers")] if of_request(start) => Some(Credential::AllHeaders),
        [start @ .., Piece::Call(last)]
            if matches!(last.name, "getFirst" | "get" | "getOrEmpty") && of_request(start) =>
        {
            match last.arguments.first()?.as_slice() {
                [Piece::Text(name)] if name.eq_ignore_ascii_case("authorization") => Some(Credential::Authorization),
                [Piece::Text(name)] if name.eq_ignore_ascii_case("dpop") => Some(Credential::Dpop),
                [.., Piece::Word("AUTHORIZATION")] => Some(Credential::Authorization),
                _ => None,
            }
        }
        _ => None,
    }
}
