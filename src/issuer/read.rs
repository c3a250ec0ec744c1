//! What front ends have in common: documents, lengths of time as products write them, switches.

use std::collections::BTreeMap;

use super::issued::Issued;
use crate::config::files::Files;
use crate::config::place::Place;
pub(super) use crate::config::settings::{broken, documents};
use crate::config::terraform::{self, Folder, Module, Trees, folder};
use crate::config::tree::{At, Switch};

/// Whether all of these words stand in a text.
pub(super) fn has(text: &str, words: &[&str]) -> bool {
    words.iter().all(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some())
}

/// Whether a name is that of a tree: JSON or YAML.
pub(super) fn is_tree(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    ["json", "yaml", "yml", "template", "tmpl", "jwks"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// The same of each file by itself, with what `read` finds in its documents.
pub(super) fn each_document(files: &Files, own: &[u32], mut read: impl FnMut(At<'_>, &mut Vec<Issued>)) -> Vec<Issued> {
    let mut all = Vec::new();
    for number in own {
        let stream = documents(files, *number);
        let before = all.len();
        for document in &stream.documents {
            read(At::root(*number, document), &mut all);
        }
        // A file that is none of this product's says nothing about itself.
        if let (Some(first), Some(hole)) = (all.get_mut(before), broken(&stream, *number)) {
            first.holes.push(hole);
        }
    }
    all
}

/// The files of Terraform, folder by folder, with what `read` finds in them.
pub(super) fn each_module(
    files: &Files,
    own: &[u32],
    mut read: impl FnMut(&Module<'_>, &mut Vec<Issued>),
) -> Vec<Issued> {
    let mut folders: BTreeMap<Folder<'_>, Vec<u32>> = BTreeMap::new();
    for number in own {
        folders.entry(folder(files, *number)).or_default();
    }
    // Variables and locals stand in files that name no product.
    for (number, _) in files.iter().filter(|(_, text)| terraform::is_terraform(text.path())) {
        if let Some(members) = folders.get_mut(&folder(files, number)) {
            members.push(number);
        }
    }
    let mut all = Vec::new();
    for members in folders.values() {
        let (trees, errors) = Trees::read(files, members);
        let before = all.len();
        read(&trees.module(), &mut all);
        if let Some(first) = all.get_mut(before) {
            for (file, at) in errors.into_iter().filter(|(file, _)| own.contains(file)) {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                first.holes.push((Place { file, start: at, end: at }, "it could only be read in part".to_owned()));
            }
        }
    }
    all
}

/// A whole number.
pub(super) fn number(at: At<'_>) -> Option<i64> {
    at.text()?.trim().parse().ok()
}

/// What a switch is set to; nothing where it is not there or not known.
pub(super) fn switch(at: At<'_>, key: &str) -> Option<bool> {
    at.get(key)?;
    match at.switch(key, false) {
        Switch::On => Some(true),
        Switch::Off => Some(false),
        Switch::Unknown => None,
    }
}

/// Go's and Spring's lengths of time (`1h30m`, `720h`, `15m`, `30s`, `7d`) in seconds; a bare number counts `unit`
/// milliseconds. Nothing for what is negative or can't be read.
pub(super) fn duration(text: &str, unit: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return (number >= 0).then(|| number.checked_mul(unit).map(|ms| ms / 1_000))?;
    }
    if let Some(iso) = text.strip_prefix(['P', 'p']) {
        return iso8601(iso);
    }
    let mut rest = text;
    let mut milliseconds = 0i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let each = match rest.get(..letters)? {
            "ns" | "us" => 0,
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        milliseconds = milliseconds.checked_add(number.checked_mul(each)?)?;
        rest = rest.get(letters..)?;
    }
    (!text.is_empty()).then_some(milliseconds / 1_000)
}

/// `T1H30M`, `1D`, after the `P`.
fn iso8601(text: &str) -> Option<i64> {
    let mut seconds = 0i64;
    let mut time = false;
    let mut digits = String::new();
    for c in text.chars() {
        match c.to_ascii_uppercase() {
            'T' => time = true,
            c if c.is_ascii_digit() => digits.push(c),
            c => {
                let each = match (c, time) {
                    ('D', false) => 86_400,
                    ('H', true) => 3_600,
                    ('M', true) => 60,
                    ('S', true) => 1,
                    _ => return None,
                };
                seconds = seconds.checked_add(std::mem::take(&mut digits).parse::<i64>().ok()?.checked_mul(each)?)?;
            }
        }
    }
    digits.is_empty().then_some(seconds)
}

/// .NET's lengths of time, `[d.]hh:mm:ss`, in seconds.
pub(super) fn time_span(text: &str) -> Option<i64> {
    let (days, clock) = match text.split_once('.') {
        Some((days, clock)) if clock.contains(':') => (days.parse::<i64>().ok()?, clock),
        _ => (0, text),
    };
    let mut parts = clock.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds: i64 = parts.next().map_or(Some(0), |part| part.split('.').next()?.parse().ok())?;
    let within = days >= 0 && (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..60).contains(&seconds);
    (within && parts.next().is_none())
        .then(|| days.checked_mul(86_400)?.checked_add(hours * 3_600 + minutes * 60 + seconds))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_of_time_are_read() {
        for (text, seconds) in [
            ("1h", Some(3_600)),
            ("1h30m", Some(5_400)),
            ("720h", Some(2_592_000)),
            ("1500ms", Some(1)),
            ("3600000", Some(3_600)),
            ("PT24H", Some(86_400)),
            ("P1DT1S", Some(86_401)),
            ("-1", None),
            ("1y", None),
            ("h", None),
            ("", None),
            ("PTx", None),
        ] {
            assert_eq!(duration(text, 1), seconds, "{text}");
        }
        for (text, seconds) in [
            ("00:05:00", Some(300)),
            ("1.00:00:01", Some(86_401)),
            ("00:00:25.5", Some(25)),
            ("5", None),
            ("25:00:00", None),
        ] {
            assert_eq!(time_span(text), seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9PThmsd:. ]{0,30}") {
            prop_assert!(duration(&text, 1_000).is_none_or(|seconds| seconds >= 0));
            prop_assert!(time_span(&text).is_none_or(|seconds| seconds >= 0));
        }
    }
}
