//! Templates in configuration: what a template engine will put in is blanked out, byte for byte, so that the rest can be
//! read as what it will be and every place still holds.

use std::borrow::Cow;

/// Stands where a template's value will; three bytes in UTF-8.
pub const UNKNOWN: char = '\u{fffc}';

/// Blanks what stands between `{{` and `}}`, `{%` and `%}`, `<%` and `%>`: a line that holds nothing else becomes empty,
/// within a line an [`UNKNOWN`] stands for it. The result has as many bytes as `text`.
pub fn templates(text: &str) -> Cow<'_, str> {
    const PAIRS: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("<%", "%>")];
    if !PAIRS.iter().any(|(open, _)| text.contains(open)) {
        return Cow::Borrowed(text);
    }
    let mut blank = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let first = PAIRS.iter().filter_map(|(open, close)| Some((rest.find(open)?, *open, *close))).min();
        let Some((at, open, close)) = first else { break };
        // An engine's tags end on their line, or at least soon.
        let Some(length) = rest[at + open.len()..].find(close).filter(|length| *length < 4096) else {
            blank.push_str(&rest[..at + open.len()]);
            rest = &rest[at + open.len()..];
            continue;
        };
        let end = at + open.len() + length + close.len();
        blank.push_str(&rest[..at]);
        let before = blank.rfind('\n').map_or(0, |at| at + 1);
        let alone = blank[before..].trim().is_empty()
            && rest[end..].split('\n').next().is_some_and(|line| line.trim().is_empty());
        let tag = &rest[at..end];
        if alone || tag.contains('\n') {
            blank.extend(tag.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            blank.push(UNKNOWN);
            blank.extend(std::iter::repeat_n('_', tag.len() - UNKNOWN.len_utf8()));
        }
        rest = &rest[end..];
    }
    blank.push_str(rest);
    Cow::Owned(blank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_are_blanked_and_places_hold() {
        let text = "a:\n  {{- if .Values.x }}\n  b: {{ .Values.b }}:9\n{% x %}\nc: 1 # {{ open";
        let blank = templates(text);
        assert_eq!(blank.len(), text.len());
        assert_eq!(blank.find("c: 1"), text.find("c: 1"));
        assert!(blank.contains(&format!("b: {UNKNOWN}____")) && blank.contains(":9\n"), "{blank}");
        assert!(!blank.contains("if") && !blank.contains("% x"), "{blank}");
    }

    proptest! {
        #[test]
        fn keeps_lengths(text in "[{}%<> a\n\u{e9}]{0,80}") {
            prop_assert_eq!(templates(&text).len(), text.len());
        }
    }
}
