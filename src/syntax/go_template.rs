//! Templates of Go (`text/template`) as trees: texts, and between `{{` and `}}` pipelines, conditions, loops, and other
//! templates that are put in. Only the form is read; what functions do is for whoever runs them.
//!
//! Nesting and the number of nodes are bounded. What can't be read is an output of which nothing is known.

/// How deep blocks and brackets may nest.
const MAX_DEPTH: usize = 32;
/// So many nodes are read.
const MAX_NODES: usize = 20_000;

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Text as it stands, in bytes.
    Text(usize, usize),
    /// What a pipeline comes to; with the bytes of the action.
    Output(Pipeline, (usize, usize)),
    /// Branches, each with its condition; then what holds where none does.
    If(Vec<(Pipeline, Vec<Node>)>, Vec<Node>),
    /// A body for each of several values, or what stands for none.
    Range {
        /// The variables: for the number or key and the value, or for the value alone.
        names: Vec<String>,
        /// The values.
        over: Pipeline,
        /// What is written for each.
        body: Vec<Node>,
        /// What is written where there is none.
        otherwise: Vec<Node>,
    },
    /// A body about a value that is there, or what stands for none.
    With {
        /// The variable.
        names: Vec<String>,
        /// The value.
        of: Pipeline,
        /// What is written about it.
        body: Vec<Node>,
        /// What is written where it is nothing.
        otherwise: Vec<Node>,
    },
    /// Another template, with what it is about; with the bytes of the action.
    Template(String, Option<Pipeline>, (usize, usize)),
    /// A template of that name.
    Define(String, Vec<Node>),
    /// A variable that is given a value.
    Assign(String, Pipeline),
}

/// Calls, each with the result of the one before as its last argument.
pub type Pipeline = Vec<Vec<Operand>>;

/// A part of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// `.a.b`; `.` alone has no names.
    Field(Vec<String>),
    /// `$x.a`; the name is without its sign, and empty for what the whole template is about.
    Variable(String, Vec<String>),
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A name: of a function, or `true`, `false`, `nil`.
    Word(String),
    /// A pipeline in brackets, and what of its result is meant.
    Group(Pipeline, Vec<String>),
}

/// Reads a template.
pub fn parse(text: &str) -> Vec<Node> {
    let mut reader = Reader { text, at: 0, left: MAX_NODES, trim: false };
    let mut nodes = Vec::new();
    // An `end` too many ends nothing.
    while reader.at < text.len() && reader.left > 0 {
        nodes.extend(reader.block(0).0);
    }
    nodes
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    left: usize,
    /// The action before takes away the blanks that follow it.
    trim: bool,
}

/// What ended a block.
enum Ended {
    /// The text's end.
    Off,
    /// `end`.
    Closed,
    /// `else`, with what follows the word.
    Otherwise(String),
}

impl<'a> Reader<'a> {
    fn block(&mut self, depth: usize) -> (Vec<Node>, Ended) {
        let mut nodes = Vec::new();
        loop {
            if self.left == 0 {
                self.at = self.text.len();
            }
            let rest = &self.text[self.at..];
            let open = rest.find("{{").map(|at| self.at + at);
            let (mut start, mut end) = (self.at, open.unwrap_or(self.text.len()));
            if std::mem::take(&mut self.trim) {
                start = end - self.text[start..end].trim_start().len();
            }
            let Some(open) = open else {
                self.at = self.text.len();
                push(&mut nodes, start, end);
                return (nodes, Ended::Off);
            };
            let Some(close) = self.closes(open + 2) else {
                self.at = self.text.len();
                push(&mut nodes, start, self.text.len());
                return (nodes, Ended::Off);
            };
            let mut inner = &self.text[open + 2..close];
            if let Some(rest) = inner.strip_prefix('-').filter(|rest| rest.starts_with(char::is_whitespace)) {
                inner = rest;
                end = start + self.text[start..end].trim_end().len();
            }
            if let Some(rest) = inner.strip_suffix('-').filter(|rest| rest.ends_with(char::is_whitespace)) {
                inner = rest;
                self.trim = true;
            }
            push(&mut nodes, start, end);
            self.at = close + 2;
            self.left = self.left.saturating_sub(1);
            let inner = inner.trim();
            let (word, rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
            match word {
                _ if inner.starts_with("/*") => {}
                "end" => return (nodes, Ended::Closed),
                "else" => return (nodes, Ended::Otherwise(rest.trim().to_owned())),
                _ if depth >= MAX_DEPTH => nodes.push(Node::Output(Vec::new(), (open, self.at))),
                "if" => nodes.push(self.branches(rest, depth)),
                "range" | "with" => {
                    let (names, over) = assigned(rest);
                    let (body, ended) = self.block(depth + 1);
                    let otherwise =
                        if matches!(ended, Ended::Otherwise(_)) { self.block(depth + 1).0 } else { Vec::new() };
                    nodes.push(match word {
                        "range" => Node::Range { names, over, body, otherwise },
                        _ => Node::With { names, of: over, body, otherwise },
                    });
                }
                "define" | "block" => {
                    let mut words = Words::new(rest);
                    let name = words.next_text().unwrap_or_default();
                    let about = words.pipeline(0);
                    nodes.push(Node::Define(name.clone(), self.block(depth + 1).0));
                    if word == "block" {
                        nodes.push(Node::Template(name, Some(about), (open, self.at)));
                    }
                }
                "template" => {
                    let mut words = Words::new(rest);
                    let name = words.next_text().unwrap_or_default();
                    let about = Some(words.pipeline(0)).filter(|about| !about.is_empty());
                    nodes.push(Node::Template(name, about, (open, self.at)));
                }
                _ => {
                    let (mut names, value) = assigned(inner);
                    nodes.push(match names.pop() {
                        Some(name) => Node::Assign(name, value),
                        None => Node::Output(value, (open, self.at)),
                    });
                }
            }
        }
    }

    /// `if`, with all that follows up to its end.
    fn branches(&mut self, condition: &str, depth: usize) -> Node {
        let mut branches = Vec::new();
        let mut condition = condition.to_owned();
        loop {
            let (body, ended) = self.block(depth + 1);
            branches.push((Words::new(&condition).pipeline(0), body));
            match ended {
                Ended::Otherwise(rest) if rest.starts_with("if ") && self.left > 0 => condition = rest[3..].to_owned(),
                Ended::Otherwise(_) => return Node::If(branches, self.block(depth + 1).0),
                Ended::Closed | Ended::Off => return Node::If(branches, Vec::new()),
            }
        }
    }

    /// Where an action ends that begins at `at`: at the first `}}` that stands in no text.
    fn closes(&self, at: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        if self.text[at..].trim_start_matches(['-', ' ']).starts_with("/*") {
            let end = at + self.text[at..].find("*/")?;
            return Some(end + self.text[end..].find("}}")?);
        }
        let mut quote = None;
        let mut at = at;
        while let Some(byte) = bytes.get(at) {
            match (quote, byte) {
                (None, b'"' | b'`' | b'\'') => quote = Some(*byte),
                (Some(b'"' | b'\''), b'\\') => at += 1,
                (Some(open), byte) if open == *byte => quote = None,
                (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
                _ => {}
            }
            at += 1;
        }
        None
    }
}

fn push(nodes: &mut Vec<Node>, start: usize, end: usize) {
    if end > start {
        nodes.push(Node::Text(start, end));
    }
}

/// The variables before `:=` or `=`, without their signs, and what they are given.
fn assigned(text: &str) -> (Vec<String>, Pipeline) {
    let text = text.trim();
    let variables = || {
        let at = text.find('=').filter(|_| text.starts_with('$'))?;
        let names = text[..at].trim_end_matches(':');
        let named: Option<Vec<String>> =
            names.split(',').map(|name| Some(name.trim().strip_prefix('$')?.to_owned())).collect();
        let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Some((named.filter(|all| all.iter().all(plain))?, &text[at + 1..]))
    };
    match variables() {
        Some((names, rest)) => (names, Words::new(rest).pipeline(0)),
        None => (Vec::new(), Words::new(text).pipeline(0)),
    }
}

/// The words of an action.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.trim() }
    }

    /// A text, if one stands next.
    fn next_text(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let quote = self.rest.chars().next().filter(|first| matches!(first, '"' | '`' | '\''))?;
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' if quote != '`' => match characters.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    other => text.push(other),
                },
                _ if character == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                _ => text.push(character),
            }
        }
        self.rest = "";
        Some(text)
    }

    fn pipeline(&mut self, depth: usize) -> Pipeline {
        let mut calls = vec![Vec::new()];
        loop {
            self.rest = self.rest.trim_start();
            let Some(first) = self.rest.chars().next() else { break };
            let call = match calls.last_mut() {
                Some(call) => call,
                None => break,
            };
            match first {
                ')' => break,
                '|' => {
                    self.rest = &self.rest[1..];
                    calls.push(Vec::new());
                }
                '(' if depth < MAX_DEPTH => {
                    self.rest = &self.rest[1..];
                    let inner = self.pipeline(depth + 1);
                    self.rest = self.rest.trim_start().strip_prefix(')').unwrap_or(self.rest);
                    let names = if self.rest.starts_with('.') { self.names() } else { Vec::new() };
                    call.push(Operand::Group(inner, names));
                }
                '"' | '`' | '\'' => call.extend(self.next_text().map(Operand::Text)),
                '.' => {
                    let names = self.names();
                    call.push(Operand::Field(names));
                }
                '$' => {
                    self.rest = &self.rest[1..];
                    let name = self.word();
                    let names = if self.rest.starts_with('.') { self.names() } else { Vec::new() };
                    call.push(Operand::Variable(name, names));
                }
                _ => {
                    let word = self.word();
                    if word.is_empty() {
                        // Nothing that is known begins so.
                        self.rest = &self.rest[first.len_utf8()..];
                    } else {
                        call.push(word.parse().map_or(Operand::Word(word), Operand::Number));
                    }
                }
            }
        }
        calls.retain(|call| !call.is_empty());
        calls
    }

    /// `.a.b`
    fn names(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(rest) = self.rest.strip_prefix('.') {
            self.rest = rest;
            let name = self.word();
            if name.is_empty() {
                break;
            }
            names.push(name);
        }
        names
    }

    fn word(&mut self) -> String {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let end = self.rest.find(|c: char| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(names: &[&str]) -> Operand {
        Operand::Field(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn texts_and_actions_are_told_apart() {
        let text = "a {{ .x.y | default \"}}\" }} b {{- /* no */ -}} c";
        let call = vec![Operand::Word("default".to_owned()), Operand::Text("}}".to_owned())];
        assert_eq!(
            parse(text),
            [
                Node::Text(0, 2),
                Node::Output(vec![vec![field(&["x", "y"])], call], (2, 27)),
                Node::Text(27, 29),
                Node::Text(47, 48),
            ]
        );
    }

    #[test]
    fn blocks_hold_what_is_in_them() {
        let text = "{{ range $i, $e := .list }}{{ if $i }},{{ else if .a }}x{{ else }}y{{ end }}{{ template \"t\" $e }}{{ end }}";
        let parsed = parse(text);
        let [Node::Range { names, over, body, .. }] = parsed.as_slice() else { panic!("{parsed:?}") };
        assert_eq!((names.join(" "), over), ("i e".to_owned(), &vec![vec![field(&["list"])]]));
        let [Node::If(branches, otherwise), Node::Template(name, Some(_), _)] = body.as_slice() else {
            panic!("{body:?}")
        };
        assert_eq!((branches.len(), otherwise.len(), name.as_str()), (2, 1, "t"));
    }

    #[test]
    fn brackets_are_calls_of_their_own() {
        let text = "{{ if and (eq $.a.b 1) (not .c) }}x{{ end }}";
        let [Node::If(branches, _)] = &parse(text)[..] else { panic!("a condition") };
        let [call] = branches[0].0.as_slice() else { panic!("one call") };
        assert_eq!(call.len(), 3);
        assert!(
            matches!(&call[1], Operand::Group(inner, _) if inner[0][1] == Operand::Variable(String::new(), vec!["a".into(), "b".into()]))
        );
    }

    proptest! {
        #[test]
        fn never_panics(words in prop::collection::vec(prop::sample::select(vec![
            "{{", "}}", "{{-", " -}}", " if ", " else ", " end ", " range ", "$i, $e := ", ".a.b", "\"", "`", "(", ")", "|", "template \"x\" ", "define ", "é", "\n", "/*", "*/", "= ",
        ]), 0..60)) {
            let _ = parse(&words.concat());
        }
    }
}
