//! Assertions that stand as XML in other text, through what is put around them there: `\"` and `\u003c` of JSON and
//! sources (to any depth), `&lt;` of HTML, `%3C` of forms, `""` of CSV. Found by a SAML name that stands in them: from
//! there back to the start tag, and on to the end tag of the same name.

use memchr::memmem;

use super::MAX_XML;

/// How far before a SAML name the start tag may stand: an issuer, a signature and its certificates lie between. Together
/// with [`SIGNED_BEHIND`] it is less than a window brings along.
pub const LOOK_BEHIND: usize = 18 * 1024;
/// How far before an assertion the signature of its message is looked for.
const SIGNED_BEHIND: usize = 12 * 1024;
/// How far past an assertion the signature of its message is looked for.
pub const LOOK_AHEAD: usize = 2048;
/// How many words `Assertion` before a SAML name are looked at.
const MAX_OPENINGS: usize = 8;
/// The longest namespace prefix, in bytes as written.
const MAX_PREFIX: usize = 40;
/// How far into an element its first attribute is looked for.
const HEAD: usize = 4096;
/// How far past the word the end of an end tag may stand.
const MAX_TAG_END: usize = 24;

/// The spellings of `<` that can stand before a name, longest first where one ends with another.
const LESS: &[&[u8]] = &[
    b"<",
    b"u0026lt;",
    b"&lt;",
    b"&amp;lt;",
    b"&LT;",
    b"&#60;",
    b"&#x3c;",
    b"&#x3C;",
    b"u003c",
    b"u003C",
    b"x3c",
    b"x3C",
    b"%3C",
    b"%3c",
    b"%26lt%3B",
    b"%26lt%3b",
];
/// The spellings of `/`, and what they end with.
const SLASH: &[&[u8]] = &[b"/", b"%2F", b"%2f", b"u002f", b"u002F", b"&#47;", b"&#x2f;", b"&#x2F;"];
/// The spellings of `>`.
const GREATER: &[&[u8]] = &[
    b">",
    b"u0026gt;",
    b"&gt;",
    b"&amp;gt;",
    b"&GT;",
    b"&#62;",
    b"&#x3e;",
    b"&#x3E;",
    b"u003e",
    b"u003E",
    b"x3e",
    b"x3E",
    b"%3E",
    b"%3e",
    b"%26gt%3B",
    b"%26gt%3b",
];

/// The start tag of an assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Offset of its `<`, however that is written.
    pub start: usize,
    /// The name as written, prefix included: what the end tag must repeat.
    name: (usize, usize),
}

/// What the SAML name at `at` belongs to, by what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announces {
    /// It can stand in an assertion.
    Assertion,
    /// A status of success: an encrypted assertion may follow.
    Success,
    /// Protocol, metadata, bindings: no assertion's own names.
    Nothing,
}

/// Reads on from a SAML name: `urn:oasis:names:tc:SAML:2.0:assertion`, `…:cm:bearer`, `…:nameid-format:…`.
pub fn announces(bytes: &[u8], at: usize) -> Announces {
    let rest = &bytes[at.min(bytes.len())..bytes.len().min(at + 64)];
    let Some(after) = memmem::find(rest, b"SAML").map(|n| &rest[n + 4..]) else { return Announces::Nothing };
    let after = skip_colon(after);
    let version = after.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let word = skip_colon(&after[version..]);
    if version == 0 || ["protocol", "metadata", "bindings", "profiles"].iter().any(|w| word.starts_with(w.as_bytes())) {
        Announces::Nothing
    } else if let Some(rest) = word.strip_prefix(b"status") {
        if skip_colon(rest).starts_with(b"Success") { Announces::Success } else { Announces::Nothing }
    } else {
        Announces::Assertion
    }
}

fn skip_colon(text: &[u8]) -> &[u8] {
    let rest = text.strip_prefix(b":").or_else(|| text.strip_prefix(b"%3A")).or_else(|| text.strip_prefix(b"%3a"));
    rest.unwrap_or(text)
}

/// The start tag of the assertion that the place `at` lies in, at `floor` or later.
pub fn opening_before(bytes: &[u8], at: usize, floor: usize) -> Option<Opening> {
    let floor = floor.max(at.saturating_sub(LOOK_BEHIND));
    let mut end = at;
    for _ in 0..MAX_OPENINGS {
        let word = floor + memmem::rfind(bytes.get(floor..end)?, b"Assertion")?;
        match tag(bytes, word, floor) {
            Some(Tag::Start(opening)) => return Some(opening),
            // What came before is over.
            Some(Tag::End) => return None,
            None => end = word,
        }
    }
    None
}

/// The start tag of an encrypted assertion that stands within `within` bytes after `at`.
pub fn encrypted_after(bytes: &[u8], at: usize, within: usize) -> Option<Opening> {
    let text = &bytes[at..bytes.len().min(at + within)];
    let word = at + memmem::find(text, b"EncryptedAssertion")? + 9;
    match tag(bytes, word, at)? {
        Tag::Start(opening) => Some(opening),
        Tag::End => None,
    }
}

enum Tag {
    Start(Opening),
    End,
}

/// The tag whose name ends with the word `Assertion` at `word`.
fn tag(bytes: &[u8], word: usize, floor: usize) -> Option<Tag> {
    let after = bytes.get(word + 9)?;
    // `AssertionConsumerService`, `Assertion.java`
    if after.is_ascii_alphanumeric() || matches!(after, b'.' | b'-' | b'_' | b':' | b'=') {
        return None;
    }
    let local = if bytes[floor..word].ends_with(b"Encrypted") { word - 9 } else { word };
    let start = prefix_start(bytes, local, floor);
    let before = &bytes[floor..start];
    if let Some(slash) = SLASH.iter().find(|slash| before.ends_with(slash)) {
        let mut before = &before[..before.len() - slash.len()];
        while let Some(rest) = before.strip_suffix(b"\\") {
            before = rest;
        }
        return LESS.iter().any(|less| before.ends_with(less)).then_some(Tag::End);
    }
    let less = LESS.iter().find(|less| before.ends_with(less))?;
    let mut at = start - less.len();
    // `\u003c`, `\\u003c`: the backslashes belong to it.
    if matches!(less[0], b'u' | b'x') {
        let slashes = bytes[floor..at].iter().rev().take_while(|b| **b == b'\\').count();
        if slashes == 0 {
            return None;
        }
        at -= slashes;
    }
    Some(Tag::Start(Opening { start: at, name: (start, word + 9) }))
}

/// Where the name begins whose local part begins at `local`: there, or with the prefix before it.
fn prefix_start(bytes: &[u8], local: usize, floor: usize) -> usize {
    let before = &bytes[floor.max(local.saturating_sub(MAX_PREFIX))..local];
    let colon = [&b":"[..], b"%3A", b"%3a", b"&#58;"].into_iter().find(|colon| before.ends_with(colon));
    let Some(colon) = colon else { return local };
    let before = &before[..before.len() - colon.len()];
    let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'-' | b'_' | b'.');
    let mut prefix = before.iter().rev().take_while(|b| part(b)).count();
    // Of `\u003csaml` and `%3Csaml` a part belongs to the `<`, of `<\/saml` and `%2Fsaml` to the `/`.
    let written = &before[before.len() - prefix..];
    let escape = before.get(..before.len() - prefix).and_then(|rest| rest.last());
    let escapes: &[&[u8]] = match escape {
        Some(b'\\') => &[b"u003c", b"u003C", b"x3c", b"x3C", b"u002f", b"u002F"],
        Some(b'%') => &[b"3C", b"3c", b"2F", b"2f", b"3B", b"3b"],
        _ => &[],
    };
    prefix -= escapes.iter().find(|escape| written.starts_with(escape)).map_or(0, |escape| escape.len());
    if prefix == 0 { local } else { local - colon.len() - prefix }
}

/// What looking for an end tag gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// One that ends at this offset.
    At(usize),
    /// None before the text ends, and more may follow.
    NeedMore,
    /// None where one could be.
    None,
}

/// The first end tag of the opening's name at `from` or later. `more` says that bytes may follow.
pub fn closing_after(bytes: &[u8], opening: &Opening, from: usize, more: bool) -> Closing {
    let limit = bytes.len().min(opening.start + MAX_XML);
    let text = &bytes[..limit];
    // An assertion in a string or a URL ends with its line.
    let one_line =
        matches!(text.get(opening.start), Some(b'\\' | b'%')) || first_quote(&text[opening.start..]) == Some(b'\\');
    let line_end = one_line.then(|| memchr::memchr(b'\n', &text[opening.start..])).flatten().map(|n| opening.start + n);
    let text = &text[..line_end.unwrap_or(limit)];
    let name = &text[opening.name.0..opening.name.1];
    let from = from.max(opening.name.1);
    for word in memmem::find_iter(text.get(from..).unwrap_or_default(), name) {
        let start = from + word;
        let before = &text[opening.name.1..start];
        if !SLASH.iter().any(|slash| before.ends_with(slash)) {
            continue;
        }
        let after = &text[start + name.len()..text.len().min(start + name.len() + MAX_TAG_END)];
        let blanks = after.iter().take_while(|b| b.is_ascii_whitespace() || **b == b'\\').count();
        if let Some(greater) = GREATER.iter().find(|greater| after[blanks..].starts_with(greater)) {
            return Closing::At(start + name.len() + blanks + greater.len());
        }
    }
    if more && line_end.is_none() && limit < opening.start + MAX_XML { Closing::NeedMore } else { Closing::None }
}

/// What the first attribute's value begins with: a quote or an escape.
pub(super) fn first_quote(element: &[u8]) -> Option<u8> {
    let head = &element[..element.len().min(HEAD)];
    let values = memchr::memchr_iter(b'=', head).filter_map(|at| head.get(at + 1).copied());
    values.into_iter().find(|b| matches!(b, b'"' | b'\'' | b'\\' | b'&' | b'%'))
}

/// Whether it stands in the metadata of an entity, which it describes: such an assertion is there for anybody to read.
pub fn in_metadata(bytes: &[u8], start: usize) -> bool {
    let before = &bytes[start.saturating_sub(SIGNED_BEHIND)..start];
    memmem::rfind(before, b"EntityAttributes").is_some_and(|word| {
        let prefix = &before[..prefix_start(before, word, 0)];
        !SLASH.iter().any(|slash| prefix.ends_with(slash))
    })
}

/// Whether something outside of the assertion, in the message around it, is signed: between it and the message before, or
/// shortly after it.
pub fn signed_around(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = &bytes[start.saturating_sub(SIGNED_BEHIND)..start];
    let over =
        [&b"Response>"[..], b"Envelope>", b"Assertion>"].iter().filter_map(|tag| memmem::rfind(before, tag)).max();
    let before = &before[over.unwrap_or(0)..];
    let after = &bytes[end.min(bytes.len())..bytes.len().min(end + LOOK_AHEAD)];
    let next = [&b"Response "[..], b"Envelope ", b"Assertion "].iter().filter_map(|tag| memmem::find(after, tag)).min();
    let after = &after[..next.unwrap_or(after.len())];
    [before, after].iter().any(|text| memmem::find(text, b"SignatureValue").is_some())
}

#[cfg(test)]
mod tests {
    use super::super::unescape::unescape;
    use super::*;
    use proptest::prelude::*;

    const XML: &str = "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" a='1'>\n<saml:Issuer>é\u{1f600} &amp; x</saml:Issuer></saml:Assertion>";

    fn json(text: &str) -> String {
        let quoted = serde_json::to_string(text).expect("a text");
        quoted[1..quoted.len() - 1].to_owned()
    }

    fn html(text: &str) -> String {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;")
    }

    fn form(text: &str) -> String {
        text.bytes()
            .map(|b| match b {
                b' ' => "+".to_owned(),
                b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => char::from(b).to_string(),
                b => format!("%{b:02X}"),
            })
            .collect()
    }

    /// All the ways in which an assertion is written into other text.
    fn written() -> Vec<String> {
        let go = json(XML).replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        let php = json(XML).replace('/', "\\/");
        let ascii: String = json(XML)
            .encode_utf16()
            .map(|unit| if unit < 128 { String::from(unit as u8 as char) } else { format!("\\u{unit:04x}") })
            .collect();
        vec![
            XML.to_owned(),
            json(XML),
            json(&json(XML)),
            json(&json(&json(XML))),
            json(&go),
            go,
            php,
            ascii,
            html(XML),
            json(&html(XML)),
            html(&html(XML)),
            form(XML),
            form(&html(XML)),
            form(&json(XML)),
            XML.replace('"', "\"\""),
            html(XML).replace("&lt;", "<").replace("&gt;", ">"),
            html(XML).replace("&lt;", "&#60;").replace("&gt;", "&#x3E;"),
        ]
    }

    #[test]
    fn an_assertion_is_found_through_every_escape() {
        for text in written() {
            for (before, after) in [("", ""), ("x=", "&y"), ("{\"a\":\"", "\"}"), ("/Assertion ", " Assertion")] {
                let whole = format!("{before}{text}{after}");
                let bytes = whole.as_bytes();
                let at = [b"tc:SAML".as_slice(), b"tc%3ASAML"]
                    .into_iter()
                    .find_map(|a| memmem::find(bytes, a))
                    .expect("an anchor");
                assert_eq!(announces(bytes, at), Announces::Assertion, "{whole}");
                let opening = opening_before(bytes, at, 0).unwrap_or_else(|| panic!("no start tag in {whole}"));
                assert_eq!(opening.start, before.len(), "{whole}");
                let Closing::At(end) = closing_after(bytes, &opening, at, false) else {
                    panic!("no end tag in {whole}")
                };
                assert_eq!(&whole[opening.start..end], text);
                assert_eq!(unescape(&bytes[opening.start..end]).as_deref(), Some(XML), "{whole}");
            }
        }
    }

    #[test]
    fn other_words_are_no_start_tags() {
        for text in [
            "<md:AssertionConsumerService Location=\"x\" Binding=\"urn:oasis:names:tc:SAML:2.0:x\"/>",
            "java.lang.AssertionError: tc:SAML:2.0:assertion",
            "see Assertion tc:SAML:2.0:assertion",
            "</saml:Assertion> and then tc:SAML:2.0:assertion",
            "<\\/saml:Assertion> tc:SAML:2.0:assertion",
        ] {
            let at = text.find("tc:SAML").expect("an anchor");
            assert_eq!(opening_before(text.as_bytes(), at, 0), None, "{text}");
        }
    }

    #[test]
    fn what_a_name_announces() {
        for (text, expected) in [
            ("tc:SAML:2.0:assertion\"", Announces::Assertion),
            ("tc%3ASAML%3A1.0%3Aassertion", Announces::Assertion),
            ("tc:SAML:2.0:cm:bearer", Announces::Assertion),
            ("tc:SAML:1.1:nameid-format:x", Announces::Assertion),
            ("tc:SAML:2.0:protocol", Announces::Nothing),
            ("tc:SAML:2.0:metadata", Announces::Nothing),
            ("tc:SAML:2.0:bindings:HTTP-POST", Announces::Nothing),
            ("tc:SAML:2.0:status:Success", Announces::Success),
            ("tc:SAML:2.0:status:Requester", Announces::Nothing),
            ("tc:SAML", Announces::Nothing),
        ] {
            assert_eq!(announces(text.as_bytes(), 0), expected, "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_asks_for_more() {
        let open = &XML[..XML.len() - 10];
        let at = open.find("tc:SAML").expect("an anchor");
        let opening = opening_before(open.as_bytes(), at, 0).expect("a start tag");
        assert_eq!(closing_after(open.as_bytes(), &opening, at, true), Closing::NeedMore);
        assert_eq!(closing_after(open.as_bytes(), &opening, at, false), Closing::None);
        // A string ends with its line.
        let text = format!("{}\n", json(open));
        let opening =
            opening_before(text.as_bytes(), text.find("tc:SAML").expect("an anchor"), 0).expect("a start tag");
        assert_eq!(closing_after(text.as_bytes(), &opening, at, true), Closing::None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[<>/a:=\" &;%3Cu0\\\\ltx-]{0,40}", at in 0usize..40) {
            let text = format!("{text}<s:Assertion{text}</s:Assertion>{text}");
            let bytes = text.as_bytes();
            let _ = unescape(bytes);
            let _ = announces(bytes, at);
            if let Some(opening) = opening_before(bytes, at.min(bytes.len()), 0) {
                prop_assert!(opening.start < at);
                if let Closing::At(end) = closing_after(bytes, &opening, at, true) {
                    prop_assert!(end <= bytes.len() && end > opening.start);
                }
            }
            let _ = signed_around(bytes, at.min(bytes.len()), at);
        }
    }
}
