//! Directives as nginx writes them: `name argument argument;` or `name argument { … }`, to any depth.
//!
//! Templates are read as far as they are directives: what a template engine puts in place of `{{ … }}`, `<% … %>` or
//! `{% … %}` is [`UNKNOWN`] within a word, and a hole where it stands by itself.

/// Stands in a word for what a template engine is to put there.
pub const UNKNOWN: char = '\u{fffc}';

/// How deep blocks may nest.
pub const MAX_DEPTH: usize = 40;
/// How many directives one text may have.
pub const MAX_DIRECTIVES: usize = 100_000;

/// A word of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text, quotes and escapes undone.
    pub text: String,
    /// Byte offsets in the text, quotes included.
    pub bytes: (usize, usize),
    /// Written in quotes.
    pub quoted: bool,
}

/// A directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its name.
    pub name: Word,
    /// Its arguments.
    pub arguments: Vec<Word>,
    /// What stands between its braces, if it has some; nothing of a block in another language, such as Lua.
    pub block: Option<Vec<Directive>>,
    /// Byte offsets of all of it: from the name to the `;` or `}`, included.
    pub bytes: (usize, usize),
}

/// A place that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// Byte offsets.
    pub bytes: (usize, usize),
    /// Why.
    pub reason: &'static str,
    /// It is a part of a template, whose ways can't all be followed.
    pub template: bool,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// The directives of the outermost level.
    pub directives: Vec<Directive>,
    /// What could not be read, in order.
    pub holes: Vec<Hole>,
}

impl Directive {
    /// The text of an argument, counted from 0.
    pub fn argument(&self, number: usize) -> Option<&str> {
        self.arguments.get(number).map(|word| word.text.as_str())
    }

    /// Byte offsets from the name to the last argument: what stands before `;` or `{`.
    pub fn head(&self) -> (usize, usize) {
        (self.name.bytes.0, self.arguments.last().unwrap_or(&self.name).bytes.1)
    }
}

/// Reads a stretch of a text; offsets count from the beginning of the text. Never fails: what can't be read is a hole.
pub fn read(text: &str, (start, end): (usize, usize)) -> Document {
    let end = end.min(text.len());
    let mut reader = Reader { bytes: &text.as_bytes()[..end], at: start.min(end), count: 0, holes: Vec::new() };
    let directives = reader.level();
    Document { directives, holes: reader.holes }
}

struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
    count: usize,
    holes: Vec<Hole>,
}

/// What ends a word or stands between words.
enum Token {
    Word(Word),
    Semicolon,
    Open,
    Close,
    End,
}

/// A block that is being read.
struct Open {
    head: Vec<Word>,
    outer: Vec<Directive>,
}

impl Reader<'_> {
    /// All levels, with a stack of our own: text must not decide how deep we recurse.
    fn level(&mut self) -> Vec<Directive> {
        let mut stack: Vec<Open> = Vec::new();
        let mut here: Vec<Directive> = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        loop {
            if self.count > MAX_DIRECTIVES {
                self.hole(self.at, "too many directives", false);
                self.at = self.bytes.len();
            }
            match self.token(words.is_empty()) {
                Token::Word(word) => words.push(word),
                Token::Semicolon => {
                    let end = self.at;
                    self.directive(&mut here, std::mem::take(&mut words), None, end);
                }
                Token::Open => {
                    let head = std::mem::take(&mut words);
                    if head.first().is_some_and(|name| name.text.ends_with("_by_lua_block") || name.text == "js_block")
                    {
                        self.foreign_block();
                        let end = self.at;
                        self.directive(&mut here, head, Some(Vec::new()), end);
                    } else if stack.len() >= MAX_DEPTH {
                        self.hole(self.at, "nested too deep", false);
                        self.foreign_block();
                    } else {
                        stack.push(Open { head, outer: std::mem::take(&mut here) });
                    }
                }
                Token::Close => {
                    self.unfinished(&mut words);
                    match stack.pop() {
                        Some(open) => {
                            let block = std::mem::replace(&mut here, open.outer);
                            let end = self.at;
                            self.directive(&mut here, open.head, Some(block), end);
                        }
                        None => self.hole(self.at.saturating_sub(1), "a `}` without a `{`", false),
                    }
                }
                Token::End => break,
            }
        }
        self.unfinished(&mut words);
        while let Some(open) = stack.pop() {
            let start = open.head.first().map_or(self.at, |name| name.bytes.0);
            self.hole(start, "a block that is not closed", false);
            let block = std::mem::replace(&mut here, open.outer);
            let end = self.at;
            self.directive(&mut here, open.head, Some(block), end);
        }
        here
    }

    fn directive(&mut self, here: &mut Vec<Directive>, words: Vec<Word>, block: Option<Vec<Directive>>, end: usize) {
        self.count += 1;
        let mut words = words.into_iter();
        match words.next() {
            Some(name) => {
                let bytes = (name.bytes.0, end);
                here.push(Directive { name, arguments: words.collect(), block, bytes });
            }
            None if block.is_some() => self.hole(end.saturating_sub(1), "a block without a name", false),
            None => {} // A stray `;` does no harm to anybody else.
        }
    }

    fn unfinished(&mut self, words: &mut Vec<Word>) {
        if let Some(first) = words.first() {
            self.hole(first.bytes.0, "a directive without `;`", false);
            words.clear();
        }
    }

    fn hole(&mut self, start: usize, reason: &'static str, template: bool) {
        self.holes.push(Hole { bytes: (start.min(self.at), self.at.max(start)), reason, template });
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn token(&mut self, first: bool) -> Token {
        loop {
            while self.at < self.bytes.len() && self.peek(0).is_ascii_whitespace() {
                self.at += 1;
            }
            if self.at >= self.bytes.len() {
                return Token::End;
            }
            match self.peek(0) {
                b'#' => self.skip_line(),
                b';' => {
                    self.at += 1;
                    return Token::Semicolon;
                }
                // By itself a template's statement; as a part of a directive the beginning of a word.
                _ if first && self.template_length().is_some() => {
                    let start = self.at;
                    self.at += self.template_length().unwrap_or(1);
                    let comment = self.bytes[start..].starts_with(b"{#") || self.bytes[start..].starts_with(b"{{/*");
                    if !comment {
                        self.hole(start, "a part of a template", true);
                    }
                    // What is left of `{{ name }};`.
                    if self.peek(0) == b';' {
                        self.at += 1;
                    }
                }
                b'{' if self.template_length().is_none() => {
                    self.at += 1;
                    return Token::Open;
                }
                b'}' => {
                    self.at += 1;
                    return Token::Close;
                }
                quote @ (b'"' | b'\'') => return Token::Word(self.quoted(quote)),
                _ => return Token::Word(self.bare()),
            }
        }
    }

    fn skip_line(&mut self) {
        self.at = memchr::memchr(b'\n', &self.bytes[self.at..]).map_or(self.bytes.len(), |length| self.at + length + 1);
    }

    /// How long the part of a template is that begins here.
    fn template_length(&self) -> Option<usize> {
        let rest = &self.bytes[self.at..];
        let close: &[u8] = match rest {
            [b'{', b'{', b'{', ..] => b"}}}",
            [b'{', b'{', ..] => b"}}",
            [b'{', b'%', ..] => b"%}",
            [b'{', b'#', ..] => b"#}",
            [b'<', b'%', ..] => b"%>",
            _ => return None,
        };
        // Parts of templates are short; `{#` is also the beginning of a block with a comment.
        let near = &rest[..rest.len().min(2000)];
        let length = memchr::memmem::find(&near[2..], close)? + 2 + close.len();
        let lines = memchr::memchr_iter(b'\n', &near[..length]).count();
        let most = if close == b"#}" { 0 } else { 20 };
        (lines <= most).then_some(length)
    }

    fn quoted(&mut self, quote: u8) -> Word {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.bytes.get(self.at) {
                None => {
                    self.hole(start, "a quote that is not closed", false);
                    break;
                }
                Some(&byte) if byte == quote => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => self.escape(&mut bytes),
                Some(b'{' | b'<') if self.template_length().is_some() => self.unknown(&mut bytes),
                Some(&byte) => {
                    bytes.push(byte);
                    self.at += 1;
                }
            }
        }
        Word { text: string(bytes), bytes: (start, self.at), quoted: true }
    }

    fn bare(&mut self) -> Word {
        let start = self.at;
        let mut bytes = Vec::new();
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\\' => self.escape(&mut bytes),
                b'{' | b'<' if self.template_length().is_some() => self.unknown(&mut bytes),
                // A variable in braces.
                b'{' if bytes.last() == Some(&b'$') => {
                    bytes.push(byte);
                    self.at += 1;
                }
                b';' | b'{' => break,
                byte if byte.is_ascii_whitespace() => break,
                byte => {
                    bytes.push(byte);
                    self.at += 1;
                }
            }
        }
        Word { text: string(bytes), bytes: (start, self.at), quoted: false }
    }

    /// nginx undoes these escapes and leaves all others as they are.
    fn escape(&mut self, bytes: &mut Vec<u8>) {
        let Some(&escaped) = self.bytes.get(self.at + 1) else {
            bytes.push(b'\\');
            self.at += 1;
            return;
        };
        match escaped {
            b'"' | b'\'' | b'\\' => bytes.push(escaped),
            b't' => bytes.push(b'\t'),
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            _ => bytes.extend([b'\\', escaped]),
        }
        self.at += 2;
    }

    fn unknown(&mut self, bytes: &mut Vec<u8>) {
        bytes.extend(UNKNOWN.to_string().into_bytes());
        self.at += self.template_length().unwrap_or(1);
    }

    /// A block in Lua: braces are balanced outside of strings and comments.
    fn foreign_block(&mut self) {
        let start = self.at;
        let mut depth = 1_usize;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b'-' if self.peek(1) == b'-' => {
                    self.at += 2;
                    if !self.long_bracket() {
                        self.skip_line();
                    }
                    continue;
                }
                b'[' if self.long_bracket() => continue,
                quote @ (b'"' | b'\'') => {
                    self.at += 1;
                    while self.at < self.bytes.len() && self.peek(0) != quote && self.peek(0) != b'\n' {
                        self.at += if self.peek(0) == b'\\' { 2 } else { 1 };
                    }
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
        self.at = self.bytes.len();
        self.hole(start, "a block that is not closed", false);
    }

    /// Skips `[[ … ]]` or `[=[ … ]=]`, if that begins here.
    fn long_bracket(&mut self) -> bool {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let signs = rest.iter().skip(1).take_while(|byte| **byte == b'=').count();
        if rest.first() != Some(&b'[') || rest.get(signs + 1) != Some(&b'[') {
            return false;
        }
        let close: Vec<u8> = [b"]".as_slice(), &vec![b'='; signs], b"]"].concat();
        match memchr::memmem::find(rest, &close) {
            Some(length) => self.at += length + close.len(),
            None => self.at = self.bytes.len(),
        }
        true
    }
}

/// Words are cut between whole characters, so this loses nothing.
fn string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Document {
        read(text, (0, text.len()))
    }

    fn shape(directives: &[Directive]) -> String {
        let one = |directive: &Directive| {
            let words = directive.arguments.iter().map(|word| format!(" {}", word.text)).collect::<String>();
            let block = directive.block.as_ref().map(|block| format!(" {{{}}}", shape(block)));
            format!("{}{words}{};", directive.name.text, block.unwrap_or_default())
        };
        directives.iter().map(one).collect()
    }

    #[test]
    fn words_blocks_quotes_and_comments() {
        let text = "a b; # c;\n d 'e \\' f' \"#;{}\" { g ${h}i; j k#l; } m\\;n;";
        let read = all(text);
        assert_eq!(shape(&read.directives), "a b;d e ' f #;{} {g ${h}i;j k#l;};m\\;n;");
        assert_eq!(read.holes, []);
        let block = &read.directives[1];
        assert_eq!(&text[block.bytes.0..block.bytes.1], "d 'e \\' f' \"#;{}\" { g ${h}i; j k#l; }");
        assert_eq!(&text[block.head().0..block.head().1], "d 'e \\' f' \"#;{}\"");
    }

    #[test]
    fn what_cannot_be_read_is_a_hole_and_the_rest_is_read() {
        for (text, expected, holes) in [
            ("a; } b;", "a;b;", 1),
            ("a { b; ", "a {b;};", 1),
            ("a { b } c;", "a {};c;", 1),
            ("{ a; } b;", "b;", 1),
            ("a 'b; c;", "", 2),
        ] {
            let read = all(text);
            assert_eq!((shape(&read.directives).as_str(), read.holes.len()), (expected, holes), "{text}");
        }
        let deep = "a {".repeat(100_000);
        assert!(!all(&deep).holes.is_empty());
    }

    #[test]
    fn templates_are_unknown_words_or_holes() {
        let read =
            all("{% if x %}\nlisten {{ port }};\n{% endif %} name a.<%= b %>.c; {{ include \"x\" . }}\nd {# e\n f; }");
        assert_eq!(shape(&read.directives), "listen \u{fffc};name a.\u{fffc}.c;d {f;};");
        assert_eq!(read.holes.iter().filter(|hole| hole.template).count(), 3);
    }

    #[test]
    fn lua_is_passed_over() {
        let text = "access_by_lua_block { local a = \"}\" -- }\n b = [[ } ]] c = { 1 } } d;";
        assert_eq!(shape(&all(text).directives), "access_by_lua_block {};d;");
    }

    fn nested(level: &[Directive], text: &str, (start, end): (usize, usize)) {
        for directive in level {
            assert!(start <= directive.bytes.0 && directive.head().1 <= directive.bytes.1 && directive.bytes.1 <= end);
            for word in directive.arguments.iter().chain([&directive.name]) {
                assert!(text.get(word.bytes.0..word.bytes.1).is_some());
            }
            nested(directive.block.as_deref().unwrap_or_default(), text, directive.bytes);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_place_lies_within_what_is_around_it(
            words in proptest::collection::vec(
                proptest::sample::select(vec![
                    "a", " ", ";", "{", "}", "'", "\"", "\\", "#", "\n", "$", "${", "{{", "}}", "<%", "%>", "{#", "#}",
                    "x_by_lua_block", "--", "[[", "]=]", "\u{e9}", "\u{fffc}",
                ]),
                0..80,
            ),
        ) {
            let text = words.concat();
            let read = all(&text);
            nested(&read.directives, &text, (0, text.len()));
            for hole in &read.holes {
                assert!(hole.bytes.0 <= hole.bytes.1 && hole.bytes.1 <= text.len());
            }
        }
    }
}
