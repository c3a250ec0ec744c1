//! The texts that may be configuration, and how one names others.

use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};

use super::place::Place;
use crate::finding::{Coverage, Location, Related, Status};
use crate::origin::{Layer, Origin};
use crate::span::LineColumn;

/// A text.
#[derive(Debug, Clone)]
pub struct Text {
    /// Where it comes from.
    pub origin: Arc<Origin>,
    /// The text; bytes that are not UTF-8 stand in it as `?`, so that offsets hold.
    pub text: Arc<str>,
}

impl Text {
    /// A text of bytes.
    pub fn new(origin: Arc<Origin>, bytes: Vec<u8>) -> Self {
        let text = String::from_utf8(bytes).unwrap_or_else(|error| {
            let bytes = error.into_bytes();
            let mut text = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|_| '?'));
            }
            text
        });
        Self { origin, text: text.into() }
    }

    /// Its path, with `/`; within the archive, if it comes from one.
    pub fn path(&self) -> &str {
        self.origin.name()
    }
}

/// All texts of a scan that may be configuration, by path. Their numbers are their places in this order.
#[derive(Debug, Clone, Default)]
pub struct Files(Vec<Text>);

impl Files {
    /// These texts.
    pub fn new(mut texts: Vec<Text>) -> Self {
        texts.sort_by(|a, b| a.origin.cmp(&b.origin));
        Self(texts)
    }

    /// The texts with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Text)> {
        self.0.iter().enumerate().map(|(number, text)| (number as u32, text))
    }

    /// A text by its number.
    pub fn get(&self, number: u32) -> &Text {
        &self.0[number as usize]
    }

    /// The text of a place.
    pub fn snippet(&self, place: Place) -> &str {
        self.get(place.file).text.get(place.start as usize..place.end as usize).unwrap_or_default()
    }

    /// Line and column of a byte of a text.
    pub fn line_column(&self, number: u32, offset: u32) -> LineColumn {
        LineColumn::of(self.get(number).text.as_bytes(), offset as usize)
    }

    /// A place as findings name it. `safe` makes a text fit to be printed.
    pub fn location(&self, place: Place, safe: &dyn Fn(&str) -> String) -> Location {
        let origin = &self.get(place.file).origin;
        let first = self.line_column(place.file, place.start);
        let end = self.line_column(place.file, place.end);
        Location {
            path: safe(&origin.path).into(),
            line: first.line,
            column: first.column,
            end_line: end.line,
            end_column: end.column,
            byte_start: u64::from(place.start),
            byte_end: u64::from(place.end),
            layers: origin.layers.iter().map(Layer::word).collect(),
            member: origin.member.as_deref().map(|member| -> Arc<str> { safe(member).into() }),
            commit: origin.revision.as_ref().map(|revision| revision.commit.clone()),
            author_date: None,
            packed: !origin.layers.is_empty(),
        }
    }

    /// Another place that belongs to a finding, and why.
    pub fn related(&self, place: Place, message: String, safe: &dyn Fn(&str) -> String) -> Related {
        let origin = &self.get(place.file).origin;
        let at = self.line_column(place.file, place.start);
        Related {
            path: safe(&origin.path).into(),
            member: origin.member.as_deref().map(|member| safe(member).into()),
            line: at.line,
            column: at.column,
            message,
            packed: !origin.layers.is_empty(),
        }
    }

    /// A row for a place that could not be read as configuration of `product`.
    pub fn unparsed(&self, place: Place, product: &str, reason: &str) -> Coverage {
        let origin = &self.get(place.file).origin;
        let at = self.line_column(place.file, place.start);
        Coverage {
            path: origin.path.clone(),
            member: origin.member.clone(),
            status: Status::Unparsed,
            reason: format!("{product} at {}:{}: {reason}", at.line, at.column),
        }
    }

    /// The texts that `pattern` names in `from`: a path or a glob. A relative one counts from the folder of `from`, or
    /// from that of `root`, the file at which reading began; an absolute one is looked for below the scan root, since a
    /// repository holds `/etc/nginx` under some other name: the longest tail of it that names anything counts. Only
    /// texts of the same archive (or of none) are looked at. In the order of their paths.
    pub fn resolve(&self, from: u32, root: u32, pattern: &str) -> Vec<u32> {
        let from = self.get(from);
        let root = self.get(root);
        let bare = pattern.trim_start_matches("./");
        if !pattern.starts_with('/') {
            for folder in [folder(root.path()), folder(from.path())] {
                let found = self.matching(from, &normal(&format!("{folder}{bare}")));
                if !found.is_empty() {
                    return found;
                }
            }
        }
        let folder = folder(root.path());
        let mut rest = bare.trim_start_matches('/');
        loop {
            // Nearest first: beside the root file, then anywhere below the scan root.
            for around in [folder, ""] {
                let found = self.matching(from, &normal(&format!("{around}{rest}")));
                if !found.is_empty() {
                    return found;
                }
            }
            let found = self.matching(from, &format!("**/{rest}"));
            if !found.is_empty() {
                return found;
            }
            match rest.split_once('/') {
                // A bare `*.conf` would name half the scan.
                Some((_, tail)) if tail.contains('/') || !tail.contains('*') => rest = tail,
                _ => return Vec::new(),
            }
        }
    }

    fn matching(&self, from: &Text, pattern: &str) -> Vec<u32> {
        let same = |text: &Text| match (&text.origin.member, &from.origin.member) {
            (None, None) => true,
            (Some(_), Some(_)) => text.origin.path == from.origin.path,
            _ => false,
        };
        let wild = |pattern: &str| pattern.contains(['*', '?', '[']);
        // A tail of a path is found without a glob: every include that is not there asks for some.
        let tail = pattern.strip_prefix("**/").filter(|tail| !wild(tail));
        let ends = |path: &str, tail: &str| {
            path.strip_suffix(tail).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        let globbed = (wild(pattern) && tail.is_none()).then(|| glob(pattern)).flatten();
        let fits = |path: &str| match (tail, &globbed) {
            (Some(tail), _) => ends(path, tail),
            (None, Some(glob)) => glob.is_match(path),
            (None, None) => path == pattern,
        };
        self.iter().filter(|(_, text)| same(text) && fits(text.path())).map(|(number, _)| number).collect()
    }
}

fn glob(pattern: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(pattern).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}

/// The folder of a path, with `/` at its end; nothing for a bare name.
fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

/// `a/../b/./c` as `b/c`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    let start = if path.starts_with('/') { "/" } else { "" };
    format!("{start}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Files {
        Files::new(paths.iter().map(|path| Text::new(Arc::new(Origin::file((*path).into())), Vec::new())).collect())
    }

    fn resolved(files: &Files, from: &str, root: &str, pattern: &str) -> Vec<String> {
        let number = |path: &str| files.iter().find(|(_, t)| t.path() == path).map(|(n, _)| n).expect("a file");
        let found = files.resolve(number(from), number(root), pattern);
        found.into_iter().map(|n| files.get(n).path().to_owned()).collect()
    }

    #[test]
    fn includes_are_found_below_the_scan_root() {
        let files = files(&["etc/nginx/nginx.conf", "etc/nginx/conf.d/a.conf", "etc/nginx/conf.d/b.conf", "x/c.conf"]);
        let root = "etc/nginx/nginx.conf";
        let both = ["etc/nginx/conf.d/a.conf", "etc/nginx/conf.d/b.conf"];
        assert_eq!(resolved(&files, root, root, "conf.d/*.conf"), both);
        assert_eq!(resolved(&files, root, root, "/etc/nginx/conf.d/*.conf"), both);
        assert_eq!(resolved(&files, both[0], root, "conf.d/b.conf"), [both[1]]);
        assert_eq!(resolved(&files, root, root, "/opt/elsewhere/*.conf"), [""; 0]);
        assert_eq!(resolved(&files, both[0], root, "../../../x/c.conf"), ["x/c.conf"]);
    }

    #[test]
    fn bytes_that_are_no_text_keep_the_offsets() {
        let text = Text::new(Arc::new(Origin::file("a".into())), b"a\xff\xfeb\xc3\xa9".to_vec());
        assert_eq!(&*text.text, "a??b\u{e9}");
    }
}
