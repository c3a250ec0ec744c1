//! A token cut into lines: quoted-printable soft breaks (RFC 2045, section 6.7), shell continuations, and hard wraps at a
//! fixed width, as mail programs, PEM-minded tools and editors make them.

use crate::token::escape::Class;

/// Widths that programs wrap at.
const WIDTHS: &[usize] = &[60, 64, 70, 72, 74, 75, 76, 77, 78, 79, 80, 100, 120];
/// Narrower lines are no wraps.
const NARROWEST: usize = 40;

/// The lines of a token, joined.
#[derive(Debug)]
pub struct Joined {
    /// The characters.
    pub text: Vec<u8>,
    /// The breaks were quoted-printable or continuations, not mere line ends.
    pub soft: bool,
    /// It reaches the end of the bytes.
    pub open: bool,
    /// Where each line begins: index of a character and its offset.
    marks: Vec<(usize, usize)>,
}

impl Joined {
    /// How many characters there are up to the end of each line, the longest first: the last line may be another's.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        let starts = self.marks[1..].iter().rev().map(|(index, _)| *index);
        std::iter::once(self.text.len()).chain(starts).take(3)
    }

    /// Offset past the first `length` characters.
    pub fn end(&self, length: usize) -> usize {
        let Some(last) = length.checked_sub(1) else { return self.marks[0].1 };
        let mark = self.marks.partition_point(|(index, _)| *index <= last).saturating_sub(1);
        self.marks.get(mark).map_or(0, |(index, offset)| offset + (last - index) + 1)
    }
}

/// Whether the line, or what of a token stands on it, ends at `at` in a way that it may go on in the next one.
pub fn breaks_at(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    line_end(rest) > 0
        || (matches!(rest.first(), Some(b'=' | b'\\')) && line_end(&rest[1..]) > 0)
        || quoted(rest).is_some()
}

/// Joins the characters of `class` from `at` on, up to a dot that would be one more than `dots`; `None` where nothing goes
/// on in a further line.
pub fn join(bytes: &[u8], at: usize, class: &Class, dots: usize, limit: usize) -> Option<Joined> {
    let mut joined = Joined { text: Vec::new(), soft: false, open: false, marks: vec![(0, at)] };
    let mut line_start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
    let mut content_start = at;
    let mut width = None;
    let mut seen = 0;
    let mut next = at;
    while joined.text.len() < limit {
        let Some(&byte) = bytes.get(next) else {
            joined.open = true;
            break;
        };
        if class.has(byte) && byte != b'=' {
            if byte == b'.' {
                if seen == dots {
                    break;
                }
                seen += 1;
            }
            joined.text.push(byte);
            next += 1;
            continue;
        }
        let rest = &bytes[next..];
        let soft = matches!(byte, b'=' | b'\\');
        if soft && let Some(symbol) = quoted(rest).filter(|symbol| class.has(*symbol)) {
            if symbol == b'.' {
                if seen == dots {
                    break;
                }
                seen += 1;
            }
            joined.text.push(symbol);
            next += 3;
            joined.marks.push((joined.text.len(), next));
            joined.soft = true;
            continue;
        }
        let gap = line_end(&rest[usize::from(soft)..]);
        if gap == 0 {
            joined.open = rest.len() < 3;
            break;
        }
        let following = next + usize::from(soft) + gap;
        if !soft {
            // Either the line has the width, or what of the token stands on it.
            let (this, own) = (next - line_start, next - content_start);
            let wrapped = match width {
                Some((width, first_own)) => this == width || own == first_own,
                None => this >= NARROWEST && (WIDTHS.contains(&this) || width_of(bytes, following) == Some(this)),
            };
            if !wrapped {
                break;
            }
            width = Some((this, own));
        }
        let indent = bytes[following..].iter().take(64).take_while(|b| matches!(**b, b' ' | b'\t' | b'>')).count();
        if byte == b'=' && indent > 0 || !bytes.get(following + indent).is_some_and(|b| class.has(*b)) {
            joined.open = following + indent >= bytes.len();
            break;
        }
        joined.soft |= soft;
        line_start = following;
        next = following + indent;
        content_start = next;
        joined.marks.push((joined.text.len(), next));
    }
    (joined.marks.len() > 1 || joined.open).then_some(joined)
}

/// The length of a line end.
fn line_end(rest: &[u8]) -> usize {
    match rest {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}

/// `=2E`
fn quoted(rest: &[u8]) -> Option<u8> {
    let [b'=', high, low, ..] = rest else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_lowercase());
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

/// The width of the line that begins at `start`.
fn width_of(bytes: &[u8], start: usize) -> Option<usize> {
    let line = &bytes[start..bytes.len().min(start + 512)];
    let end = memchr::memchr(b'\n', line)?;
    Some(line[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::escape::COMPACT;

    fn joined(text: &str) -> Option<String> {
        join(text.as_bytes(), 0, &COMPACT, 2, 10_000).map(|j| String::from_utf8_lossy(&j.text).into_owned())
    }

    #[test]
    fn lines_are_joined_where_they_were_cut() {
        let token: String =
            (0..310).map(|n| if n == 50 || n == 200 { '.' } else { char::from(b'a' + n as u8 % 26) }).collect();
        let cut = |width: usize, end: &str| {
            let pieces: Vec<&str> =
                token.as_bytes().chunks(width).filter_map(|c| std::str::from_utf8(c).ok()).collect();
            pieces.join(end)
        };
        for text in [cut(64, "\n"), cut(76, "\r\n"), cut(60, "\n"), cut(75, "=\r\n"), cut(50, "\\\n  "), cut(53, "\n")]
        {
            assert_eq!(joined(&format!("{text}\nand more")).as_deref(), Some(&*token), "{text}");
        }
        assert_eq!(joined(&token.replace('.', "=2E")).as_deref(), Some(&*token));
        assert_eq!(joined(&format!("{token}\nand more")), None);
        // Of one line only its end is known to fit a width.
        assert_eq!(joined("short\nlines\n"), None);
    }

    proptest! {
        #[test]
        fn ends_are_in_the_text_and_grow(text in "[ab.=\r\n\\\\ >2E]{0,200}", length in 0usize..100) {
            if let Some(joined) = join(text.as_bytes(), 0, &COMPACT, 4, 90) {
                let length = length.min(joined.text.len());
                prop_assert!(joined.end(length) <= text.len());
                prop_assert!(joined.end(length) >= length);
            }
        }
    }
}
