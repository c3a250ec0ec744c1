//! Comments that accept a finding where it stands: `keybound: ignore[rule] reason`, in the comment syntax of whatever
//! the file is written in. A comment on a line of its own is for the line below it.

/// What announces one.
pub(super) const ANCHOR: &str = "keybound:";
/// No comment is longer.
pub(super) const LONGEST: usize = 512;

/// A comment that accepts findings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Directive {
    /// The rules it names; none: all.
    pub rules: Vec<String>,
    /// Why. Not yet fit to be printed.
    pub reason: String,
    /// Nothing else stands on its line.
    pub alone: bool,
}

/// Reads the comment that is announced at `at`, and how far it goes. `None` where there is none.
pub(super) fn read(bytes: &[u8], at: usize) -> Option<(Directive, usize)> {
    let line_start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |end| end + 1);
    let before = &bytes[line_start..at];
    let rest = &bytes[at + ANCHOR.len()..];
    let rest = &rest[..rest.len().min(LONGEST)];
    let line = &rest[..memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())];
    let text = std::str::from_utf8(line).ok()?;
    let text = text.trim_start().strip_prefix("ignore")?;
    let (rules, reason) = match text.strip_prefix('[') {
        Some(list) => {
            let (list, reason) = list.split_once(']')?;
            let rules: Vec<String> = list.split(',').map(|rule| rule.trim().to_owned()).collect();
            if !rules.iter().all(|rule| is_slug(rule)) {
                return None;
            }
            (rules, reason)
        }
        // `ignored`, `ignore-this` and the like are other words.
        None if text.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_') => return None,
        None => (Vec::new(), text),
    };
    let reason = ["-->", "*/", "#}", "%>", "--%>", "\"", "'"]
        .iter()
        .fold(reason.trim(), |reason, end| reason.strip_suffix(end).unwrap_or(reason).trim_end());
    let reason = reason.trim_start_matches([':', '-', ' ', '\u{2013}', '\u{2014}']).to_owned();
    let alone = before.iter().all(|b| !b.is_ascii_alphanumeric()) || is_word_of_comments(before);
    Some((Directive { rules, reason, alone }, at + ANCHOR.len() + line.len()))
}

/// Comments that begin with a word: `REM`, `dnl`.
fn is_word_of_comments(before: &[u8]) -> bool {
    let word = before.trim_ascii();
    ["rem", "dnl"].iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

fn is_slug(rule: &str) -> bool {
    !rule.is_empty() && rule.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directive(text: &str) -> Option<(Vec<String>, String, bool)> {
        let at = text.find(ANCHOR)?;
        let (found, _) = read(text.as_bytes(), at)?;
        Some((found.rules, found.reason, found.alone))
    }

    #[test]
    fn comments_of_many_languages() {
        for (text, rules, reason, alone) in [
            ("x = 1  # keybound: ignore[jwt-unbound] test key", vec!["jwt-unbound"], "test key", false),
            ("\n  // keybound: ignore[a, b] - why\nx", vec!["a", "b"], "why", true),
            ("<!-- keybound: ignore published -->", vec![], "published", true),
            ("/* keybound:ignore */", vec![], "", true),
            ("REM keybound: ignore[a-1] x", vec!["a-1"], "x", true),
            ("\"//\": \"keybound: ignore[a] x\"", vec!["a"], "x", true),
        ] {
            let rules: Vec<String> = rules.into_iter().map(str::to_owned).collect();
            assert_eq!(directive(text), Some((rules, reason.to_owned(), alone)), "{text}");
        }
        for text in ["# keybound: ignored", "# keybound: off", "# keybound: ignore[A]", "# keybound: ignore[a"] {
            assert_eq!(directive(text), None, "{text}");
        }
    }
}
