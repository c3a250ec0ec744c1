//! What tells a token from something that only looks like one: checksums that issuers build in, randomness, and the
//! marks of placeholders and masks.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use super::made_up;
use crate::rules::Checksum;

/// Whether the checksum fits; `None` where the token is of a form that has none.
pub fn checksum(kind: Checksum, token: &[u8]) -> Option<bool> {
    match kind {
        Checksum::Github => github(token),
        Checksum::GitlabRoutable => gitlab_routable(token),
        Checksum::Grafana => grafana(token),
    }
}

/// CRC-32 of the characters between prefix and checksum, in base 62, as the last six characters.
/// Source: github.blog, 2021-04-05, "Behind GitHub's new authentication token formats".
fn github(token: &[u8]) -> Option<bool> {
    let body = &token[token.iter().position(|b| *b == b'_')? + 1..];
    if body.len() < 36 || !body.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let (random, sum) = body.split_at(body.len() - 6);
    let mut value = crc32fast::hash(random);
    let mut expected = [b'0'; 6];
    for digit in expected.iter_mut().rev() {
        *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(value % 62) as usize];
        value /= 62;
    }
    Some(sum == expected)
}

/// CRC-32 of everything before it, prefix included, in base 36, as the last seven characters.
/// Source: GitLab handbook, "Routable tokens".
fn gitlab_routable(token: &[u8]) -> Option<bool> {
    let dot = token.iter().rposition(|b| *b == b'.')?;
    if token.len() < dot + 1 + 9 {
        return None;
    }
    let (text, sum) = token.split_at(token.len() - 7);
    let mut value = crc32fast::hash(text);
    let mut expected = [b'0'; 7];
    for digit in expected.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[(value % 36) as usize];
        value /= 36;
    }
    Some(sum == expected)
}

/// CRC-32 of everything before the last underscore, in hexadecimal with the lowest byte first, as the last eight characters.
/// Source: grafana/grafana, pkg/components/satokengen.
fn grafana(token: &[u8]) -> Option<bool> {
    let (text, sum) = token.split_at_checked(token.len().checked_sub(8)?)?;
    let text = text.strip_suffix(b"_")?;
    let expected: String = crc32fast::hash(text).to_le_bytes().iter().map(|b| format!("{b:02x}")).collect();
    Some(sum.eq_ignore_ascii_case(expected.as_bytes()))
}

/// Shannon entropy in bits per character.
pub fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let total = text.len() as f64;
    // sum of -p log2 p = log2 n - (sum of c log2 c) / n; characters that stand once add nothing.
    let repeated: f64 = counts.iter().filter(|c| **c > 1).map(|c| f64::from(*c)).map(|c| c * c.log2()).sum();
    if text.is_empty() { 0.0 } else { total.log2() - repeated / total }
}

/// Why a text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSecret {
    /// Stands for a secret that is filled in later.
    Placeholder,
    /// Had its secret part blotted out.
    Masked,
    /// Words, a sequence, or too little variety.
    Wordlike,
}

/// Words that only stand in made-up values, lower case.
const PLACEHOLDER_WORDS: &[&[u8]] = &[
    b"example",
    b"placeholder",
    b"changeme",
    b"change_me",
    b"change-me",
    b"dummy",
    b"redacted",
    b"replace",
    b"insert",
    b"your_",
    b"your-",
    b"yourtoken",
    b"mytoken",
    b"my_token",
    b"my-token",
    b"sometoken",
    b"some_token",
    b"some-token",
    b"faketoken",
    b"fake_",
    b"fake-",
    b"foobar",
    b"lorem",
    b"invalid",
    b"not_real",
    b"notreal",
    b"todo",
    b"test_token",
    b"test-token",
    b"testtoken",
    b"secret_token",
    b"access_token",
    b"access-token",
    b"token_here",
    b"sample",
    b"secret-token",
    b"supersecret",
    b"super-secret",
    b"super_secret",
    b"mysecret",
    b"my-secret",
    b"my_secret",
    b"goes-here",
    b"goes_here",
    b"not-a-",
    b"not_a_",
    b"letmein",
    b"qwerty",
    b"asdfgh",
    b"zxcvbn",
    b"deadbeef",
    b"cafebabe",
];

/// Whether `body` (a token without its prefix) is a placeholder, masked, or made of words. `None` says: could be real.
pub fn not_secret(body: &[u8]) -> Option<NotSecret> {
    if body.is_empty() {
        return Some(NotSecret::Placeholder);
    }
    let shape = Shape::of(body);
    let crossed_out = |end: Option<&[u8]>| end.is_some_and(|four| four == b"xxxx" || four == b"XXXX");
    let edge =
        crossed_out(body.first_chunk::<4>().map(|c| &c[..])) || crossed_out(body.last_chunk::<4>().map(|c| &c[..]));
    if shape.crosses >= 8 || shape.stars >= 3 || shape.dots >= 3 || edge {
        return Some(NotSecret::Masked);
    }
    let half = body.len().min(40) / 2;
    if shape.distinct < 5 || (body.len() >= 16 && shape.distinct < 6) || shape.same >= 10 || shape.sequence > half {
        return Some(NotSecret::Wordlike);
    }
    if repeats(body) {
        return Some(NotSecret::Wordlike);
    }
    // A random text of a few hundred characters holds none of these words; only short bodies are asked. Seven capitals
    // that spell EXAMPLE are no chance at any length.
    if body.len() <= 128 && placeholder_words().is_match(body) || memchr::memmem::find(body, b"EXAMPLE").is_some() {
        return Some(NotSecret::Placeholder);
    }
    made_up::is_made_up(body).then_some(NotSecret::Wordlike)
}

fn placeholder_words() -> &'static AhoCorasick {
    static WORDS: OnceLock<AhoCorasick> = OnceLock::new();
    WORDS.get_or_init(|| {
        // Literals of a few bytes always make an automaton.
        #[allow(clippy::expect_used)]
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(aho_corasick::AhoCorasickKind::DFA))
            .build(PLACEHOLDER_WORDS)
            .expect("a few words make an automaton")
    })
}

/// What one look over a text tells: the longest runs, and how many different bytes it has.
#[derive(Debug, Default)]
struct Shape {
    /// Of `x` and `X`.
    crosses: usize,
    /// Of `*`.
    stars: usize,
    /// Of `.`.
    dots: usize,
    /// Of any one byte.
    same: usize,
    /// Of an alphabet or digits, forwards or backwards.
    sequence: usize,
    /// How many different bytes.
    distinct: usize,
}

impl Shape {
    fn of(body: &[u8]) -> Self {
        let mut shape = Self::default();
        let mut seen = [false; 256];
        let (mut crosses, mut same, mut up, mut down) = (0, 0, 0, 0);
        let mut last: Option<u8> = None;
        for &byte in body {
            shape.distinct += usize::from(!std::mem::replace(&mut seen[usize::from(byte)], true));
            let lower = byte.to_ascii_lowercase();
            crosses = if lower == b'x' { crosses + 1 } else { 0 };
            let (before, repeated) = match last {
                Some(last) => (last.to_ascii_lowercase(), last == byte),
                None => (0, false),
            };
            same = if repeated { same + 1 } else { 1 };
            // 9 goes on with 0, z with a or 0, f (hexadecimal) with 0
            let wraps = matches!((before, lower), (b'9' | b'f', b'0') | (b'z', b'0' | b'a'));
            up = if before.wrapping_add(1) == lower || wraps { up + 1 } else { 1 };
            down = if lower.wrapping_add(1) == before { down + 1 } else { 1 };
            shape.crosses = shape.crosses.max(crosses);
            shape.same = shape.same.max(same);
            shape.sequence = shape.sequence.max(up).max(down);
            match byte {
                b'*' => shape.stars = shape.stars.max(same),
                b'.' => shape.dots = shape.dots.max(same),
                _ => {}
            }
            last = Some(byte);
        }
        shape
    }
}

/// The text is one short piece over and over.
fn repeats(body: &[u8]) -> bool {
    (1..=body.len() / 2)
        .take(16)
        .any(|period| body.len() >= period * 2 && body.len() >= 12 && body[period..] == body[..body.len() - period])
}

/// Letter pairs that make up most of English and of identifiers, by first letter.
const COMMON_PAIRS: [&[u8]; 26] = [
    b"bcdgilmnprstuvy",
    b"aeilorsuy",
    b"aehiklortu",
    b"adeiorsu",
    b"acdefilmnprstvxy",
    b"aefilortu",
    b"aeghilnoru",
    b"aeiortu",
    b"acdefglmnopqrstvz",
    b"aesou",
    b"eins",
    b"adefilostuy",
    b"abeimopsu",
    b"acdefgiknostuv",
    b"bcdefgiklmnoprstuvw",
    b"aehiloprstu",
    b"u",
    b"acdegiklmnorstuvy",
    b"acehikmopqstuw",
    b"acehilorstuwy",
    b"abcdegilmnprst",
    b"aeio",
    b"aehinor",
    b"acept",
    b"aelopst",
    b"aeio",
];

/// [`COMMON_PAIRS`] as bits.
const PAIRS: [u32; 26] = {
    let mut bits = [0u32; 26];
    let mut first = 0;
    while first < 26 {
        let mut at = 0;
        while at < COMMON_PAIRS[first].len() {
            bits[first] |= 1 << (COMMON_PAIRS[first][at] - b'a');
            at += 1;
        }
        first += 1;
    }
    bits
};

/// Whether `value` reads like identifiers or words rather than like chance: `tokenResponse.accessToken`,
/// `application/json`, `next-page-cursor`.
pub fn is_wordlike(value: &[u8]) -> bool {
    let (pairs, common) = letter_pairs(value);
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    if pairs < 6 {
        // Hardly any letters side by side: digits and capitals mixed, as in chance, or a number with dots and dashes.
        return digits == 0 || value.iter().all(|b| !b.is_ascii_alphabetic());
    }
    // Chance gives a common pair four times in ten, words nine times in ten.
    let threshold = if digits == 0 { 70 } else { 80 };
    common * 100 >= pairs * threshold && digits * 6 <= value.len() && is_spelled(value)
}

/// Whether what follows a family's prefix is made of words: `hvs.methodName`, `npm_config_registry_url`. The prefix
/// speaks for a token, so this takes more than [`is_wordlike`].
pub fn is_made_of_words(body: &[u8]) -> bool {
    let (pairs, common) = letter_pairs(body);
    let digits = body.iter().filter(|b| b.is_ascii_digit()).count();
    pairs >= 8 && common * 100 >= pairs * 80 && digits * 10 <= body.len() && is_spelled(body)
}

/// Whether capitals stand where words have them, so that words are five letters on average at least half that long:
/// `tokenResponse`, `GITHUB_TOKEN`, `HTTPServer`, but not `WeOEVetAhVP`.
fn is_spelled(text: &[u8]) -> bool {
    let (mut words, mut letters) = (0usize, 0usize);
    let mut last = b' ';
    let mut capitals = 0usize;
    for &byte in text {
        if byte.is_ascii_alphabetic() {
            letters += 1;
            let begins = !last.is_ascii_alphabetic() || last.is_ascii_lowercase() && byte.is_ascii_uppercase();
            // The last of several capitals begins the next word.
            let acronym_ends = capitals > 1 && byte.is_ascii_lowercase();
            words += usize::from(begins) + usize::from(acronym_ends);
        }
        capitals = if byte.is_ascii_uppercase() { capitals + 1 } else { 0 };
        last = byte;
    }
    letters * 2 >= words * 5
}

/// How many letters stand side by side, and how many of these pairs are common in words.
fn letter_pairs(value: &[u8]) -> (usize, usize) {
    let mut pairs = 0usize;
    let mut common = 0usize;
    for pair in value.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        // A capital begins a new word: the pair before it says nothing.
        if !a.is_ascii_alphabetic() || !b.is_ascii_alphabetic() || (a.is_ascii_lowercase() && b.is_ascii_uppercase()) {
            continue;
        }
        pairs += 1;
        let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
        common += usize::from(PAIRS[usize::from(a - b'a')] >> (b - b'a') & 1 == 1);
    }
    (pairs, common)
}

/// Whether a value that only its context names could be a token: long and varied enough, no placeholder, no words.
pub fn could_be_opaque(value: &[u8], min_length: usize) -> bool {
    if value.len() < min_length || value.len() > 4096 {
        return false;
    }
    if made_up::is_reference(value) || JOSE_BEGINNINGS.iter().any(|beginning| value.starts_with(beginning)) {
        return false;
    }
    let core: &[u8] = value.strip_suffix(b"==").or(value.strip_suffix(b"=")).unwrap_or(value);
    let lower = core.iter().any(u8::is_ascii_lowercase);
    let upper = core.iter().any(u8::is_ascii_uppercase);
    let digit = core.iter().any(u8::is_ascii_digit);
    let letters = lower || upper;
    if !letters || (usize::from(lower) + usize::from(upper) + usize::from(digit) < 2 && core.len() < 32) {
        return false;
    }
    // Made-up UUIDs get here; those that may be real are asked for by name.
    if has_uuid_form(core) && !is_uuid(core) {
        return false;
    }
    let hex = core.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-');
    let floor = if hex { 2.6 } else { 3.0 };
    !is_wordlike(core) && not_secret(core).is_none() && entropy(core) >= floor
}

/// How JOSE headers begin (`{"alg":`, `{"kid":`, `{"typ":`, `{"enc":`): what is cut off behind that is no opaque token.
const JOSE_BEGINNINGS: &[&[u8]] = &[b"eyJhbGciOi", b"eyJraWQiOi", b"eyJ0eXAiOi", b"eyJlbmMiOi"];

/// Whether what stands behind a value says that the rest was left out: `…`, `[truncated]`, `<snip>`, ` (redacted)`.
pub fn is_elided(after: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"snip", b"trunc", b"redact", b"omit", b"elided", b"hidden", b"mask", b"filter", b"cut"];
    if after.starts_with("…".as_bytes()) {
        return true;
    }
    let after = after.strip_prefix(b" ").unwrap_or(after);
    let Some((b'<' | b'[' | b'(' | b'{', word)) = after.split_first() else { return false };
    WORDS.iter().any(|own| word.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own)))
}

/// A UUID (8-4-4-4-12 hexadecimal digits) that chance could have made.
pub fn is_uuid(value: &[u8]) -> bool {
    has_uuid_form(value) && {
        let digits: Vec<u8> = value.iter().copied().filter(|b| *b != b'-').collect();
        not_secret(&digits).is_none()
    }
}

fn has_uuid_form(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_github_checksum(prefix: &str, random: &str) -> String {
        let mut value = crc32fast::hash(random.as_bytes());
        let mut sum = Vec::new();
        for _ in 0..6 {
            sum.push(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(value % 62) as usize]);
            value /= 62;
        }
        sum.reverse();
        format!("{prefix}{random}{}", String::from_utf8_lossy(&sum))
    }

    #[test]
    fn github_checksums() {
        let token = with_github_checksum("ghp_", "k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe");
        assert_eq!(checksum(Checksum::Github, token.as_bytes()), Some(true));
        let edited = token.replace("k3J", "k3K");
        assert_eq!(checksum(Checksum::Github, edited.as_bytes()), Some(false));
        assert_eq!(checksum(Checksum::Github, b"ghs_short"), None);
    }

    #[test]
    fn words_are_told_from_chance() {
        for words in [
            "tokenResponse.accessToken",
            "application/json",
            "next-page-cursor-value",
            "getAccessTokenFromStorage",
            "process.env.GITHUB_TOKEN",
            "this.props.auth.token",
            "AuthorizationHeaderValue",
            "response.data.accessToken2",
            "path/to/some/file.txt",
            "securitySchemeBearerAuth",
            "com.example.security.TokenProvider",
            "credentials.accessToken",
            "urn:ietf:params:oauth:token-type:access_token",
            "authenticationTokenProvider1",
        ] {
            assert!(is_wordlike(words.as_bytes()), "{words}");
        }
        for chance in [
            "k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe",
            "9f86d081884c7d659a2feaa0c55ad015",
            "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5",
            "aXkQzWvbTgRmHsPdLjNcYfUe",
            "2YotnFZFEjr1zCsicMWpAA",
            "tGzv3JOkF0XG5Qx2TlKWIA",
        ] {
            assert!(!is_wordlike(chance.as_bytes()), "{chance}");
        }
    }

    /// Of a thousand tokens of twenty characters at most one is lost because chance made it read like words.
    #[test]
    fn chance_seldom_reads_like_words() {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut state = 88_172_645_463_325_252u64;
        let mut lost = 0;
        for _ in 0..8000 {
            let token: Vec<u8> = (0..20)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    ALPHABET[(state >> 20) as usize % ALPHABET.len()]
                })
                .collect();
            lost += usize::from(not_secret(&token).is_some() || is_made_of_words(&token));
        }
        assert!(lost <= 8, "{lost} of 8000");
        assert!(!is_made_of_words(b"IgJ2PElwWeOEVetA_hVP"));
        assert!(is_made_of_words(b"config_registry_url") && is_made_of_words(b"createHTTPServerById"));
    }

    #[test]
    fn placeholders_and_masks() {
        for (body, expected) in [
            ("XXXXXXXXXXXXXXXXXXXXXXXX", Some(NotSecret::Masked)),
            ("abc***", Some(NotSecret::Masked)),
            ("your_token_goes_here_123", Some(NotSecret::Placeholder)),
            ("AKIAIOSFODNN7EXAMPLE", Some(NotSecret::Placeholder)),
            ("abcdefghijklmnopqrstuvwxyz0123456789", Some(NotSecret::Wordlike)),
            ("1234567890123456789012345678901234567890", Some(NotSecret::Wordlike)),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Some(NotSecret::Wordlike)),
            ("abc123abc123abc123abc123", Some(NotSecret::Wordlike)),
            ("k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe", None),
        ] {
            assert_eq!(not_secret(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn opaque_values() {
        assert!(could_be_opaque(b"k3JfW0qLx8ZrT5vNc2Hs", 16));
        assert!(could_be_opaque(b"9f86d081884c7d659a2feaa0c55ad015", 16));
        assert!(!could_be_opaque(b"1712345678901234567890", 16));
        assert!(!could_be_opaque(b"k3JfW0qLx8Z", 16));
        assert!(is_uuid(b"123e4567-e89b-12d3-a456-426614174000"));
        for made_up in [
            "00000000-0000-0000-0000-000000000000",
            "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "deadbeef-dead-beef-dead-beefdeadbeef",
            "12345678-1234-1234-1234-123456789012",
        ] {
            assert!(!is_uuid(made_up.as_bytes()) && !could_be_opaque(made_up.as_bytes(), 16), "{made_up}");
        }
        assert!(!could_be_opaque(b"eyJhbGciOiJSUzI1NiIsI", 16), "a header that is cut off");
    }

    #[test]
    fn what_is_left_out_is_said_behind_it() {
        for after in ["…", "[truncated]", "<snip>", " (redacted)", "[REDACTED]\""] {
            assert!(is_elided(after.as_bytes()), "{after}");
        }
        for after in ["", "\"", "</access_token>", "<br>", " (expires soon)", ", \"b\": 1"] {
            assert!(!is_elided(after.as_bytes()), "{after}");
        }
    }
}
