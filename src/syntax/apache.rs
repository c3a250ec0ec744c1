//! Configuration of Apache httpd as a tree of directives and sections, each with its place (httpd 2.4, "Configuration
//! Files": one directive a line, a backslash at the end continues it, `#` begins a remark only at the start of a line).

use super::template::{self, Guard};

/// Sections may nest so deep; deeper ones are left out.
const MAX_DEPTH: usize = 40;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text, without quotes.
    pub text: String,
    /// A variable or a template stands in it.
    pub open: bool,
}

/// A directive, or a section with what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, lower case: `proxypass`, `virtualhost`.
    pub name: String,
    /// What follows the name.
    pub words: Vec<Word>,
    /// Byte offsets, from the name (or `<`) to the end of the directive (or `>`).
    pub bytes: (usize, usize),
    /// What stands in it, if it is a section.
    pub children: Option<Vec<Node>>,
    /// What of a template it stands under.
    pub guards: Vec<Guard>,
}

impl Node {
    /// The text of a word; nothing past the last.
    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.text.as_str())
    }

    /// All words, with blanks between them.
    pub fn rest(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// What was read of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Directives and sections, in order.
    pub nodes: Vec<Node>,
    /// What could not be read: offsets, and why.
    pub holes: Vec<(usize, usize, &'static str)>,
}

/// Reads a text.
pub fn parse(text: &str) -> Document {
    let mut document = Document::default();
    let mut guards: Vec<Guard> = Vec::new();
    // Sections that are open, the outermost first; the ground itself is the first.
    let mut open: Vec<Node> = vec![section("", Vec::new(), (0, 0), Vec::new())];
    let mut skipped = 0usize;
    let mut rest = text;
    let mut at = 0;
    while !rest.is_empty() {
        let (line, length) = logical(rest);
        let start = at + (line.len() - line.trim_start().len());
        let end = at + line.trim_end().len();
        at += length;
        rest = &rest[length..];
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if let Some(statement) = template::statement(trimmed) {
            if !template::turn(&mut guards, statement) {
                document.holes.push((start, end, "a template fills this in"));
            }
            continue;
        }
        if let Some(name) = trimmed.strip_prefix("</") {
            let name = name.trim_end_matches('>').trim().to_ascii_lowercase();
            if skipped > 0 {
                skipped -= 1;
            } else if let Some(depth) = open.iter().rposition(|node| node.name == name).filter(|depth| *depth > 0) {
                if depth + 1 < open.len() {
                    document.holes.push((start, end, "a section within is not closed"));
                }
                close(&mut open, depth);
            } else {
                document.holes.push((start, end, "no such section is open"));
            }
            continue;
        }
        let joined = trimmed.replace("\\\r\n", " ").replace("\\\n", " ");
        if let Some(inner) = joined.strip_prefix('<') {
            let inner = inner.trim_end().strip_suffix('>').unwrap_or(inner);
            let (name, words) = split(inner);
            if open.len() > MAX_DEPTH {
                skipped += 1;
            } else {
                open.push(section(&name, words, (start, end), guards.clone()));
            }
            continue;
        }
        let (name, words) = split(&joined);
        if skipped == 0
            && let Some(parent) = open.last_mut().and_then(|node| node.children.as_mut())
        {
            parent.push(Node { name, words, bytes: (start, end), children: None, guards: guards.clone() });
        }
    }
    for node in open.iter().skip(1) {
        document.holes.push((node.bytes.0, node.bytes.1, "this section is not closed"));
    }
    close(&mut open, 1);
    document.nodes = open.pop().and_then(|node| node.children).unwrap_or_default();
    document.holes.sort_unstable();
    document
}

fn section(name: &str, words: Vec<Word>, bytes: (usize, usize), guards: Vec<Guard>) -> Node {
    Node { name: name.to_owned(), words, bytes, children: Some(Vec::new()), guards }
}

/// Closes all sections from that depth on.
fn close(open: &mut Vec<Node>, depth: usize) {
    while open.len() > depth.max(1) {
        let Some(node) = open.pop() else { return };
        if let Some(children) = open.last_mut().and_then(|parent| parent.children.as_mut()) {
            children.push(node);
        }
    }
}

/// A line with those that continue it, and how many bytes it takes with its end.
fn logical(text: &str) -> (&str, usize) {
    let mut end = 0;
    loop {
        let length = memchr::memchr(b'\n', &text.as_bytes()[end..]).map_or(text.len() - end, |at| at + 1);
        end += length;
        let line = text[..end].trim_end_matches(['\n', '\r']);
        if !line.ends_with('\\') || end == text.len() {
            return (line, end);
        }
    }
}

/// A directive's name and its words.
fn split(text: &str) -> (String, Vec<Word>) {
    let text = text.trim();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let name = text[..end].to_ascii_lowercase();
    let mut words = Vec::new();
    let mut rest = text[end..].trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => quoted(&rest[1..], first),
            _ => {
                let end = bare(rest);
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        let open = word.match_indices(['$', '{', '<']).any(|(at, _)| template::filled_in(&word[at..]).is_some());
        words.push(Word { text: word, open });
        rest = after.trim_start();
    }
    (name, words)
}

/// The length of a word without quotes; what a template fills in may hold blanks.
fn bare(text: &str) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if let Some(length) = template::filled_in(&text[at..]) {
            at += length;
        } else if c.is_whitespace() {
            break;
        } else {
            at += c.len_utf8();
        }
    }
    at
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut word = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return (word, &text[at + c.len_utf8()..]);
        }
        // A backslash takes away the meaning of a quote and of a backslash, and stays before anything else.
        if c == '\\'
            && let Some(next) = text[at + 1..].chars().next()
            && (next == quote || next == '\\')
        {
            word.push(next);
            chars.next();
            continue;
        }
        word.push(c);
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_nest() {
        let text = "Listen 80\n<VirtualHost *:443>\n  <Location \"/a b\">\n    ProxyPass http://x\n  </Location>\n</VirtualHost>\n";
        let document = parse(text);
        assert_eq!(document.holes, []);
        let host = &document.nodes[1];
        assert_eq!((host.name.as_str(), host.word(0)), ("virtualhost", "*:443"));
        assert_eq!(&text[host.bytes.0..host.bytes.1], "<VirtualHost *:443>");
        let location = &host.children.as_ref().expect("a section")[0];
        assert_eq!(location.word(0), "/a b");
        let pass = &location.children.as_ref().expect("a section")[0];
        assert_eq!(&text[pass.bytes.0..pass.bytes.1], "ProxyPass http://x");
    }

    #[test]
    fn lines_go_on_and_quotes_are_undone() {
        let text = "RequestHeader set X \\\n  \"a \\\"b\\\" \\d\" 'c d' # e\n# x \\\nListen 1\nListen 2\n";
        let document = parse(text);
        let words: Vec<&str> = document.nodes[0].words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(words, ["set", "X", "a \"b\" \\d", "c d", "#", "e"]);
        assert_eq!(document.nodes.len(), 2); // a remark goes on, too
    }

    #[test]
    fn what_does_not_nest_is_a_hole() {
        let document = parse("<VirtualHost *>\n<Location />\nA\n</VirtualHost>\n</Location>\n<If \"a\">\nB\n");
        assert_eq!(document.holes.len(), 3);
        assert_eq!(document.nodes.len(), 2);
    }

    #[test]
    fn templates_are_seen() {
        let document = parse("{% if a %}\nListen {{ port }}\n{% endif %}\nDefine x ${y}\n{{ rest }}\n");
        assert_eq!((document.nodes[0].guards.len(), document.nodes[0].words.len()), (1, 1));
        assert!(document.nodes[0].words[0].open && document.nodes[1].words[1].open);
        assert_eq!(document.holes.len(), 1);
    }
}
