//! Base64 as it stands in files: standard or URL alphabet, padded or not, in one piece or in lines (MIME, PEM, YAML
//! blocks), with escaped slashes, percent escapes or escaped line breaks inside.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::token::escape::{self, Class, Escape};

/// The most symbols that are read.
pub const MOST: usize = 512 * 1024;
/// Lines of a run that goes on in the next one have at least this many symbols.
const LINE: usize = 40;
/// Longer ones are not wrapped.
const WIDEST: usize = 128;
/// How many symbols most runs have at most.
const ROOM: usize = 1024;
/// How far back the beginning of a run is looked for, in bytes.
const BACK: usize = 16 * 1024;

static SYMBOLS: Class = Class::alphanumeric_and(b"+/-_");

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A run of base64, decoded.
#[derive(Debug)]
pub struct Base64Run {
    /// Offset of its first symbol.
    pub start: usize,
    /// Offset past its last symbol.
    pub end: usize,
    /// What it stands for.
    pub text: Vec<u8>,
    /// It is longer than was read.
    pub cut: bool,
    /// Where symbols stop following each other: index of a symbol and its offset.
    marks: Vec<(usize, usize)>,
    /// How many symbols before the first whole group were left out.
    skipped: usize,
}

impl Base64Run {
    /// Where the decoded bytes `from..to` come from: offsets of the first symbol and past the last.
    pub fn place(&self, from: usize, to: usize) -> (usize, usize) {
        let first = self.skipped + from * 4 / 3;
        let last = self.skipped + (to * 4).div_ceil(3).max(1) - 1;
        (self.offset(first), (self.offset(last) + 1).min(self.end).max(self.offset(first)))
    }

    fn offset(&self, symbol: usize) -> usize {
        let mark = self.marks.partition_point(|(index, _)| *index <= symbol).saturating_sub(1);
        self.marks.get(mark).map_or(self.start, |(index, offset)| offset + (symbol - index)).min(self.end)
    }
}

/// What reading a run gives.
#[derive(Debug)]
pub enum Outcome {
    /// A run.
    Run(Base64Run),
    /// It goes on past the end of the bytes.
    NeedMore,
}

/// How a run that holds the byte at `at` is cut into groups of four symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The run begins at `at`.
    Start,
    /// The symbol at `at` is so many symbols into its group; the run may have begun long before.
    Within(u8),
}

/// Reads the run at `at`.
pub fn read(bytes: &[u8], at: usize, phase: Phase, more: bool) -> Outcome {
    let start = match phase {
        Phase::Start => at,
        Phase::Within(_) => beginning(bytes, at),
    };
    let mut symbols = Vec::with_capacity(ROOM);
    let mut marks = vec![(0, start)];
    let mut line = 0;
    let mut next = start;
    let mut end = start;
    let mut anchor = 0;
    let mut cut = false;
    loop {
        let run = bytes[next..].iter().take(MOST - symbols.len()).take_while(|b| SYMBOLS.has(**b)).count();
        if (next..=next + run).contains(&at) {
            anchor = symbols.len() + (at - next);
        }
        if run > 0 {
            symbols.extend_from_slice(&bytes[next..next + run]);
            next += run;
            end = next;
            line += run;
        }
        if symbols.len() >= MOST {
            cut = true;
            break;
        }
        let rest = &bytes[next..];
        if rest.is_empty() {
            if more {
                return Outcome::NeedMore;
            }
            break;
        }
        match escape::escape(rest) {
            Escape::Char(symbol, length) if SYMBOLS.has(symbol) => {
                marks.push((symbols.len(), next));
                symbols.push(symbol);
                next += length;
                end = next;
                marks.push((symbols.len(), next));
                line += 1;
                continue;
            }
            Escape::CutOff if more => return Outcome::NeedMore,
            _ => {}
        }
        let gap = line_break(rest);
        if gap == rest.len() && more {
            return Outcome::NeedMore;
        }
        if gap == 0 || !(LINE..=WIDEST).contains(&line) {
            break;
        }
        // A line goes on where the next one holds nothing but symbols: `name=value` is none of it.
        let following = rest[gap..].iter().take(WIDEST + 1).take_while(|b| SYMBOLS.has(**b)).count();
        let after = &rest[gap + following..];
        if after.len() < 2 && more {
            return Outcome::NeedMore;
        }
        let ends = match after {
            [b'='] => true,
            [b'=', next, ..] => !SYMBOLS.has(*next),
            [next, ..] => matches!(next, b'\n' | b'\r' | b'"' | b'\'' | b'<' | b'\\' | b'%'),
            [] => true,
        };
        if following == 0 || !ends {
            break;
        }
        next += gap;
        line = 0;
        marks.push((symbols.len(), next));
    }
    let skipped = match phase {
        Phase::Start => 0,
        Phase::Within(into) => (anchor + 4 - usize::from(into)) % 4,
    };
    let skipped = skipped.min(symbols.len());
    Outcome::Run(Base64Run { start, end, text: decode(&symbols[skipped..]), cut, marks, skipped })
}

/// The text that a value stands for, if it is base64 of nothing but printable ASCII: random bytes hardly ever are.
pub fn text(value: &[u8]) -> Option<Vec<u8>> {
    let symbols = value.strip_suffix(b"==").or(value.strip_suffix(b"=")).unwrap_or(value);
    if symbols.len() < 16 || symbols.len() % 4 == 1 || !symbols.iter().all(|b| SYMBOLS.has(*b)) {
        return None;
    }
    let text = decode(symbols);
    let printable = |b: &u8| matches!(*b, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    (text.len() >= 12 && text.iter().all(printable)).then(|| text.trim_ascii().to_vec())
}

/// Decodes symbols of either alphabet; a last group that is too short is left out.
fn decode(symbols: &[u8]) -> Vec<u8> {
    let whole = if symbols.len() % 4 == 1 { symbols.len() - 1 } else { symbols.len() };
    let standard: Vec<u8> = symbols[..whole]
        .iter()
        .map(|symbol| match symbol {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    LENIENT.decode(standard).unwrap_or_default()
}

/// Where the run around `at` begins.
fn beginning(bytes: &[u8], at: usize) -> usize {
    let floor = at.saturating_sub(BACK);
    let mut start = at;
    loop {
        while start > floor && SYMBOLS.has(bytes[start - 1]) {
            start -= 1;
        }
        // `\n` and `\/` leave a letter or a slash of their own.
        let mut before = start;
        while before > floor && matches!(bytes[before - 1], b' ' | b'\t') {
            before -= 1;
        }
        let Some(head) = bytes[floor..before].strip_suffix(b"\n") else { return start };
        let head = head.strip_suffix(b"\r").unwrap_or(head);
        let line = head.iter().rev().take_while(|b| SYMBOLS.has(**b)).count();
        if line < LINE {
            return start;
        }
        start = floor + head.len();
    }
}

/// The length of a line break, real or escaped, and of the indentation after it; 0 if there is none.
fn line_break(rest: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let here = &rest[at..];
        let slashes = here.iter().take_while(|b| **b == b'\\').count();
        match here.get(slashes) {
            Some(b'\n' | b'\r') => at += slashes + 1,
            Some(b'n' | b'r') if (1..=8).contains(&slashes) => at += slashes + 1,
            _ => break,
        }
        if at > 16 {
            return 0;
        }
    }
    if at == 0 {
        return 0;
    }
    at + rest[at..].iter().take(64).take_while(|b| matches!(**b, b' ' | b'\t')).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(text: &str, at: usize, phase: Phase) -> Base64Run {
        match read(text.as_bytes(), at, phase, false) {
            Outcome::Run(run) => run,
            Outcome::NeedMore => panic!("nothing more comes"),
        }
    }

    fn folded(plain: &[u8]) -> String {
        base64::engine::general_purpose::STANDARD.encode(plain)
    }

    #[test]
    fn runs_are_read_in_every_form() {
        let plain: Vec<u8> = (0..200u8).map(|n| b'!' + n % 90).collect();
        let one = folded(&plain);
        let lines = |end: &str| {
            let pieces: Vec<&str> = one.as_bytes().chunks(76).filter_map(|c| std::str::from_utf8(c).ok()).collect();
            pieces.join(end)
        };
        for text in [
            one.clone(),
            lines("\r\n"),
            lines("\n    "),
            lines("\\n"),
            lines("\\\\r\\\\n"),
            one.replace('/', "\\/"),
            one.replace('+', "%2B").replace('/', "%2f"),
            one.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned(),
        ] {
            let run = read_all(&format!("{text}\" }}"), 0, Phase::Start);
            assert_eq!(run.text, plain, "{text}");
        }
        // Two short values on two lines are two runs.
        assert_eq!(read_all("c2VjcmV0\nbm90aGVy", 0, Phase::Start).end, 8);
    }

    #[test]
    fn an_anchor_within_tells_how_to_cut() {
        for pad in 0..7 {
            let plain = format!("{}needle in a haystack", "x".repeat(pad));
            let text = format!("data={}", folded(plain.as_bytes()));
            let run = read_all(&text, 5 + 8, Phase::Within(0));
            assert!(String::from_utf8_lossy(&run.text).contains("needle"), "{pad}");
        }
        let run = read_all("/aGVsbG8gd29ybGQ=", 1, Phase::Within(0));
        assert_eq!(run.text, b"hello world");
        assert_eq!(run.place(0, 5), (1, 8));
    }

    proptest! {
        #[test]
        fn places_stay_inside_and_keep_their_order(text in "[A-Za-z0-9+/\\\\n%2B\n ]{0,300}", at in 0usize..300, into in 0u8..4) {
            let at = at.min(text.len());
            for phase in [Phase::Start, Phase::Within(into)] {
                let run = read_all(&text, at, phase);
                prop_assert!(run.start <= run.end && run.end <= text.len());
                let (from, to) = run.place(0, run.text.len());
                prop_assert!(run.start <= from && from <= to && to <= run.end);
            }
        }

        #[test]
        fn decoded_bytes_know_where_they_come_from(plain in prop::collection::vec(any::<u8>(), 3..300), cut in any::<prop::sample::Index>()) {
            let one = folded(&plain);
            let text: Vec<&str> = one.as_bytes().chunks(64).filter_map(|c| std::str::from_utf8(c).ok()).collect();
            let text = text.join("\n");
            let run = read_all(&text, 0, Phase::Start);
            prop_assert_eq!(&run.text, &plain);
            let from = cut.index(plain.len());
            let (start, end) = run.place(from, plain.len());
            // The symbols at that place, decoded on their own from the group's start, hold the bytes.
            let symbols: String = text[..end].chars().filter(|c| *c != '\n').collect();
            prop_assert_eq!(&decode(symbols.trim_end_matches('=').as_bytes()), &plain);
            let before = text[..start].chars().filter(|c| *c != '\n').count();
            prop_assert_eq!(before, from * 4 / 3);
        }
    }
}
