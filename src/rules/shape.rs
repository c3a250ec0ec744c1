//! Expressions that can be followed byte by byte, without trying a second way: anchored at the start, and wherever one
//! could stop repeating or take another branch the next byte says which. Most token shapes are like that.
//!
//! A library for regular expressions writes `[A-Za-z0-9]{60,6000}` out as six thousand states before it looks at a byte:
//! milliseconds and megabytes for one family. A shape is made in microseconds and counts. What it matches, and how far,
//! is what the expression would; expressions that are no shape are left to the library.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// An expression that can be followed so.
#[derive(Debug)]
pub(super) struct Shape(Part);

#[derive(Debug)]
enum Part {
    /// These bytes.
    Text(Box<[u8]>),
    /// So many bytes of a set, as many as there are.
    Run(Box<Set>, Count),
    /// One after the other.
    All(Vec<Part>),
    /// The first that fits.
    Any(Vec<Part>),
    /// So often, as often as it fits.
    Repeated(Box<Part>, Count),
    /// The end of the text.
    End,
    /// A letter, digit or underscore on one side only.
    Boundary,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    least: usize,
    most: usize,
}

impl Shape {
    /// The shape of an expression, if it is one.
    pub(super) fn of(expression: &Hir) -> Option<Self> {
        let HirKind::Concat(parts) = expression.kind() else { return None };
        let (first, rest) = parts.split_first()?;
        matches!(first.kind(), HirKind::Look(Look::Start)).then_some(())?;
        Some(Self(concat(rest, &Next { set: Set::default(), may_end: true })?))
    }

    /// Where the match ends that begins with the text.
    pub(super) fn end_in(&self, text: &[u8]) -> Option<usize> {
        self.0.end(text, 0)
    }
}

impl Part {
    /// Where it ends that begins at `at`. Parts nest no deeper than the expression's brackets.
    fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Text(bytes) => text[at..].starts_with(bytes).then(|| at + bytes.len()),
            Self::Run(set, Count { least, most }) => {
                let long = text[at..].iter().take(*most).take_while(|byte| set.has(**byte)).count();
                (long >= *least).then_some(at + long)
            }
            Self::All(parts) => parts.iter().try_fold(at, |at, part| part.end(text, at)),
            Self::Any(parts) => parts.iter().find_map(|part| part.end(text, at)),
            Self::Repeated(part, Count { least, most }) => {
                let (mut at, mut often) = (at, 0);
                while often < *most
                    && let Some(end) = part.end(text, at)
                {
                    (at, often) = (end, often + 1);
                }
                (often >= *least).then_some(at)
            }
            Self::End => (at == text.len()).then_some(at),
            Self::Boundary => {
                let word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
                (word(text[..at].last()) != word(text.get(at))).then_some(at)
            }
        }
    }
}

/// What may follow a part.
#[derive(Debug, Clone, Copy)]
struct Next {
    /// The bytes that what follows may begin with.
    set: Set,
    /// The match may end there, whatever follows.
    may_end: bool,
}

/// A part that stands before `next`.
fn part(hir: &Hir, next: &Next) -> Option<Part> {
    match hir.kind() {
        HirKind::Empty => Some(Part::All(Vec::new())),
        HirKind::Literal(literal) => Some(Part::Text(literal.0.clone())),
        HirKind::Class(_) => Some(Part::Run(Box::new(Set::of(hir)?), Count { least: 1, most: 1 })),
        HirKind::Look(Look::End) => Some(Part::End),
        HirKind::Look(Look::WordAscii) => Some(Part::Boundary),
        HirKind::Look(_) => None,
        HirKind::Capture(capture) => part(&capture.sub, next),
        HirKind::Concat(parts) => concat(parts, next),
        HirKind::Repetition(repetition) => {
            let count =
                Count { least: repetition.min as usize, most: repetition.max.map_or(usize::MAX, |most| most as usize) };
            let first = First::of(&repetition.sub)?;
            // Whether to go on is for the next byte to say, and going on has to lead further.
            let undecided = count.least < count.most && (!repetition.greedy || first.set.meets(&next.set));
            if first.may_be_empty || undecided {
                return None;
            }
            if let Some(set) = Set::of(&repetition.sub) {
                return Some(Part::Run(Box::new(set), count));
            }
            let next = if count.most > 1 { Next { set: first.set.or(&next.set), ..*next } } else { *next };
            Some(Part::Repeated(Box::new(part(&repetition.sub, &next)?), count))
        }
        HirKind::Alternation(branches) => {
            let firsts: Vec<First> = branches.iter().map(First::of).collect::<Option<_>>()?;
            // The first branch that fits is right where nothing after it can fail; else no other may fit.
            let nothing_follows = next.may_end && next.set.is_empty();
            if !nothing_follows && !are_apart(&firsts, &next.set) && !are_exclusive(branches) {
                return None;
            }
            Some(Part::Any(branches.iter().map(|branch| part(branch, next)).collect::<Option<_>>()?))
        }
    }
}

/// Whether the next byte tells which branch it is. Only the last may be empty, and then what follows is a branch, too.
fn are_apart(branches: &[First], next: &Set) -> bool {
    let Some((last, others)) = branches.split_last() else { return true };
    let mut taken = if last.may_be_empty { *next } else { Set::default() };
    others.iter().chain([last]).enumerate().all(|(at, branch)| {
        let apart = match at == others.len() {
            // What stands against it is looked at where its own parts are.
            true => others.iter().all(|other| !other.set.meets(&branch.set)),
            false => !branch.may_be_empty && !branch.set.meets(&taken),
        };
        taken = taken.or(&branch.set);
        apart
    })
}

/// Whether they are texts of which none begins with another: no more than one can fit.
fn are_exclusive(branches: &[Hir]) -> bool {
    let text = |branch: &Hir| match branch.kind() {
        HirKind::Literal(literal) => Some(literal.0.clone()),
        _ => None,
    };
    let Some(texts) = branches.iter().map(text).collect::<Option<Vec<_>>>() else { return false };
    texts
        .iter()
        .enumerate()
        .all(|(at, one)| texts.iter().enumerate().all(|(other, text)| at == other || !text.starts_with(one)))
}

fn concat(parts: &[Hir], next: &Next) -> Option<Part> {
    let mut next = *next;
    let mut all = Vec::with_capacity(parts.len());
    for hir in parts.iter().rev() {
        all.push(part(hir, &next)?);
        let First { set, may_be_empty } = First::of(hir)?;
        next = if may_be_empty { Next { set: set.or(&next.set), ..next } } else { Next { set, may_end: false } };
    }
    all.reverse();
    Some(Part::All(all))
}

/// How a part may begin.
#[derive(Debug, Clone, Copy)]
struct First {
    set: Set,
    may_be_empty: bool,
}

impl First {
    fn of(hir: &Hir) -> Option<Self> {
        let nothing = Self { set: Set::default(), may_be_empty: true };
        Some(match hir.kind() {
            HirKind::Empty => nothing,
            HirKind::Literal(literal) => {
                Self { set: Set::default().with(*literal.0.first()?, *literal.0.first()?), may_be_empty: false }
            }
            HirKind::Class(_) => Self { set: Set::of(hir)?, may_be_empty: false },
            // No byte begins with the end, and it is not nothing either.
            HirKind::Look(Look::End) => Self { may_be_empty: false, ..nothing },
            // It may stand before any byte.
            HirKind::Look(Look::WordAscii) => Self { set: Set([u64::MAX; 4]), may_be_empty: false },
            HirKind::Look(_) => return None,
            HirKind::Capture(capture) => Self::of(&capture.sub)?,
            HirKind::Repetition(repetition) => {
                let first = Self::of(&repetition.sub)?;
                Self { may_be_empty: first.may_be_empty || repetition.min == 0, ..first }
            }
            HirKind::Concat(parts) => {
                let mut all = nothing;
                for part in parts {
                    let first = Self::of(part)?;
                    all = Self { set: all.set.or(&first.set), ..first };
                    if !first.may_be_empty {
                        break;
                    }
                }
                all
            }
            HirKind::Alternation(branches) => {
                let mut all = Self { may_be_empty: false, ..nothing };
                for branch in branches {
                    let first = Self::of(branch)?;
                    all = Self { set: all.set.or(&first.set), may_be_empty: all.may_be_empty || first.may_be_empty };
                }
                all
            }
        })
    }
}

/// A set of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Set([u64; 4]);

impl Set {
    /// The bytes of a class or of a literal of one byte.
    fn of(hir: &Hir) -> Option<Self> {
        match hir.kind() {
            HirKind::Class(Class::Bytes(class)) => {
                Some(class.ranges().iter().fold(Self::default(), |set, range| set.with(range.start(), range.end())))
            }
            HirKind::Literal(literal) if literal.0.len() == 1 => Some(Self::default().with(literal.0[0], literal.0[0])),
            _ => None,
        }
    }

    fn with(mut self, first: u8, last: u8) -> Self {
        for byte in first..=last {
            self.0[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
        self
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] >> (byte % 64) & 1 != 0
    }

    fn or(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(one, other)| one & other != 0)
    }

    fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::RegexBuilder;

    use super::*;
    use crate::rules::reader::expression;
    use crate::rules::{Catalogue, unsplit};

    fn shape(text: &str) -> Option<Shape> {
        Shape::of(&expression(text).unwrap_or_else(|e| panic!("{text}: {e}")))
    }

    fn end(expression: &str, text: &[u8]) -> Option<usize> {
        RegexBuilder::new(expression).unicode(false).build().expect("an expression").find(text).map(|found| found.end())
    }

    #[test]
    fn what_the_next_byte_decides_is_a_shape() {
        for yes in [
            r"\Agh[pousr]_[A-Za-z0-9]{36,255}",
            r"\A(?:[a-z]{2,5}\.[a-z]{3,9})",
            r"\A(?:ab|cd)?e{0,2}\z",
            r"^(Bearer|DPoP)$",
            r"\Aa(?:,b{1,3}=?){0,8}",
            r"^x(?:ab|ac)",
            r"^(?:ab|ac)d",
            r"\A\bx[0-9]{3}\b",
            r"^https://(one/|other\.(com|us)/)",
            r"\A[a-f]{3}a{4}",
        ] {
            assert!(shape(yes).is_some(), "{yes}");
        }
        for no in [
            r"abc",
            r"\A[a-z.]+\.com",
            r"\A(?:ab)*a",
            r"\A(?:ab|a)b",
            r"\A(?:a|)a",
            r"\Aa+?",
            r"\Aa+\b",
            r"\Aa\B",
            r"\A(?:a?){3}b",
            r"(?i)^(?:a/)?a\z",
            r"^(?:ab|abc)d",
            r"\A(?:a?b?){2}",
        ] {
            assert!(shape(no).is_none(), "{no}");
        }
    }

    #[test]
    fn what_failed_halfway_is_given_up() {
        for (expression, text) in [
            (r"\Aa(?:,b)*", "a,b,c"),
            (r"\Aa(?:,b)?", "a,c"),
            (r"\Aa(?:,b){2,3}", "a,b,c"),
            (r"\A(?:ab|cd|)", "ax"),
            (r"^x(?:ab|a)", "xac"),
            (r"^x(?:a|ab)", "xab"),
            (r"\A[ab]{2}b?\z", "abbb"),
            (r"\Aa{2,3}", "aaaa"),
            (r"\Aa{2,3}\z", "aaaa"),
        ] {
            let shape = shape(expression).unwrap_or_else(|| panic!("{expression}"));
            assert_eq!(shape.end_in(text.as_bytes()), end(expression, text.as_bytes()), "{expression} on {text}");
        }
    }

    /// Each shape of the catalogue with the expression that it was made of.
    fn embedded() -> (Catalogue, Vec<String>) {
        let catalogue = Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"));
        let samples =
            catalogue.families.iter().flat_map(|f| f.hits.iter().chain(&f.misses)).map(|s| unsplit(s)).collect();
        (catalogue, samples)
    }

    #[test]
    fn the_families_shapes_match_what_their_expressions_do() {
        let (catalogue, samples) = embedded();
        let (mut shapes, mut others) = (0, Vec::new());
        for family in &catalogue.families {
            for pattern in family.pattern.iter().chain(&family.whole) {
                let text = pattern.text();
                let Some(shape) = shape(&text) else {
                    others.push(family.slug);
                    continue;
                };
                shapes += 1;
                let regex = RegexBuilder::new(&text).unicode(false).build().expect("an expression");
                let own = family.hits.iter().map(|hit| unsplit(hit));
                for sample in own.chain(samples.iter().step_by(7).cloned()) {
                    let sample = sample.as_bytes();
                    let starts = (0..sample.len()).filter(|at| *at == 0 || !sample[at - 1].is_ascii_alphanumeric());
                    for start in starts {
                        let rest = &sample[start..];
                        let whole = regex.find(rest).map(|found| found.end());
                        assert_eq!(shape.end_in(rest), whole, "{} at {start}", family.slug);
                        // Cut short, and with another byte in it.
                        let Some(end) = whole else { continue };
                        let mut broken = rest.to_vec();
                        for at in [end / 4, end / 2, end.saturating_sub(2)] {
                            let cut = &rest[..at];
                            assert_eq!(shape.end_in(cut), regex.find(cut).map(|found| found.end()), "{}", family.slug);
                            broken[at] = b'!';
                            let found = regex.find(&broken).map(|found| found.end());
                            assert_eq!(shape.end_in(&broken), found, "{}", family.slug);
                        }
                    }
                }
            }
        }
        assert!(shapes > 100, "{shapes} shapes; none: {others:?}");
    }

    fn expressions() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec!["a", "b", "c", "ab", "[ab]", "[bc]", "[^a]", ""]).prop_map(str::to_owned);
        let inner = leaf.prop_recursive(3, 12, 3, |inner| {
            let count = prop::sample::select(vec!["?", "*", "+", "{2}", "{1,2}", "{0,3}", "{2,}", "+?"]);
            prop_oneof![
                3 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| parts.concat()),
                2 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                2 => (inner, count).prop_map(|(part, count)| format!("(?:{part}){count}")),
            ]
        });
        (inner, prop::sample::select(vec!["", "", r"\z", r"\b"])).prop_map(|(part, end)| format!(r"\A(?:{part}){end}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn matches_what_the_library_matches(text in expressions(), samples in prop::collection::vec("[abc-]{0,8}", 8)) {
            if let Some(shape) = shape(&text) {
                for sample in samples {
                    prop_assert_eq!(shape.end_in(sample.as_bytes()), end(&text, sample.as_bytes()), "{} on {}", text, sample);
                }
            }
        }
    }
}
