//! Bicep, the language of Azure Resource Manager, as the trees that its templates in JSON have (`parameters`, `variables`,
//! `resources`, `outputs`; what is no literal is a text `[…]` of its source, a literal that begins with a bracket has it
//! twice). Modules, which a template has no word for, stand under `modules`; a resource has the name by which the file
//! calls it under [`SYMBOL`].
//!
//! Of a statement that can't be read the line is passed over and the rest is read. Nesting is bounded, and no byte is looked
//! at more than a few times.

use super::inner::Inner;
use super::yaml::{Kind, Node};
use crate::span::LineColumn;

/// How deep objects and arrays may nest; below stands a [`Kind::Hole`].
pub const MAX_DEPTH: usize = 64;

/// The key under which a resource has its symbolic name.
pub const SYMBOL: &str = "(symbol)";
/// The key of a resource that is declared elsewhere.
pub const EXISTING: &str = "(existing)";

/// What was read of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// The template: a mapping.
    pub template: Node,
    /// Where the first place that could not be read begins, in bytes.
    pub error: Option<usize>,
}

/// Reads a text.
pub fn parse(text: &str) -> File {
    let mut reader = Reader::new(text);
    if text.starts_with('\u{feff}') {
        reader.at = 3;
    }
    let mut template = Template::default();
    loop {
        reader.space(true);
        let before = reader.at;
        if reader.peek().is_none() {
            break;
        }
        if reader.statement(&mut template).is_none() {
            reader.error.get_or_insert(before);
            reader.skip_line();
        }
        if reader.at == before {
            reader.skip_line();
        }
    }
    let section = |name: &str, kind: Kind| (reader.scalar(name, (0, 0)), reader.node(kind, (0, text.len())));
    let entries = vec![
        section("parameters", Kind::Mapping(template.parameters)),
        section("variables", Kind::Mapping(template.variables)),
        section("resources", Kind::Sequence(template.resources)),
        section("modules", Kind::Mapping(template.modules)),
        section("outputs", Kind::Mapping(template.outputs)),
    ];
    let template = reader.node(Kind::Mapping(entries), (0, text.len()));
    File { template, error: reader.error }
}

/// The text that stands quoted at a byte (`'…'` or `'''…'''`), its escapes undone. What is put into it stays as it is written.
pub fn quoted(text: &str, start: usize) -> Option<Inner> {
    let rest = text.get(start..)?;
    let length = string_length(rest)?;
    let literal = rest.get(..length)?;
    if let Some(inner) = literal.strip_prefix("'''") {
        let inner = inner.strip_suffix("'''")?;
        // A line break that follows the quotes at once does not belong to it.
        let cut = if inner.starts_with("\r\n") { 2 } else { usize::from(inner.starts_with('\n')) };
        return Some(Inner::whole(&inner[cut..], start + 3 + cut, start + length - 3));
    }
    let bytes = literal.as_bytes();
    let mut inner = Inner::default();
    let (mut at, mut from) = (1, 1);
    while at + 1 < length {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        inner.piece(start + from, literal.get(from..at)?);
        let escaped = literal.get(at + 1..)?;
        let (undone, taken) = match escaped.bytes().next()? {
            b'n' => ("\n".to_owned(), 1),
            b'r' => ("\r".to_owned(), 1),
            b't' => ("\t".to_owned(), 1),
            b'u' => {
                let code = escaped.strip_prefix("u{").and_then(|rest| rest.split('}').next());
                let read = |code: &str| char::from_u32(u32::from_str_radix(code, 16).ok()?);
                match code.and_then(|code| Some((read(code)?, code.len()))) {
                    Some((c, digits)) => (c.to_string(), digits + 3),
                    None => ("u".to_owned(), 1),
                }
            }
            _ => {
                let c = escaped.chars().next()?;
                (c.to_string(), c.len_utf8())
            }
        };
        inner.piece(start + at, &undone);
        at += 1 + taken;
        from = at;
    }
    inner.piece(start + from, literal.get(from..length - 1)?);
    Some(inner)
}

/// How long the quoted text is that a text begins with, its quotes included.
pub fn string_length(text: &str) -> Option<usize> {
    string_end(text, 0)
}

fn string_end(text: &str, depth: usize) -> Option<usize> {
    if let Some(rest) = text.strip_prefix("'''") {
        let end = rest.find("'''")?;
        // Quotes that follow at once belong to the text.
        let more = rest[end + 3..].bytes().take_while(|byte| *byte == b'\'').count();
        return Some(3 + end + 3 + more);
    }
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'\'') || depth > MAX_DEPTH {
        return None;
    }
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => return Some(at + 1),
            b'\n' => return None,
            b'\\' => at += 2,
            b'$' if bytes.get(at + 1) == Some(&b'{') => at += 2 + hole_end(text.get(at + 2..)?, depth)?,
            _ => at += 1,
        }
    }
    None
}

/// How long what is put into a text is, up to and with its brace.
fn hole_end(text: &str, depth: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 1usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => {
                at += string_end(text.get(at..)?, depth + 1)?;
                continue;
            }
            b'{' => open += 1,
            b'}' => open -= 1,
            b'\n' => return None,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return Some(at);
        }
    }
    None
}

#[derive(Default)]
struct Template {
    parameters: Vec<(Node, Node)>,
    variables: Vec<(Node, Node)>,
    resources: Vec<Node>,
    modules: Vec<(Node, Node)>,
    outputs: Vec<(Node, Node)>,
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    lines: Vec<usize>,
    error: Option<usize>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { text, bytes: text.as_bytes(), at: 0, lines, error: None }
    }

    fn node(&self, kind: Kind, bytes: (usize, usize)) -> Node {
        let line = self.lines.partition_point(|first| *first <= bytes.0);
        let column = bytes.0 - self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0) + 1;
        Node { kind, place: LineColumn { line: line as u64, column: column as u64 }, bytes }
    }

    fn scalar(&self, text: &str, bytes: (usize, usize)) -> Node {
        self.node(Kind::Scalar { text: text.to_owned(), plain: false }, bytes)
    }

    fn hole(&self, start: usize) -> Node {
        self.node(Kind::Hole, (start, self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over blanks and comments; over line breaks and commas, too, if `lines`.
    fn space(&mut self, lines: bool) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\n' | b',') if lines => self.at += 1,
                Some(b'/') if self.rest().starts_with("//") => self.skip_line(),
                Some(b'/') if self.rest().starts_with("/*") => {
                    let end = self.rest()[2..].find("*/");
                    self.at = end.map_or(self.bytes.len(), |end| self.at + 2 + end + 2);
                }
                // Directives for the linter.
                Some(b'#') => self.skip_line(),
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        self.at = memchr::memchr(b'\n', self.bytes.get(self.at..).unwrap_or_default())
            .map_or(self.bytes.len(), |end| self.at + end);
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.space(false);
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// A name (letters, digits, `_`).
    fn name(&mut self) -> Option<Node> {
        self.space(false);
        let start = self.at;
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        self.at += length;
        (length > 0).then(|| self.scalar(&rest[..length], (start, self.at)))
    }

    /// A quoted text without anything put into it.
    fn literal(&mut self) -> Option<Node> {
        self.space(false);
        let start = self.at;
        let length = string_length(self.rest())?;
        let source = &self.rest()[..length];
        if !source.starts_with("'''") && holds_hole(source) {
            return None;
        }
        let text = quoted(self.text, start)?.text;
        self.at += length;
        let text = if text.starts_with('[') { format!("[{text}") } else { text };
        Some(self.scalar(&text, (start, self.at)))
    }

    /// One statement; nothing where it can't be read.
    fn statement(&mut self, template: &mut Template) -> Option<()> {
        while self.peek() == Some(b'@') {
            self.at += 1;
            self.raw();
            self.space(true);
        }
        let word = self.name()?;
        match word.text()? {
            "param" => {
                let name = self.name()?;
                self.kind();
                let body = if self.takes("=") {
                    let default = self.value(0);
                    Kind::Mapping(vec![(self.scalar("defaultValue", name.bytes), default)])
                } else {
                    Kind::Mapping(Vec::new())
                };
                let body = self.node(body, name.bytes);
                template.parameters.push((name, body));
            }
            "var" => {
                let name = self.name()?;
                self.kind();
                self.takes("=").then_some(())?;
                let value = self.value(0);
                template.variables.push((name, value));
            }
            "output" => {
                let name = self.name()?;
                self.kind();
                self.takes("=").then_some(())?;
                let value = self.value(0);
                let entry = (self.scalar("value", name.bytes), value);
                let body = self.node(Kind::Mapping(vec![entry]), name.bytes);
                template.outputs.push((name, body));
            }
            "resource" => {
                let resource = self.resource(0)?;
                template.resources.push(resource);
            }
            "module" => {
                let name = self.name()?;
                let source = self.literal()?;
                let mut body = self.declared(0)?;
                if let Kind::Mapping(entries) = &mut body.kind {
                    entries.push((self.scalar("source", source.bytes), source));
                }
                template.modules.push((name, body));
            }
            // What else there is says nothing of resources.
            "targetScope" | "metadata" | "type" | "func" | "import" | "using" | "extension" | "assert" | "provider" => {
                _ = self.raw();
            }
            _ => return None,
        }
        Some(())
    }

    /// A type, up to the `=` or the end of the line.
    fn kind(&mut self) {
        let mut open = 0usize;
        loop {
            self.space(open > 0);
            match self.peek() {
                None => return,
                Some(b'=' | b'\n') if open == 0 => return,
                Some(b'\'') => self.at += string_length(self.rest()).unwrap_or(1),
                Some(byte) => {
                    match byte {
                        b'{' | b'[' | b'(' => open += 1,
                        b'}' | b']' | b')' => open = open.saturating_sub(1),
                        _ => {}
                    }
                    self.at += self.rest().chars().next().map_or(1, char::len_utf8);
                }
            }
        }
    }

    /// `name 'type@version' = {…}`, after its keyword.
    fn resource(&mut self, depth: usize) -> Option<Node> {
        let symbol = self.name()?;
        let kind = self.literal()?;
        self.space(false);
        let existing = self.rest().starts_with("existing").then(|| self.name()).flatten();
        let mut body = self.declared(depth)?;
        if let Kind::Mapping(entries) = &mut body.kind {
            entries.insert(0, (self.scalar(SYMBOL, symbol.bytes), symbol));
            entries.insert(1, (self.scalar("type", kind.bytes), kind));
            entries.extend(existing.map(|word| (self.scalar(EXISTING, word.bytes), word)));
        }
        Some(body)
    }

    /// `= {…}`, `= if (…) {…}` or `= [for … : {…}]`.
    fn declared(&mut self, depth: usize) -> Option<Node> {
        self.takes("=").then_some(())?;
        self.space(true);
        let repeated = self.peek() == Some(b'[');
        if repeated {
            self.at += 1;
            self.space(true);
            self.rest().starts_with("for").then_some(())?;
            // Up to the colon after what is gone through.
            self.balanced(|byte| byte == b':');
            self.takes(":").then_some(())?;
            self.space(true);
        }
        if self.rest().starts_with("if") {
            self.at += 2;
            self.space(false);
            if self.peek() == Some(b'(') {
                self.at += 1;
                self.balanced(|_| false);
                self.at += 1;
            }
            self.space(true);
        }
        let start = self.at;
        (self.peek() == Some(b'{')).then_some(())?;
        let body = self.value(depth);
        if repeated {
            self.space(true);
            self.takes("]");
        }
        matches!(body.kind, Kind::Mapping(_)).then(|| Node { bytes: (start, self.at.max(start)), ..body })
    }

    fn value(&mut self, depth: usize) -> Node {
        self.space(true);
        let start = self.at;
        if depth >= MAX_DEPTH {
            _ = self.raw();
            return self.hole(start);
        }
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                let entries = self.object(depth + 1);
                self.node(Kind::Mapping(entries), (start, self.at))
            }
            Some(b'[') => {
                self.at += 1;
                self.space(true);
                if self.rest().starts_with("for ") || self.rest().starts_with("for(") {
                    self.balanced(|_| false);
                    self.at = (self.at + 1).min(self.bytes.len());
                    return self.hole(start);
                }
                let mut items = Vec::new();
                loop {
                    self.space(true);
                    match self.peek() {
                        None => break,
                        Some(b']') => {
                            self.at += 1;
                            break;
                        }
                        _ => {}
                    }
                    let before = self.at;
                    items.push(self.value(depth + 1));
                    if self.at == before {
                        self.error.get_or_insert(before);
                        self.skip_char();
                    }
                }
                self.node(Kind::Sequence(items), (start, self.at))
            }
            _ => self.scalar_value(),
        }
    }

    /// The entries of an object up to its brace.
    fn object(&mut self, depth: usize) -> Vec<(Node, Node)> {
        let mut entries = Vec::new();
        loop {
            self.space(true);
            let start = self.at;
            match self.peek() {
                None => return entries,
                Some(b'}') => {
                    self.at += 1;
                    return entries;
                }
                Some(b'@') => {
                    self.at += 1;
                    _ = self.raw();
                    continue;
                }
                _ => {}
            }
            if self.rest().starts_with("...") {
                _ = self.raw();
                entries.push((self.scalar("...", (start, start + 3)), self.hole(start)));
                continue;
            }
            let is_name = !self.rest().starts_with('\'');
            let key = if is_name { self.name() } else { self.literal() };
            let Some(key) = key else {
                // A key that is put together, or no key at all.
                _ = self.raw();
                if self.at == start {
                    self.skip_char();
                }
                continue;
            };
            if is_name && key.text() == Some("resource") && !self.followed_by_colon() {
                if let Some(nested) = self.resource(depth) {
                    let at = key.bytes;
                    let list = self.node(Kind::Sequence(vec![nested]), at);
                    entries.push((self.scalar("resources", at), list));
                } else {
                    self.skip_line();
                }
                continue;
            }
            if self.takes(":") {
                let value = self.value(depth);
                entries.push((key, value));
                self.end();
            } else {
                self.error.get_or_insert(start);
                _ = self.raw();
                if self.at == start {
                    self.skip_char();
                }
            }
        }
    }

    fn followed_by_colon(&mut self) -> bool {
        self.space(false);
        self.peek() == Some(b':')
    }

    /// Passes over what follows a value on its line, such as an operator after an object.
    fn end(&mut self) {
        self.space(false);
        if !matches!(self.peek(), None | Some(b'\n' | b',' | b'}' | b']')) {
            _ = self.raw();
        }
    }

    fn skip_char(&mut self) {
        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
    }

    /// A literal, or the source of an expression.
    fn scalar_value(&mut self) -> Node {
        let start = self.at;
        if let Some(text) = self.literal() {
            let after = self.at;
            self.space(false);
            if matches!(self.peek(), None | Some(b'\n' | b',' | b'}' | b']')) && !self.goes_on() {
                self.at = after;
                return text;
            }
        }
        self.at = start;
        let source = self.raw();
        let bytes = (start, start + source.len());
        match source {
            "" => self.hole(start),
            "null" | "true" | "false" => self.node(Kind::Scalar { text: source.to_owned(), plain: true }, bytes),
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => self.scalar(number, bytes),
            source => self.scalar(&format!("[{source}]"), bytes),
        }
    }

    /// The source of an expression: up to the end of the line, a comma, or a bracket that was not opened in it. Operators go
    /// on in the next line.
    fn raw(&mut self) -> &'a str {
        let start = self.at;
        loop {
            self.balanced(|byte| matches!(byte, b'\n' | b','));
            if self.peek() != Some(b'\n') || !self.goes_on() {
                break;
            }
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default().trim_end()
    }

    /// Whether the next line begins with an operator.
    fn goes_on(&self) -> bool {
        let next = self.rest().trim_start();
        self.peek() == Some(b'\n')
            && ["?", ":", "&&", "|", "==", "!=", "+", "."].iter().any(|sign| next.starts_with(sign))
            && !next.starts_with("...")
    }

    /// Passes over text up to a byte that ends it outside of all brackets, or up to a bracket that closes what was opened
    /// before.
    fn balanced(&mut self, ends: impl Fn(u8) -> bool) {
        let mut open = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' => {
                    self.at += string_length(self.rest()).unwrap_or(1);
                    continue;
                }
                b'/' if self.rest().starts_with("//") => {
                    self.skip_line();
                    continue;
                }
                b'/' if self.rest().starts_with("/*") => {
                    self.space(false);
                    continue;
                }
                b'(' | b'[' | b'{' => open += 1,
                b')' | b']' | b'}' if open == 0 => return,
                b')' | b']' | b'}' => open -= 1,
                byte if open == 0 && ends(byte) => return,
                _ => {}
            }
            self.skip_char();
        }
    }
}

/// Whether something is put into a quoted text.
fn holds_hole(source: &str) -> bool {
    let mut bytes = source.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'$' if bytes.peek() == Some(&b'{') => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A tree in one line.
    fn shown(node: &Node) -> String {
        match &node.kind {
            Kind::Scalar { text, .. } => text.clone(),
            Kind::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Kind::Mapping(entries) => {
                let entry = |(key, value): &(Node, Node)| format!("{}:{}", shown(key), shown(value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
            Kind::Hole => "?".to_owned(),
        }
    }

    fn section(text: &str, name: &str) -> String {
        let file = parse(text);
        assert_eq!(file.error, None, "{text}");
        file.template.get(name).map(shown).unwrap_or_default()
    }

    #[test]
    fn declarations_are_a_template() {
        let text = r"targetScope = 'resourceGroup'
@description('The name, which may have
 a line break')
param name string = 'a\'b' // trailing
@allowed([ 'x'
  'y' ])
param mode ('x' | 'y')
param shape { a: string, b: int? } = { a: 'q', b: 2 }
var id = resourceId('T', name, 'z')
var both = name == 'a'
  ? 'yes'
  : 'no'
output o string = svc.id
func f(a string) string => a
type t =
  | 'x'
  | 'y'
";
        assert_eq!(section(text, "parameters"), "{name:{defaultValue:a'b} mode:{} shape:{defaultValue:{a:q b:2}}}");
        assert_eq!(
            section(text, "variables"),
            "{id:[resourceId('T', name, 'z')] both:[name == 'a'\n  ? 'yes'\n  : 'no']}"
        );
        assert_eq!(section(text, "outputs"), "{o:{value:[svc.id]}}");
    }

    #[test]
    fn resources_have_their_settings() {
        let text = "resource svc 'T/svc@2023' existing = {\n  name: 'n'\n}\nresource a 'T/a@1' = if (x == 'y') {\n  parent: svc\n  \
            name: '${svc.name}/a'\n  properties: { list: [ 'p', 'q' ] , on: true\n other: [\n {\n a: 1\n }\n b\n ] }\n  \
            resource inner 'b' = {\n    name: '[c'\n  }\n}\nresource many 'T/m@1' = [for n in range(0, 2): {\n  name: n\n}]\n\
            module m './m.bicep' = {\n  params: { ...more, a: [for x in y: x] }\n}\n";
        assert_eq!(
            section(text, "resources"),
            "[{(symbol):svc type:T/svc@2023 name:n (existing):existing} {(symbol):a type:T/a@1 parent:[svc] \
             name:['${svc.name}/a'] properties:{list:[p q] on:true other:[{a:1} [b]]} resources:[{(symbol):inner type:b \
             name:[[c}]} {(symbol):many type:T/m@1 name:[n]}]"
        );
        assert_eq!(section(text, "modules"), "{m:{params:{...:? a:?} source:./m.bicep}}");
    }

    #[test]
    fn texts_of_several_lines_know_their_places() {
        let text = "var p = '''\n<a>\n  it''s\n</a>'''\nvar q = 'x\\n\\u{e9}${y}'\n";
        assert_eq!(section(text, "variables"), "{p:<a>\n  it''s\n</a> q:['x\\n\\u{e9}${y}']}");
        let inner = quoted(text, text.find("'''").expect("it")).expect("a text");
        assert_eq!(inner.text, "<a>\n  it''s\n</a>");
        assert_eq!(text.get(inner.outer(6)..inner.outer(10)), Some("it''"));
        let inner = quoted(text, text.find("'x").expect("it")).expect("a text");
        assert_eq!(inner.text, "x\n\u{e9}${y}");
        assert_eq!(text.get(inner.outer(4)..), Some("${y}'\n"));
    }

    #[test]
    fn deep_nesting_is_a_hole() {
        let deep = format!("var a = {}1{}\nvar b = 2\n", "[".repeat(5_000), "]".repeat(5_000));
        let file = parse(&deep);
        assert_eq!(file.template.get("variables").and_then(|all| all.get("b")).and_then(Node::text), Some("2"));
    }

    fn inside(node: &Node, text: &str) {
        assert!(node.bytes.0 <= node.bytes.1 && text.get(node.bytes.0..node.bytes.1).is_some(), "{:?}", node.bytes);
        match &node.kind {
            Kind::Mapping(entries) => entries.iter().for_each(|(key, value)| {
                inside(key, text);
                inside(value, text);
            }),
            Kind::Sequence(items) => items.iter().for_each(|item| inside(item, text)),
            Kind::Scalar { .. } | Kind::Hole => {}
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(words in prop::collection::vec(prop::sample::select(vec![
            "resource a 'T/a@1' = ", "param p string", "var v", " = ", "{\n", "}", "[", "]", "(", ")", "'", "'''", "${", "\\", "\n",
            "name: ", "a", "if (", "[for x in y: ", ": ", ",", "@description(", "...", "?", "//", "/*", "*/", "#", "é", "module m './m.bicep'",
            "output o int", "existing", "null", "12", "func", "\r\n",
        ]), 0..60)) {
            let text = words.concat();
            inside(&parse(&text).template, &text);
            for (at, _) in text.match_indices('\'') {
                if let Some(inner) = quoted(&text, at) {
                    prop_assert!(inner.outer(inner.text.len()) <= text.len());
                }
            }
        }
    }
}
