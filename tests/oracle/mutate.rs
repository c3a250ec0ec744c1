//! Mutants: configurations that nobody wrote, made from cases by small changes. The real gateway judges whether they are
//! configurations at all, and what they do.

use keybound::syntax::directives::{self, Directive};

use crate::plan::Folder;
use crate::products::Product;

/// Numbers that look random and are the same every time (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    fn new(seed: &str) -> Self {
        // FNV-1a over the seed.
        Self(
            seed.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    /// A number below `end`; 0 where there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(end as u64).unwrap_or(0) as usize
    }

    /// One of them.
    pub(crate) fn one<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}

/// A mutant of a case: one file of it changed, once or twice.
pub(crate) fn mutant(product: &Product, case: &str, number: usize, files: &Folder) -> Option<Folder> {
    let mut random = Random::new(&format!("{case}#{number}"));
    let mut mutant = files.clone();
    let names: Vec<String> = files.keys().cloned().collect();
    for _ in 0..=random.below(2) {
        let name = random.one(&names)?;
        let text = String::from_utf8(mutant.get(name)?.clone()).ok()?;
        if let Some(changed) = (product.mutate)(&text, &mut random) {
            mutant.insert(name.clone(), changed.into_bytes());
        }
    }
    (mutant != *files).then_some(mutant)
}

/// Changes directives in braces: drops one, repeats it, moves it, wraps it, puts a new one in, or another mode.
pub(crate) fn directives(text: &str, random: &mut Random, pool: &[&str]) -> Option<String> {
    let document = directives::read(text, (0, text.len()));
    let mut all = Vec::new();
    gather(&document.directives, &mut all);
    let one = *random.one(&all)?;
    let piece = &text[one.bytes.0..one.bytes.1];
    let without = |text: &str| format!("{}{}", &text[..one.bytes.0], &text[one.bytes.1..]);
    Some(match random.below(12) {
        0 | 1 => without(text),
        2 => insert(text, one.bytes.1, piece),
        3 | 4 => {
            // To the beginning of another block, or behind another directive; never into itself.
            let other = *random.one(&all)?;
            let to = if other.block.is_some() && random.below(2) == 0 {
                other.head().1 + text[other.head().1..].find('{')? + 1
            } else {
                other.bytes.1
            };
            if (one.bytes.0..=one.bytes.1).contains(&to) {
                return None;
            }
            if to < one.bytes.0 {
                insert(&without(text), to, piece)
            } else {
                insert(&without(text), to - (one.bytes.1 - one.bytes.0), piece)
            }
        }
        5 => {
            let wraps = [
                "location /kb-wrap/ {",
                "if ($request_method = GET) {",
                "location ~ ^/kb- {",
                "if ($ssl_client_verify = SUCCESS) {",
            ];
            let wrapped = format!("{} {piece} }}", random.one(&wraps)?);
            insert(&without(text), one.bytes.0, &wrapped)
        }
        6 => {
            let modes: Vec<_> = all.iter().filter(|one| one.name.text == "ssl_verify_client").collect();
            let (start, end) = random.one(&modes)?.arguments.first()?.bytes;
            let mode = random.one(&["on", "optional", "optional_no_ca", "off"])?;
            format!("{}{mode}{}", &text[..start], &text[end..])
        }
        _ => {
            let blocks: Vec<_> = all
                .iter()
                .filter(|one| {
                    matches!(one.name.text.as_str(), "server" | "location" | "http" | "if") && one.block.is_some()
                })
                .collect();
            let block = random.one(&blocks)?;
            let to = if random.below(2) == 0 {
                block.head().1 + text[block.head().1..].find('{')? + 1
            } else {
                block.bytes.1 - 1
            };
            insert(text, to, random.one(pool)?)
        }
    })
}

fn gather<'d>(directives: &'d [Directive], all: &mut Vec<&'d Directive>) {
    for directive in directives {
        all.push(directive);
        gather(directive.block.as_deref().unwrap_or_default(), all);
    }
}

fn insert(text: &str, at: usize, piece: &str) -> String {
    format!("{}\n{piece}\n{}", &text[..at], &text[at..])
}

/// How configurations of lines are changed.
pub(crate) struct Lines {
    /// Lines that may be dropped, moved and so on; anything may be put behind one.
    pub(crate) movable: fn(&str) -> bool,
    /// What is put in; several lines at once, where need be.
    pub(crate) pool: &'static [&'static str],
    /// What a line may be put between.
    pub(crate) wraps: &'static [(&'static str, &'static str)],
    /// The word before a mode, and the modes.
    pub(crate) modes: (&'static str, &'static [&'static str]),
}

/// Changes a configuration of lines: drops one, repeats it, moves it, wraps it, puts a new one in, or another mode.
pub(crate) fn lines(text: &str, random: &mut Random, how: &Lines) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let movable: Vec<usize> = (0..lines.len()).filter(|at| (how.movable)(&lines[*at])).collect();
    let one = *random.one(&movable)?;
    let other = *random.one(&movable)?;
    match random.below(10) {
        0 => _ = lines.remove(one),
        1 => lines.insert(one, lines[one].clone()),
        2 | 3 if one != other => {
            let line = lines.remove(one);
            lines.insert(other, line);
        }
        4 | 5 => {
            let (before, after) = random.one(how.wraps)?;
            lines[one] = format!("{before}{}{after}", lines[one]);
        }
        6 => {
            let (word, modes) = how.modes;
            let has: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains(word)).collect();
            let at = *random.one(&has)?;
            let start = lines[at].find(word)? + word.len();
            let end = lines[at][start..].find(char::is_whitespace).map_or(lines[at].len(), |end| start + end);
            lines[at].replace_range(start..end, random.one(modes)?);
        }
        _ => lines.insert(one + 1, format!("    {}", random.one(how.pool)?)),
    }
    let changed = lines.join("\n") + "\n";
    (changed != text).then_some(changed)
}
