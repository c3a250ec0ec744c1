//! JSON Web Keys with their private half (RFC 7518 section 6, RFC 8037), in JSON and in whatever a source file or a log
//! makes of it: escaped, in single quotes, with bare names.

use std::borrow::Cow;

use super::Reading;
use super::private::{self, PrivateKey};
use super::public::{Algorithm, Curve, PublicKey};
use crate::secret::Secret;
use crate::syntax::der::without_zeros;
use crate::token::escape::{self, Class};
use crate::token::jose::{BASE64URL, decode_either};
use crate::token::proof;
use base64::Engine as _;

/// What announces one: the member that every key has. The quote before it is left out, since it may be escaped.
pub(super) const ANCHOR: &str = "kty";
/// How far before the anchor the object may begin, in bytes.
const LOOK_BEHIND: usize = 16 * 1024;
/// The longest object, in bytes.
const MAX_OBJECT: usize = 32 * 1024;
/// How many members an object has at most.
const MAX_MEMBERS: usize = 64;

/// Base64url and, since some write it so, standard base64.
static VALUE: Class = Class::alphanumeric_and(b"-_+/=");

/// A key with where its object begins.
pub(super) struct Found {
    pub(super) key: PrivateKey,
    pub(super) start: usize,
    /// The secret, of a key that both sides have.
    pub(super) secret: Option<Secret>,
}

/// Reads the object around the anchor at `at`. What is looked at is taken off `work`.
pub(super) fn around(bytes: &[u8], at: usize, more: bool, work: &mut i64) -> Reading<Found> {
    let part_of_a_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-';
    let after = at + ANCHOR.len();
    if at > 0 && part_of_a_word(&bytes[at - 1]) || bytes.get(after).is_some_and(part_of_a_word) {
        return Reading::Nothing;
    }
    let mut ahead = Members { bytes: &bytes[..bytes.len().min(after + 64)], at };
    match ahead.member() {
        Some(Member { value: Some(kty), .. }) if KTY.contains(&&*kty) => {}
        _ if more && after + 64 > bytes.len() => return Reading::NeedMore,
        _ => return Reading::Nothing,
    }
    let Some(start) = opening(bytes, at, work) else { return Reading::Nothing };
    let mut members = Members { bytes: &bytes[..bytes.len().min(start + MAX_OBJECT)], at: start + 1 };
    let jwk = Jwk::read(&mut members);
    *work -= (members.at - start) as i64;
    match jwk {
        Some(jwk) => match jwk.private() {
            Some(key) => {
                let symmetric = matches!(key.algorithm, Algorithm::Symmetric(_));
                let secret = jwk.number("k").filter(|_| symmetric).map(Secret::new);
                Reading::Found(Found { key, start, secret }, members.at)
            }
            None => Reading::Nothing,
        },
        None if more && members.bytes.len() == bytes.len() && members.at + 256 > bytes.len() => Reading::NeedMore,
        None => Reading::Nothing,
    }
}

const KTY: [&[u8]; 5] = [b"EC", b"OKP", b"RSA", b"oct", b"AKP"];

/// The brace that opens the object around `at`.
fn opening(bytes: &[u8], at: usize, work: &mut i64) -> Option<usize> {
    let floor = at.saturating_sub(LOOK_BEHIND);
    let mut closed = 0u32;
    let mut end = at;
    while let Some(n) = memchr::memrchr2(b'{', b'}', &bytes[floor..end]) {
        end = floor + n;
        match bytes[end] {
            b'}' => closed += 1,
            _ if closed > 0 => closed -= 1,
            _ => {
                *work -= (at - end) as i64;
                return Some(end);
            }
        }
    }
    *work -= (at - floor) as i64;
    None
}

/// The members that matter, decoded where they are numbers.
#[derive(Default)]
struct Jwk {
    kty: Vec<u8>,
    crv: Vec<u8>,
    alg: Vec<u8>,
    numbers: Vec<(&'static str, Vec<u8>)>,
}

const NUMBERS: [&str; 9] = ["x", "y", "d", "n", "e", "p", "q", "k", "priv"];

impl Jwk {
    /// Reads members up to the closing brace; `None` where that doesn't come.
    fn read(members: &mut Members<'_>) -> Option<Self> {
        let mut jwk = Self::default();
        for _ in 0..MAX_MEMBERS {
            members.space();
            if members.peek() == Some(b'}') {
                members.at += 1;
                return Some(jwk);
            }
            let member = members.member()?;
            let Some(value) = member.value else { continue };
            match member.name {
                b"kty" => jwk.kty = value.into_owned(),
                b"crv" => jwk.crv = value.into_owned(),
                b"alg" => jwk.alg = value.into_owned(),
                name => {
                    if let Some(name) = NUMBERS.into_iter().find(|known| known.as_bytes() == name)
                        && let Some(number) = decode_either(&value).filter(|number| !number.is_empty())
                    {
                        jwk.numbers.push((name, number));
                    }
                }
            }
        }
        None
    }

    fn number(&self, name: &str) -> Option<&[u8]> {
        self.numbers.iter().find(|(known, _)| *known == name).map(|(_, number)| &number[..])
    }

    /// The private key, if it is one.
    fn private(&self) -> Option<PrivateKey> {
        let name = |text: &[u8]| std::str::from_utf8(text).map(str::to_owned).unwrap_or_default();
        match &self.kty[..] {
            b"EC" | b"OKP" => self.on_curve(&name(&self.crv)),
            b"RSA" => {
                let d = self.number("d").map(without_zeros)?;
                let public = PublicKey::rsa(self.number("n")?, self.number("e")?)?;
                let length = public.algorithm();
                let PublicKey::Rsa { modulus, .. } = &public else { return None };
                let fits = (modulus.len() / 2..=modulus.len()).contains(&d.len());
                let consistent = match (self.number("p"), self.number("q")) {
                    (Some(p), Some(q)) => private::factors(modulus, p, q),
                    _ => true,
                };
                fits.then(|| PrivateKey::open(length, Some(&public), consistent, d))
            }
            b"oct" => {
                let k = self.number("k").filter(|k| k.len() >= 16)?;
                let random = proof::not_secret(BASE64URL.encode(k).as_bytes()).is_none();
                random.then(|| PrivateKey::open(Algorithm::Symmetric(k.len() as u32 * 8), None, true, k))
            }
            b"AKP" => {
                let seed = self.number("priv").filter(|seed| seed.len() == 32)?;
                let algorithm = match &self.alg[..] {
                    b"ML-DSA-44" => Algorithm::MlDsa(44),
                    b"ML-DSA-65" => Algorithm::MlDsa(65),
                    b"ML-DSA-87" => Algorithm::MlDsa(87),
                    _ => Algorithm::Unknown,
                };
                Some(PrivateKey::open(algorithm, None, true, seed))
            }
            _ => None,
        }
    }

    fn on_curve(&self, crv: &str) -> Option<PrivateKey> {
        let d = self.number("d")?;
        let Some(curve) = Curve::from_crv(crv) else {
            // A curve that nobody has registered yet.
            return (24..=66).contains(&d.len()).then(|| PrivateKey::open(Algorithm::Unknown, None, true, d));
        };
        // RFC 7518, section 6.2.2.1 wants all octets; some leave out leading zeros.
        let floor = if curve.kty() == "EC" { curve.octets() - 4 } else { curve.octets() };
        if !(floor..=curve.octets()).contains(&d.len()) {
            return None;
        }
        let given = match (self.number("x"), self.number("y")) {
            (Some(x), Some(y)) if curve.kty() == "EC" => point(curve, x, y),
            (Some(x), _) => PublicKey::okp(curve, x),
            _ => None,
        };
        let key = private::on_curve(curve, d, given.clone());
        // A public half that makes no point contradicts, too.
        let contradicted = given.is_none() && self.number("x").is_some();
        Some(PrivateKey { consistent: key.consistent && !contradicted, ..key })
    }
}

fn point(curve: Curve, x: &[u8], y: &[u8]) -> Option<PublicKey> {
    let mut octets = vec![4u8];
    for coordinate in [x, y] {
        let coordinate = without_zeros(coordinate);
        octets.resize(octets.len() + curve.octets().checked_sub(coordinate.len())?, 0);
        octets.extend_from_slice(coordinate);
    }
    PublicKey::ec(curve, &octets)
}

/// Reads `name: value` pairs as many languages write them.
struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
}

struct Member<'a> {
    name: &'a [u8],
    /// The value, where it is a text of the alphabet.
    value: Option<Cow<'a, [u8]>>,
}

impl<'a> Members<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over blanks, commas and line breaks, raw or written as `\n`.
    fn space(&mut self) {
        loop {
            let rest = &self.bytes[self.at..];
            let slashes = rest.iter().take(9).take_while(|b| **b == b'\\').count();
            let step = match rest.get(slashes) {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b';') => slashes + 1,
                // `\n` before anything but the rest of a bare name
                Some(b'n' | b'r' | b't') if slashes > 0 => slashes + 1,
                _ => return,
            };
            self.at += step;
        }
    }

    /// The length of the quote that stands here, however it is written.
    fn quote(&self) -> Option<usize> {
        let rest = &self.bytes[self.at..];
        let slashes = rest.iter().take(9).take_while(|b| **b == b'\\').count();
        match rest.get(slashes)? {
            b'"' | b'\'' | b'`' => Some(slashes + 1),
            b'u' if slashes > 0 && (rest[slashes..].starts_with(b"u0022") || rest[slashes..].starts_with(b"u0027")) => {
                Some(slashes + 5)
            }
            b'&' if rest.starts_with(b"&quot;") => Some(6),
            b'&' if rest.starts_with(b"&#34;") || rest.starts_with(b"&#39;") => Some(5),
            _ => None,
        }
    }

    fn quotes(&mut self) -> bool {
        let quote = self.quote();
        self.at += quote.unwrap_or(0);
        quote.is_some()
    }

    /// A name, a separator, a value.
    fn member(&mut self) -> Option<Member<'a>> {
        self.space();
        self.quotes();
        let start = self.at;
        let rest = &self.bytes[start..];
        let length = rest
            .iter()
            .take(128)
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'-' | b'#' | b'.' | b'$' | b':' | b'/'))
            .count();
        // A bare name ends at its colon.
        let length = memchr::memchr(b':', &rest[..length]).filter(|n| *n > 0).unwrap_or(length);
        let name = &rest[..length];
        self.at += length;
        self.quotes();
        self.space();
        match self.peek()? {
            b':' | b'=' => self.at += 1,
            _ => return None,
        }
        if self.peek() == Some(b'>') {
            self.at += 1;
        }
        self.space();
        Some(Member { name, value: self.value()? })
    }

    /// A value; `Some(None)` where it is none that a key's numbers are written in.
    fn value(&mut self) -> Option<Option<Cow<'a, [u8]>>> {
        if self.quotes() {
            let run = escape::run(self.bytes, self.at, &VALUE, MAX_OBJECT);
            self.at = run.end;
            if self.quotes() {
                return Some(Some(run.text));
            }
            // Some other text: up to its quote on the same line.
            while self.peek().is_some_and(|b| b != b'\n') {
                if self.quotes() {
                    return Some(None);
                }
                self.at += 1;
            }
            return None;
        }
        match self.peek()? {
            b'[' | b'{' => self.nested().map(|()| None),
            _ => {
                // A number, a word, a variable.
                let stop = |b: &u8| matches!(*b, b',' | b'}' | b'\n' | b'\\');
                let length = self.bytes[self.at..].iter().take(256).position(stop)?;
                self.at += length;
                Some(None)
            }
        }
    }

    /// Steps over an array or an object.
    fn nested(&mut self) -> Option<()> {
        let mut open = 0usize;
        loop {
            match self.peek()? {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Some(());
            }
        }
    }
}
