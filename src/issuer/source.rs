//! Source code, for the front ends that read options from it: whether a line is always run. No language is parsed; what
//! can't be told apart at this depth is left out.

use crate::syntax::code::is_word;

/// So many names of options in one file.
const NAMES: usize = 64;

/// A value that is given to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given<'a> {
    /// The name.
    pub(super) name: &'static str,
    /// The expression, without comments, as it stands in the text.
    pub(super) value: &'a str,
    /// Where the name begins, in bytes.
    pub(super) start: usize,
    /// Where the expression ends.
    pub(super) end: usize,
}

/// What names are given, always: `options.Name = value;`, or in an initialiser `Name = value,`. What stands below an `if`
/// or in a `switch` is not known, and a declaration with a type before the name gives no options their value.
pub(super) fn given<'a>(text: &'a str, code: &[u8], names: &[&'static str]) -> Vec<Given<'a>> {
    let mut all = Vec::new();
    // For each open brace, whether what is in it is run only sometimes.
    let mut open: Vec<bool> = Vec::new();
    let (mut head, mut at, mut seen) = (0, 0, 0);
    while let Some(byte) = code.get(at).copied() {
        match byte {
            b'{' => {
                let within = open.last().copied().unwrap_or_default();
                open.push(within || is_choice(&code[head..at]));
                head = at + 1;
            }
            b'}' => {
                open.pop();
                head = at + 1;
            }
            b';' => head = at + 1,
            byte if is_word(byte) => {
                let end = at + code[at..].iter().take_while(|byte| is_word(**byte)).count();
                if let Some(name) = names.iter().copied().find(|name| name.as_bytes() == &code[at..end]) {
                    seen += 1;
                    if seen > NAMES {
                        break;
                    }
                    if !open.last().copied().unwrap_or_default()
                        && !is_choice(&code[head..at])
                        && matches!(last(&code[..at]), Some(b'.' | b'{' | b','))
                        && let Some((from, to)) = assigned(code, end)
                        && let Some(value) = text.get(from..to)
                    {
                        all.push(Given { name, value: value.trim(), start: at, end: to });
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    all
}

/// Whether a statement begins as one that is run only sometimes.
fn is_choice(head: &[u8]) -> bool {
    let words = ["if", "else", "switch", "case", "while", "for", "foreach", "catch"];
    let word: Vec<u8> = head.iter().copied().skip_while(u8::is_ascii_whitespace).take_while(|b| is_word(*b)).collect();
    words.iter().any(|known| known.as_bytes() == word) || memchr::memchr(b'?', head).is_some()
}

/// The expression after a `=`.
fn assigned(code: &[u8], end: usize) -> Option<(usize, usize)> {
    let blank = code[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let from = end + blank + 1;
    if code.get(end + blank) != Some(&b'=') || matches!(code.get(from), Some(b'=' | b'>')) {
        return None;
    }
    let mut depth = 0usize;
    for (at, byte) in code.iter().enumerate().skip(from).take(256) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' if depth > 0 => depth -= 1,
            b';' | b'}' | b')' => return Some((from, at)),
            b',' if depth == 0 => return Some((from, at)),
            _ => {}
        }
    }
    None
}

/// The last byte that is no blank.
fn last(code: &[u8]) -> Option<u8> {
    code.iter().rev().copied().find(|byte| !byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::code::blanked;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(&str, &str)> {
        given(text, &blanked(text), &["On"]).into_iter().map(|given| (given.name, given.value)).collect()
    }

    #[test]
    fn what_is_given() {
        for (text, value) in [
            ("o.On = true;", Some("true")),
            ("services.Add(x => { x.On = F(1, 2); });", Some("F(1, 2)")),
            ("services.Add(x => x.On = false);", Some("false")),
            ("new Options { A = 1, On = true }", Some("true")),
            ("// o.On = true;", None),
            ("/* o.On = true; */", None),
            ("var s = \"{ On = true }\";", None),
            ("var s = @\"\\\"; o.On = true;", Some("true")),
            ("if (o.On == true) { }", None),
            ("if (dev) { o.On = true; }", None),
            ("if (dev) o.On = true;", None),
            ("if (dev) { } o.On = true;", Some("true")),
            ("public bool On = true;", None),
            ("o.Only = true;", None),
        ] {
            assert_eq!(found(text), value.map(|value| ("On", value)).into_iter().collect::<Vec<_>>(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_code_is_read(words in prop::collection::vec(prop::sample::select(vec![
            "On", ".", "=", "{", "}", "(", ")", ";", ",", "if", "\"", "\"\"\"", "@", "'", "`", "\\", "//", "/*", "*/", "\n",
            "\u{e9}", " ",
        ]), 0..60)) {
            let _ = found(&words.concat());
        }
    }
}
