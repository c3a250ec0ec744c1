//! Conditions: `if`, `unless`, named and anonymous ACLs (configuration manual, section 7).

use std::collections::BTreeMap;

use super::sample::{Datum, Sample};
use crate::syntax::haproxy::Word;

/// A test on a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Criterion {
    pub(super) sample: Sample,
    /// `-m METHOD`, or what the name of the fetch says.
    method: Option<String>,
    patterns: Vec<String>,
    /// Patterns come from a file.
    listed: bool,
    /// How it is called where it can't be decided; two that are the same have the same.
    pub(super) key: String,
}

/// What is known of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    Decided(bool),
    /// It hangs on what has this name; `false`: on the opposite of it.
    Open(String, bool),
}

impl Criterion {
    /// Reads the words of an ACL or of an anonymous test.
    fn parse(words: &[Word]) -> Self {
        let first = words.first().map_or("", |word| word.text.as_str());
        let (fetch, method) = matcher(first);
        let mut criterion = Self {
            sample: Sample::parse(&fetch),
            method: method.map(str::to_owned),
            patterns: Vec::new(),
            listed: false,
            key: String::new(),
        };
        let mut rest = words.iter().skip(1).map(|word| word.text.as_str());
        while let Some(word) = rest.next() {
            match word {
                "-m" => criterion.method = rest.next().map(str::to_owned),
                "-f" | "-M" => {
                    criterion.listed = true;
                    criterion.patterns.extend(rest.next().map(str::to_owned));
                }
                "-u" => _ = rest.next(),
                "-i" | "-n" => {}
                "--" => criterion.patterns.extend(rest.by_ref().map(str::to_owned)),
                word => criterion.patterns.push(word.to_owned()),
            }
        }
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        criterion.key = texts.join(" ");
        criterion
    }

    /// What is known of it where its sample gives `datum`.
    pub(super) fn judge(&self, datum: &Datum) -> Known {
        let found = self.method.as_deref() == Some("found");
        let open = || Known::Open(self.key.clone(), true);
        let counts = self.sample.fetch.ends_with("hdr_cnt");
        match datum {
            Datum::Absent if counts => self.number(0).map_or_else(open, Known::Decided),
            Datum::Absent => Known::Decided(false),
            Datum::Header(name) => {
                let sent = |holds| Known::Open(format!("the client sends {name}"), holds);
                match (counts, self.number(0), self.number(1)) {
                    _ if found => sent(true),
                    (true, Some(none), Some(one)) if none != one => sent(one),
                    _ => open(),
                }
            }
            _ if found => Known::Decided(true),
            Datum::Bool(value) if self.patterns.is_empty() => Known::Decided(*value),
            Datum::Bool(value) => match self.patterns.as_slice() {
                [one] if matches!(one.as_str(), "1" | "true") => Known::Decided(*value),
                [one] if matches!(one.as_str(), "0" | "false") => Known::Decided(!value),
                _ => open(),
            },
            Datum::Verification(true) => self.number(0).map_or_else(open, Known::Decided),
            // Some number, nobody knows which; codes go up to 2 digits or so, and are never below 0.
            Datum::Verification(false) => match (self.number(1), self.number(21), self.number(99)) {
                (Some(a), Some(b), Some(c)) if a == b && b == c => Known::Decided(a),
                _ => open(),
            },
            Datum::Text(text) if !self.listed => match self.method.as_deref() {
                None | Some("str") => Known::Decided(self.patterns.contains(text)),
                Some("bool") => Known::Decided(!matches!(text.as_str(), "" | "0" | "false")),
                Some("int") => {
                    text.parse().ok().and_then(|number| self.number(number)).map_or_else(open, Known::Decided)
                }
                _ => open(),
            },
            _ => open(),
        }
    }

    /// Whether a number is among those that are looked for (section 7.1.2); `None` where that can't be told.
    pub(super) fn number(&self, number: i64) -> Option<bool> {
        if self.listed || self.patterns.is_empty() {
            return None;
        }
        let mut operator = "eq";
        let mut matches = false;
        for pattern in &self.patterns {
            if matches!(pattern.as_str(), "eq" | "ge" | "gt" | "le" | "lt") {
                operator = pattern;
                continue;
            }
            matches |= if let Some((from, to)) = pattern.split_once(':') {
                let bound = |text: &str, open| if text.is_empty() { Some(open) } else { text.parse().ok() };
                (bound(from, i64::MIN)?..=bound(to, i64::MAX)?).contains(&number)
            } else {
                let bound: i64 = pattern.parse().ok()?;
                match operator {
                    "ge" => number >= bound,
                    "gt" => number > bound,
                    "le" => number <= bound,
                    "lt" => number < bound,
                    _ => number == bound,
                }
            };
        }
        Some(matches)
    }
}

/// `hdr_beg(host)` as `hdr(host)` and `beg`.
fn matcher(fetch: &str) -> (String, Option<&'static str>) {
    const METHODS: &[&str] = &["beg", "dir", "dom", "end", "len", "reg", "sub"];
    let (name, rest) = fetch.split_at(fetch.find(['(', ',']).unwrap_or(fetch.len()));
    for method in METHODS {
        if let Some(stem) = name.strip_suffix(method).and_then(|stem| stem.strip_suffix('_'))
            && matches!(
                stem,
                "hdr" | "path" | "url" | "base" | "cook" | "ssl_fc_sni" | "url_param" | "req.hdr" | "req.fhdr"
            )
        {
            return (format!("{stem}{rest}"), Some(method));
        }
    }
    (fetch.to_owned(), None)
}

/// The ACLs that a proxy sees, by name; several lines of one name are alternatives.
pub(super) type Acls = BTreeMap<String, Vec<Criterion>>;

/// Adds an `acl` line, its words from the name on.
pub(super) fn declare(acls: &mut Acls, words: &[Word]) {
    if let [name, rest @ ..] = words
        && !rest.is_empty()
    {
        acls.entry(name.text.clone()).or_default().push(Criterion::parse(rest));
    }
}

/// What can't be decided: alternatives of conjunctions of names, and whether each must hold.
pub(super) type Formula = Vec<Vec<(String, bool)>>;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    any: Vec<Vec<Term>>,
    unless: bool,
    /// In the words of the configuration.
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Named(String),
    Own(Criterion),
}

impl Condition {
    /// The condition at the end of a line, if there is one, and how many words stand before it.
    pub(super) fn of(words: &[Word]) -> (Option<Self>, usize) {
        let Some(at) = words.iter().position(|word| word.bare && matches!(word.text.as_str(), "if" | "unless")) else {
            return (None, words.len());
        };
        let mut any = vec![Vec::new()];
        let mut negated = false;
        let mut rest = words[at + 1..].iter();
        while let Some(word) = rest.next() {
            let mut text = word.text.as_str();
            if word.bare && matches!(text, "or" | "||") {
                any.push(Vec::new());
                continue;
            }
            while let Some(after) = text.strip_prefix('!') {
                negated = !negated;
                text = after;
            }
            let test = match text {
                "" => continue,
                "{" => {
                    let own: Vec<Word> = rest.by_ref().take_while(|word| word.text != "}").cloned().collect();
                    Test::Own(Criterion::parse(&own))
                }
                name => Test::Named(name.to_owned()),
            };
            if let Some(all) = any.last_mut() {
                all.push(Term { negated, test });
            }
            negated = false;
        }
        let text: Vec<&str> = words[at..].iter().map(|word| word.text.as_str()).collect();
        let unless = words[at].text == "unless";
        (Some(Self { any, unless, text: text.join(" ") }), at)
    }

    /// Whether it holds; where that can't be told, what it hangs on.
    pub(super) fn holds(&self, acls: &Acls, judge: &mut dyn FnMut(&Criterion) -> Known) -> Result<bool, Formula> {
        let mut open: Formula = Vec::new();
        'alternatives: for all in &self.any {
            let mut rest = Vec::new();
            for term in all {
                match term.known(acls, judge) {
                    Known::Decided(true) => {}
                    Known::Decided(false) => continue 'alternatives,
                    Known::Open(key, holds) => rest.push((key, holds)),
                }
            }
            if rest.is_empty() {
                return Ok(!self.unless);
            }
            open.push(rest);
        }
        match open.as_slice() {
            [] => Ok(self.unless),
            _ if !self.unless => Err(open),
            [all] => Err(all.iter().map(|(key, holds)| vec![(key.clone(), !holds)]).collect()),
            _ => Err(vec![vec![(written(&open), false)]]),
        }
    }

    /// All tests that it makes.
    pub(super) fn criteria<'a>(&'a self, acls: &'a Acls) -> impl Iterator<Item = &'a Criterion> {
        self.any.iter().flatten().flat_map(|term| match &term.test {
            Test::Own(criterion) => std::slice::from_ref(criterion),
            Test::Named(name) => acls.get(name).map_or(&[][..], Vec::as_slice),
        })
    }

    /// Whether it is one test that is denied: `unless { src 10.0.0.0/8 }`, `if !trusted`.
    pub(super) fn denies_all_but<'a>(&'a self, acls: &'a Acls) -> Option<&'a [Criterion]> {
        let [all] = self.any.as_slice() else { return None };
        let [term] = all.as_slice() else { return None };
        if term.negated == self.unless {
            return None;
        }
        match &term.test {
            Test::Own(criterion) => Some(std::slice::from_ref(criterion)),
            Test::Named(name) => acls.get(name).map(Vec::as_slice),
        }
    }
}

impl Term {
    fn known(&self, acls: &Acls, judge: &mut dyn FnMut(&Criterion) -> Known) -> Known {
        let known = match &self.test {
            Test::Own(criterion) => judge(criterion),
            Test::Named(name) => match (acls.get(name), name.as_str()) {
                (Some(alternatives), _) => {
                    let mut open = Vec::new();
                    let mut holds = false;
                    for criterion in alternatives {
                        match judge(criterion) {
                            Known::Decided(decided) => holds |= decided,
                            Known::Open(key, holds) => open.push((key, holds)),
                        }
                    }
                    match open.as_slice() {
                        _ if holds => Known::Decided(true),
                        [] => Known::Decided(false),
                        [(key, holds)] => Known::Open(key.clone(), *holds),
                        _ => Known::Open(written(&open.into_iter().map(|one| vec![one]).collect()), true),
                    }
                }
                (None, "TRUE" | "HTTP" | "WAIT_END") => Known::Decided(true),
                (None, "FALSE") => Known::Decided(false),
                (None, name) => Known::Open(name.to_owned(), true),
            },
        };
        match known {
            Known::Decided(holds) => Known::Decided(holds != self.negated),
            Known::Open(key, holds) => Known::Open(key, holds != self.negated),
        }
    }
}

/// A formula in words.
pub(super) fn written(formula: &Formula) -> String {
    let all = |all: &Vec<(String, bool)>| {
        let words: Vec<String> =
            all.iter().map(|(key, holds)| if *holds { key.clone() } else { format!("not ({key})") }).collect();
        words.join(" and ")
    };
    formula.iter().map(all).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::haproxy::parse;

    fn holds(line: &str, judge: &mut dyn FnMut(&Criterion) -> Known) -> Result<bool, String> {
        let document = parse(&format!("frontend a\n acl two path /a\n acl two path /b\n http-request deny {line}\n"));
        let lines = &document.sections[0].lines;
        let mut acls = Acls::new();
        for line in &lines[..2] {
            declare(&mut acls, &line.words[1..]);
        }
        let (condition, _) = Condition::of(&lines[2].words);
        condition.expect("a condition").holds(&acls, judge).map_err(|formula| written(&formula))
    }

    #[test]
    fn conditions_are_decided_as_far_as_they_can_be() {
        let mut judge = |criterion: &Criterion| {
            criterion.judge(&match criterion.sample.fetch.as_str() {
                "ssl_c_used" => Datum::Bool(true),
                "ssl_c_verify" => Datum::Verification(true),
                "req.hdr" => Datum::Header("x".to_owned()),
                _ => Datum::Other,
            })
        };
        assert_eq!(holds("if { ssl_c_used } { ssl_c_verify 0 }", &mut judge), Ok(true));
        assert_eq!(holds("unless { ssl_c_used } { ssl_c_verify 0 }", &mut judge), Ok(false));
        assert_eq!(holds("if !{ ssl_c_used } or { ssl_c_verify gt 0 }", &mut judge), Ok(false));
        assert_eq!(holds("if ! { ssl_c_verify 1:99 } two", &mut judge), Err("path /a or path /b".to_owned()));
        assert_eq!(holds("if { ssl_c_used } || two", &mut judge), Ok(true));
        assert_eq!(holds("unless { path_beg /a }", &mut judge), Err("not (path_beg /a)".to_owned()));
        assert_eq!(holds("if !{ req.hdr(X) -m found }", &mut judge), Err("not (the client sends x)".to_owned()));
        assert_eq!(
            holds("unless { path /a } { src 1.2.3.4 }", &mut judge),
            Err("not (path /a) or not (src 1.2.3.4)".to_owned())
        );
    }

    #[test]
    fn numbers_are_compared() {
        let one = |text: &str| {
            let document = parse(&format!("frontend a\n x {{ ssl_c_verify {text} }}\n"));
            Criterion::parse(&document.sections[0].lines[0].words[2..document.sections[0].lines[0].words.len() - 1])
        };
        assert_eq!(one("0").number(0), Some(true));
        assert_eq!(one("gt 0").number(0), Some(false));
        assert_eq!(one("10 18:21").number(21), Some(true));
        assert_eq!(one("1:").number(0), Some(false));
        assert_eq!(one("-f x").number(0), None);
    }
}
