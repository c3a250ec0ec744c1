//! Conditions as expressions (httpd 2.4, "Expressions in Apache HTTP Server") and as those of mod_rewrite.

use regex::RegexBuilder;

use super::value::{self, Datum, Part};

/// Expressions nest so deep.
const MAX_DEPTH: usize = 32;
/// Regular expressions larger than this are not compiled.
const REGEX_SIZE: usize = 1 << 20;

/// What an expression can ask for.
pub(super) trait Facts {
    /// What a variable is.
    fn variable(&self, name: &str) -> Datum;
    /// What was assumed of something that can't be known; an error demands that something be assumed.
    fn assumed(&self, key: &str) -> Result<bool, String>;
    /// What distinguishes clients whose certificates differ.
    fn client(&self) -> &'static str;
}

/// Whether an expression holds.
pub(super) fn holds(text: &str, facts: &dyn Facts) -> Result<bool, String> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0, facts };
    match reader.any(0) {
        Some(result) if reader.at == tokens.len() => result,
        // What can't be read can't be told.
        _ => facts.assumed(text.trim()),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `&&`, `(`, `==`, `-n` …
    Sign(String),
    /// A string, quoted or not, in which variables may stand.
    Text(String),
    /// A regular expression.
    Regex(String),
}

fn tokens(text: &str) -> Vec<Token> {
    const SIGNS: &[&str] =
        &["&&", "||", "==", "!=", "=~", "!~", "<=", ">=", "(", ")", "{", "}", ",", "!", "=", "<", ">"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after_match = matches!(tokens.last(), Some(Token::Sign(sign)) if sign == "=~" || sign == "!~");
        if matches!(first, '"' | '\'') {
            let end = rest[1..].find(first).map_or(rest.len(), |at| at + 1);
            tokens.push(Token::Text(rest[1..end].to_owned()));
            rest = rest.get(end + 1..).unwrap_or_default();
        } else if after_match
            && (first == '/' || (first == 'm' && rest[1..].starts_with(|c: char| c.is_ascii_punctuation())))
        {
            let open = if first == 'm' { 1 } else { 0 };
            let mark = rest[open..].chars().next().unwrap_or('/');
            let inner = &rest[open + mark.len_utf8()..];
            let end = inner.find(mark).unwrap_or(inner.len());
            tokens.push(Token::Regex(inner[..end].to_owned()));
            rest = inner
                .get(end + mark.len_utf8()..)
                .unwrap_or_default()
                .trim_start_matches(|c: char| c.is_ascii_alphabetic());
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign((*sign).to_owned()));
            rest = &rest[sign.len()..];
        } else {
            let end = word(rest);
            let text = &rest[..end];
            let sign =
                matches!(text, "and" | "or" | "not" | "eq" | "ne" | "in") || (text.starts_with('-') && text.len() > 1);
            tokens.push(if sign { Token::Sign(text.to_owned()) } else { Token::Text(text.to_owned()) });
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    tokens
}

/// The length of a word: `%{…}` holds anything, a call its arguments.
fn word(text: &str) -> usize {
    let mut depth = 0usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '%' || depth > 0 => depth += 1,
            '(' if depth > 0 || before.is_ascii_alphanumeric() || before == '_' => depth += 1,
            '}' | ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            _ if c.is_whitespace() || "()!=<>&|,{}'\"".contains(c) => return at.max(1),
            _ => {}
        }
        before = c;
    }
    text.len()
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    facts: &'a dyn Facts,
}

type Answer = Option<Result<bool, String>>;

impl Reader<'_> {
    fn sign(&mut self, signs: &[&str]) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Sign(sign)) if signs.contains(&sign.as_str()));
        self.at += usize::from(is);
        is
    }

    fn any(&mut self, depth: usize) -> Answer {
        let mut holds = self.all(depth)?;
        while self.sign(&["||", "or"]) {
            let next = self.all(depth)?;
            holds = match (holds, next) {
                (Ok(true), _) | (_, Ok(true)) => Ok(true),
                (Ok(false), next) => next,
                (unknown, _) => unknown,
            };
        }
        Some(holds)
    }

    fn all(&mut self, depth: usize) -> Answer {
        let mut holds = self.one(depth)?;
        while self.sign(&["&&", "and"]) {
            let next = self.one(depth)?;
            holds = match (holds, next) {
                (Ok(false), _) | (_, Ok(false)) => Ok(false),
                (Ok(true), next) => next,
                (unknown, _) => unknown,
            };
        }
        Some(holds)
    }

    fn one(&mut self, depth: usize) -> Answer {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.sign(&["!", "not"]) {
            return Some(self.one(depth + 1)?.map(|holds| !holds));
        }
        if self.sign(&["("]) {
            let holds = self.any(depth + 1)?;
            return self.sign(&[")"]).then_some(holds);
        }
        let start = self.at;
        if let Some(Token::Sign(sign)) = self.tokens.get(self.at)
            && sign.starts_with('-')
        {
            self.at += 1;
            let operand = self.operand()?;
            let said = |negate: bool| self.there(&operand).map(|there| there != negate);
            return Some(match sign.as_str() {
                "-n" => said(false),
                "-z" => said(true),
                _ => self.facts.assumed(&self.written(start)),
            });
        }
        let left = self.operand()?;
        if self.sign(&["in"]) {
            let listed = self.list()?;
            return Some(match self.text(&left) {
                Some(text) => Ok(listed.contains(&text)),
                None => self.facts.assumed(&self.key(start, &left)),
            });
        }
        if self.sign(&["==", "=", "eq", "-eq", "-strmatch"]) {
            let right = self.operand()?;
            return Some(self.same(start, &left, &right));
        }
        if self.sign(&["!=", "ne", "-ne"]) {
            let right = self.operand()?;
            return Some(self.same(start, &left, &right).map(|same| !same));
        }
        let negated = matches!(self.tokens.get(self.at), Some(Token::Sign(sign)) if sign == "!~");
        if self.sign(&["=~", "!~"]) {
            let Some(Token::Regex(pattern) | Token::Text(pattern)) = self.tokens.get(self.at) else { return None };
            self.at += 1;
            let known = self.text(&left).and_then(|text| Some(regex(pattern)?.is_match(&text)));
            return Some(match known {
                Some(matches) => Ok(matches != negated),
                None => self.facts.assumed(&self.key(start, &left)),
            });
        }
        match self.text(&left).as_deref() {
            Some("true" | "on" | "1") => Some(Ok(true)),
            Some("false" | "off" | "0" | "") => Some(Ok(false)),
            _ => Some(self.facts.assumed(&self.key(start, &left))),
        }
    }

    fn list(&mut self) -> Option<Vec<String>> {
        let braces = self.sign(&["{"]);
        let mut listed = Vec::new();
        while let Some(Token::Text(text)) = self.tokens.get(self.at) {
            listed.push(text.clone());
            self.at += 1;
            self.sign(&[","]);
        }
        (braces && self.sign(&["}"])).then_some(listed)
    }

    fn operand(&mut self) -> Option<Datum> {
        let Some(Token::Text(text)) = self.tokens.get(self.at) else { return None };
        self.at += 1;
        // `req('Name')`, `reqenv('NAME')`.
        if let Some((function, argument)) = text.split_once('(') {
            let argument = argument.trim_end_matches(')').trim_matches(['\'', '"']);
            return Some(match function {
                "req" | "http" => self.facts.variable(&format!("HTTP:{argument}")),
                "env" | "reqenv" => self.facts.variable(&format!("ENV:{argument}")),
                _ => Datum::Other,
            });
        }
        let parts = value::expression_parts(text, 0);
        Some(match parts.as_slice() {
            [] => Datum::Text(String::new()),
            [Part::Text(text)] => Datum::Text(text.clone()),
            [Part::Variable(name, functions)] => self.facts.variable(name).through(functions),
            _ => Datum::Other,
        })
    }

    /// The text of what is known.
    fn text(&self, datum: &Datum) -> Option<String> {
        match datum {
            Datum::Null => Some(String::new()),
            Datum::Text(text) => Some(text.clone()),
            Datum::Verification(text) => Some((*text).to_owned()),
            _ => None,
        }
    }

    fn there(&self, datum: &Datum) -> Result<bool, String> {
        match datum {
            Datum::Certificate(_) => Ok(true),
            Datum::Header(name) => self.facts.assumed(&sends(name)),
            Datum::Other | Datum::Unknown => self.facts.assumed(&self.written(self.at.saturating_sub(2))),
            known => Ok(self.text(known).is_some_and(|text| !text.is_empty())),
        }
    }

    fn same(&self, start: usize, left: &Datum, right: &Datum) -> Result<bool, String> {
        match (self.text(left), self.text(right)) {
            (Some(left), Some(right)) => Ok(left == right),
            // A certificate has something in it.
            (None, Some(text)) if text.is_empty() && matches!(left, Datum::Certificate(_)) => Ok(false),
            (None, Some(text)) if text.is_empty() => self.there(left).map(|there| !there),
            _ => self.facts.assumed(&self.key(start, left)),
        }
    }

    /// How a test is called that can't be decided: what stands in one certificate says nothing of another.
    fn key(&self, start: usize, datum: &Datum) -> String {
        match datum {
            Datum::Certificate(_) => format!("{} ({} certificate)", self.written(start), self.facts.client()),
            _ => self.written(start),
        }
    }

    fn written(&self, start: usize) -> String {
        let words: Vec<&str> = self.tokens[start..self.at]
            .iter()
            .map(|token| match token {
                Token::Sign(text) | Token::Text(text) | Token::Regex(text) => text.as_str(),
            })
            .collect();
        words.join(" ")
    }
}

/// How it is called that a client sends a header.
pub(super) fn sends(name: &str) -> String {
    format!("the client sends {}", name.to_ascii_lowercase())
}

/// A regular expression, if it can be compiled.
pub(super) fn regex(pattern: &str) -> Option<regex::Regex> {
    RegexBuilder::new(pattern).size_limit(REGEX_SIZE).build().ok()
}

/// Whether a `RewriteCond` holds: a string with variables, and a pattern.
pub(super) fn rewrite_condition(test: &str, pattern: &str, flags: &str, facts: &dyn Facts) -> Result<bool, String> {
    if test == "expr" {
        return holds(pattern, facts);
    }
    let key = format!("{test} {}", pattern.trim_start_matches('!'));
    let (negated, bare) = pattern.strip_prefix('!').map_or((false, pattern), |bare| (true, bare));
    let datum = match value::expression_parts(test, 0).as_slice() {
        [Part::Text(text)] => Datum::Text(text.clone()),
        [Part::Variable(name, functions)] => facts.variable(name).through(functions),
        _ => Datum::Other,
    };
    let text = match &datum {
        Datum::Null => Some(""),
        Datum::Text(text) => Some(text.as_str()),
        Datum::Verification(text) => Some(*text),
        _ => None,
    };
    let known = match (text, bare.strip_prefix('=')) {
        (Some(text), Some(wanted)) => Some(text == wanted.trim_matches('"')),
        (Some(text), None) if !bare.starts_with(['-', '<', '>']) => {
            let pattern = if flags.contains("NC") { format!("(?i){bare}") } else { bare.to_owned() };
            regex(&pattern).map(|regex| regex.is_match(text))
        }
        // Every header that is there has something in it.
        (None, None) if matches!(datum, Datum::Certificate(_)) && matches!(bare, "." | ".+" | "^.+$" | "^$") => {
            Some(bare != "^$")
        }
        _ => None,
    };
    match known {
        Some(matches) => Ok(matches != negated),
        None => facts.assumed(&key).map(|matches| matches != negated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl Facts for Known {
        fn variable(&self, name: &str) -> Datum {
            match name {
                "SSL_CLIENT_VERIFY" => Datum::Verification("SUCCESS"),
                "SSL_CLIENT_CERT" => Datum::Certificate(crate::gateway::hop::Form::PemLines),
                "HTTPS" => Datum::Text("on".to_owned()),
                "NOTHING" => Datum::Null,
                "HTTP:X" => Datum::Header("x".to_owned()),
                _ => Datum::Other,
            }
        }
        fn assumed(&self, key: &str) -> Result<bool, String> {
            Err(key.to_owned())
        }
        fn client(&self) -> &'static str {
            "valid"
        }
    }

    #[test]
    fn expressions_are_decided_as_far_as_they_can_be() {
        let is = |text| holds(text, &Known);
        assert_eq!(is("%{SSL_CLIENT_VERIFY} == 'SUCCESS'"), Ok(true));
        assert_eq!(is("%{SSL_CLIENT_VERIFY} != \"SUCCESS\" || -z %{SSL_CLIENT_CERT}"), Ok(false));
        assert_eq!(is("-n %{SSL_CLIENT_CERT}"), Ok(true));
        assert_eq!(is("!(-n '%{NOTHING}') && %{HTTPS} eq 'on'"), Ok(true));
        assert_eq!(is("%{SSL_CLIENT_VERIFY} =~ /^SUCC/"), Ok(true));
        assert_eq!(is("%{SSL_CLIENT_VERIFY} in {'NONE', 'SUCCESS'}"), Ok(true));
        assert_eq!(is("%{HTTPS} == 'off' && %{REQUEST_URI} =~ m#^/a#"), Ok(false));
        assert_eq!(is("-z req('X')"), Err("the client sends x".to_owned()));
        assert_eq!(is("%{REQUEST_URI} =~ m#^/a# && true"), Err("%{REQUEST_URI} =~ ^/a".to_owned()));
        assert_eq!(is("((("), Err("(((".to_owned()));
    }

    #[test]
    fn conditions_of_rewriting() {
        assert_eq!(rewrite_condition("%{HTTPS}", "off", "", &Known), Ok(false));
        assert_eq!(rewrite_condition("%{HTTPS}", "!=on", "", &Known), Ok(false));
        assert_eq!(rewrite_condition("%{SSL_CLIENT_VERIFY}", "!^SUCCESS$", "", &Known), Ok(false));
        assert!(rewrite_condition("%{HTTP_HOST}", "^a", "NC", &Known).is_err());
    }
}
