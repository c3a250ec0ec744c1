//! Mutants of configurations that are trees of lines: YAML by its indentation, Caddyfiles by their braces.

use keybound::syntax::caddyfile::{self, Segment};

use crate::mutate::Random;

/// Changes YAML: drops an entry with all below it, repeats it, moves it to where another of its depth stands, sets another
/// value, or puts in one of `pool`, which are lines without indentation.
pub(crate) fn yaml(text: &str, random: &mut Random, values: &[&[&str]], pool: &[&str]) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = random.below(lines.len());
    let depth = depth(lines[at])?;
    let end = lines[at + 1..].iter().position(|line| self::depth(line).is_some_and(|other| other <= depth));
    let end = end.map_or(lines.len(), |length| at + 1 + length);
    let join = |parts: &[&[&str]]| parts.concat().concat();
    Some(match random.below(10) {
        0 | 1 => join(&[&lines[..at], &lines[end..]]),
        2 => join(&[&lines[..end], &lines[at..end], &lines[end..]]),
        3 | 4 => {
            let places: Vec<usize> = (0..lines.len())
                .filter(|to| (*to < at || *to > end) && self::depth(lines[*to]) == Some(depth))
                .collect();
            let to = *random.one(&places)?;
            if to < at {
                join(&[&lines[..to], &lines[at..end], &lines[to..at], &lines[end..]])
            } else {
                join(&[&lines[..at], &lines[end..to], &lines[at..end], &lines[to..]])
            }
        }
        5..=7 => {
            // A value for another of its kind.
            let fits: Vec<(usize, &str, &[&str])> = lines
                .iter()
                .enumerate()
                .flat_map(|(number, line)| {
                    let words = values.iter().flat_map(move |kind| kind.iter().map(move |word| (*word, *kind)));
                    words.filter(|(word, _)| line.contains(*word)).map(move |(word, kind)| (number, word, kind))
                })
                .collect();
            let (number, word, kind) = *random.one(&fits)?;
            let other = random.one(kind)?;
            let changed = lines[number].replacen(word, other, 1);
            join(&[&lines[..number], &[changed.as_str()], &lines[number + 1..]])
        }
        _ => {
            let piece = random.one(pool)?;
            let indent = " ".repeat(depth);
            let piece: String = piece.lines().map(|line| format!("{indent}{line}\n")).collect();
            join(&[&lines[..at], &[piece.as_str()], &lines[at..]])
        }
    })
}

/// How far a line is indented, the dash of a list's item with it; nothing for blank lines and comments.
fn depth(line: &str) -> Option<usize> {
    let bare = line.trim_start_matches(' ');
    (!bare.trim().is_empty() && !bare.starts_with('#')).then(|| line.len() - bare.len())
}

/// Changes a Caddyfile: drops a line with its block, repeats it, moves it, wraps it, sets another mode, or puts in one of
/// `pool`.
pub(crate) fn caddyfile(text: &str, random: &mut Random, pool: &[&str]) -> Option<String> {
    let segments = caddyfile::parse(text);
    let mut all = Vec::new();
    gather(&segments, &mut all);
    let one = *random.one(&all)?;
    // Of a line with a block, the closing brace is where the next line begins at the latest.
    let end = if one.block.is_some() { closing(text, one)? } else { one.end };
    let piece = &text[one.start..end];
    let without = format!("{}{}", &text[..one.start], &text[end..]);
    Some(match random.below(10) {
        0 | 1 => without,
        2 => format!("{}\n{piece}\n{}", &text[..end], &text[end..]),
        3 | 4 => {
            let other = *random.one(&all)?;
            let to = other.start;
            if (one.start..=end).contains(&to) {
                return None;
            }
            if to < one.start {
                format!("{}{piece}\n{}{}", &text[..to], &text[to..one.start], &text[end..])
            } else {
                format!("{}{}{piece}\n{}", &text[..one.start], &text[end..to], &text[to..])
            }
        }
        5 => {
            let wraps = ["handle", "handle /kb/*", "route", "handle_path /kb/*", "route /v1/*"];
            format!("{}{} {{\n{piece}\n}}\n{}", &text[..one.start], random.one(&wraps)?, &text[end..])
        }
        6 => {
            let modes = ["request", "require", "verify_if_given", "require_and_verify"];
            let mode =
                all.iter().find(|one| one.name() == "mode" && one.arguments().len() == 1)?.arguments().first()?;
            format!("{}{}{}", &text[..mode.start], random.one(&modes)?, &text[mode.end..])
        }
        _ => format!("{}{}\n{}", &text[..one.start], random.one(pool)?, &text[one.start..]),
    })
}

fn gather<'s>(segments: &'s [Segment], all: &mut Vec<&'s Segment>) {
    for segment in segments {
        all.push(segment);
        gather(segment.inner(), all);
    }
}

/// Behind the brace that closes a block.
fn closing(text: &str, segment: &Segment) -> Option<usize> {
    let from = segment.inner().last().map_or(segment.end, |last| match last.block {
        Some(_) => closing(text, last).unwrap_or(last.end),
        None => last.end,
    });
    let from = if segment.inner().is_empty() { from + text[from..].find('{').map_or(0, |at| at + 1) } else { from };
    text[from..].find('}').map(|at| from + at + 1)
}
