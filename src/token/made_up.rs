//! Values that people make up when they need something that looks like a token: counting letters and digits, words with
//! a number behind them, hexadecimal puns. And values that name a secret kept elsewhere.

use super::proof::is_wordlike;

/// A run of consecutive letters or digits is chance up to here.
const MIN_RUN: usize = 8;
/// What is left beside such a run is too little to be a secret up to here.
const MIN_REST: usize = 12;

/// Whether a value (a token without its prefix) was made up.
pub(super) fn is_made_up(value: &[u8]) -> bool {
    counts(value) || is_run_with_little_else(value) || is_words_and_numbers(value)
}

/// Whether a value names a secret, an account or a place instead of being one: a resource name, a hash with its name,
/// a member of an object, an address on a chain, or something that only its keeper can decrypt.
pub(super) fn is_reference(value: &[u8]) -> bool {
    const BEGINNINGS: &[&[u8]] =
        &[b"arn:", b"vault:", b"ssm:", b"sha256:", b"sha512:", b"sha1:", b"md5:", b"this.", b"self.", b"ENC["];
    if BEGINNINGS.iter().any(|beginning| value.starts_with(beginning)) || memchr::memmem::find(value, b"://").is_some()
    {
        return true;
    }
    // Accounts and transactions of Ethereum are 20 and 32 bytes in hexadecimal after `0x`.
    if let Some(digits) = value.strip_prefix(b"0x") {
        return matches!(digits.len(), 40 | 64) && digits.iter().all(u8::is_ascii_hexdigit);
    }
    // A sealed secret begins with the length of its RSA part, 512 as two bytes: `AgA` to `AgD` in base64.
    matches!(value, [b'A', b'g', b'A'..=b'D', ..]) && value.len() >= 700
}

/// Letters count up through the alphabet and digits through the numbers, each by themselves: `a1b2c3d4e5f6`,
/// `abc123def456`, `01234567-89ab-cdef-0123-456789abcdef`.
fn counts(value: &[u8]) -> bool {
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).map(u8::to_ascii_lowercase);
    let digits = value.iter().copied().filter(u8::is_ascii_digit);
    let (letter_steps, letter_hits) = steps(letters);
    let (digit_steps, digit_hits) = steps(digits);
    let (all, hits) = (letter_steps + digit_steps, letter_hits + digit_hits);
    all >= MIN_RUN && hits * 5 >= all * 4
}

/// How many steps there are from each to the next, and how many of them count up by one (or start anew).
fn steps(bytes: impl Iterator<Item = u8>) -> (usize, usize) {
    let mut last = None;
    let (mut all, mut hits) = (0, 0);
    for byte in bytes {
        if let Some(last) = last {
            all += 1;
            hits += usize::from(follows(last, byte));
        }
        last = Some(byte);
    }
    (all, hits)
}

/// The next letter or digit; after the last of the alphabet, of the numbers or of hexadecimal the first of either.
fn follows(last: u8, next: u8) -> bool {
    last + 1 == next || matches!((last, next), (b'9', b'0' | b'a') | (b'0', b'a') | (b'f' | b'z', b'0' | b'a'))
}

/// One long run of consecutive characters, and besides it too little for a secret, or words: `mytoken1234567890abcdef`.
fn is_run_with_little_else(value: &[u8]) -> bool {
    let mut rest = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        let lower = |at: usize| value[at].to_ascii_lowercase();
        let mut end = at + 1;
        while end < value.len() && lower(end).is_ascii_alphanumeric() && follows(lower(end - 1), lower(end)) {
            end += 1;
        }
        if end - at < MIN_RUN {
            rest.extend_from_slice(&value[at..end]);
        }
        at = end;
    }
    rest.len() < value.len() && (rest.len() < MIN_REST || is_wordlike(&rest))
}

/// Parts that are words and parts that are numbers, none that mixes them: `some-token-20240131`,
/// `projects/4711/secrets/api-token/versions/3`.
fn is_words_and_numbers(value: &[u8]) -> bool {
    let parts =
        || value.split(|b| matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'+')).filter(|part| !part.is_empty());
    let is_number = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let mut words = Vec::with_capacity(value.len());
    for part in parts().filter(|part| !is_number(part)) {
        if !part.iter().all(u8::is_ascii_alphabetic) {
            return false;
        }
        words.extend_from_slice(part);
        words.push(b' ');
    }
    parts().count() >= 2 && !words.is_empty() && is_wordlike(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_make_up() {
        for value in [
            "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6",
            "A1B2C3D4E5F6G7H8I9J0",
            "abc123def456ghi789jkl012mno345",
            "01234567-89ab-cdef-0123-456789abcdef",
            "12345678-1234-1234-1234-123456789012",
            "1234567890abcdef1234567890abcdef",
            "mysecrettoken1234567890abcdef",
            "supersecret1234567890abcdefgh",
            "secret-token-1234567890",
            "some-random-token-1234567",
            "token-goes-here-20240131",
            "projects/123456789/secrets/api-token/versions/3",
            "JJ_1234567890_IDENTIFIER_TOKEN",
            "__init__.module_name_1234567",
        ] {
            assert!(is_made_up(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_chance_makes() {
        for value in [
            "k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe",
            "9f86d081884c7d659a2feaa0c55ad015",
            "3f2b8c1d-7a4e-4c9b-9d2e-5f6a7b8c9d0e",
            "aXkQzWvbTgRmHsPdLjNcYfUe",
            "mF_9.B5f-4.1JqM",
            "740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad",
            // Words before or behind do not make a secret a word.
            "shop-api-k3JfW0qLx8ZrT5vNc2HsY7b",
            "prod_1234567890_k3JfW0qLx8ZrT5vNc2",
            "4711-kqxzvjwpfhgtbmcd",
        ] {
            assert!(!is_made_up(value.as_bytes()) && !is_reference(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_only_points_to_a_secret() {
        let sealed = format!("AgBy{}", "k3JfW0qLx8ZrT5vNc2Hs".repeat(40));
        for value in [
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/app-AbCdEf",
            "op://Private/GitHub2024/token1234",
            "this.erc1363ReturnFalseOnErc20Mock",
            "0xdAC17F958D2ee523a2206206994597C13D831ec7",
            &sealed,
        ] {
            assert!(is_reference(value.as_bytes()), "{}", &value[..20]);
        }
    }
}
