//! The texts that may be configuration, and how one names others.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use globset::{GlobBuilder, GlobMatcher};

use super::documents::Documents;
use super::embedded;
use super::place::Place;
use super::written::Written;
use crate::finding::{Coverage, Location, Related, Status};
use crate::origin::{Layer, Origin};
use crate::span::LineColumn;
use crate::syntax::inner::Inner;

/// A text.
#[derive(Debug, Clone)]
pub struct Text {
    /// Where it comes from.
    pub origin: Arc<Origin>,
    /// The text; bytes that are not UTF-8 stand in it as `?`, so that offsets hold.
    pub text: Arc<str>,
    /// For a text that stands inside of another: what its path would be, the way out, and the text around it.
    around: Option<Arc<Around>>,
    /// For a text that was made of others: where its parts come from.
    made: Option<Arc<Made>>,
    /// Others were made of it, which are what counts.
    superseded: bool,
    documents: OnceLock<Arc<Documents>>,
}

/// What a text was made of.
#[derive(Debug)]
struct Made {
    path: String,
    written: Written,
    sources: Vec<u32>,
}

/// What is around a text that stands inside of another.
#[derive(Debug)]
struct Around {
    path: String,
    inner: Inner,
    text: Arc<str>,
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
        Self { origin, text: text.into(), around: None, made: None, superseded: false, documents: OnceLock::new() }
    }

    /// The texts inside of it that may be configuration, each as if it were a file below this one.
    pub fn embedded(&self) -> Vec<Self> {
        let texts = embedded::texts(self.path(), &self.text).into_iter();
        texts
            .map(|one| Self {
                origin: self.origin.clone(),
                text: one.inner.text.as_str().into(),
                around: Some(Arc::new(Around {
                    path: format!("{}/{}", self.path(), one.name),
                    inner: one.inner,
                    text: self.text.clone(),
                })),
                made: None,
                superseded: false,
                documents: OnceLock::new(),
            })
            .collect()
    }

    /// Whether it stands inside of another text.
    pub fn is_embedded(&self) -> bool {
        self.around.is_some()
    }

    /// The name of the ConfigMap or the Secret that it stands in.
    pub fn object(&self) -> Option<&str> {
        let around = self.around.as_ref()?;
        let (object, _) = around.path.strip_prefix(self.origin.name())?.strip_prefix('/')?.split_once('/')?;
        Some(object)
    }

    /// A text made of others, by their numbers, as if it were a file below the one that says so.
    pub fn made(of: &Self, written: Written, sources: Vec<u32>) -> Self {
        let path = format!("{}/built.yaml", of.path());
        Self {
            origin: of.origin.clone(),
            text: written.text().into(),
            around: None,
            made: Some(Arc::new(Made { path, written, sources })),
            superseded: false,
            documents: OnceLock::new(),
        }
    }

    /// The texts that it was made of, if it was.
    pub fn sources(&self) -> &[u32] {
        self.made.as_ref().map_or(&[], |made| &made.sources)
    }

    /// Whether texts were made of it that count in its place.
    pub const fn is_superseded(&self) -> bool {
        self.superseded
    }

    /// Whether it is a file, neither part of another nor made of some.
    pub fn is_file(&self) -> bool {
        self.around.is_none() && self.made.is_none()
    }

    /// Its path, with `/`; within the archive, if it comes from one.
    pub fn path(&self) -> &str {
        if let Some(made) = &self.made {
            return &made.path;
        }
        self.around.as_ref().map_or_else(|| self.origin.name(), |around| &around.path)
    }

    /// Its documents in YAML or JSON.
    pub fn documents(&self) -> &Arc<Documents> {
        self.documents.get_or_init(|| Arc::new(Documents::of(&self.text)))
    }

    /// A stretch of it where it stands in its file, with that file's text.
    fn outside(&self, start: u32, end: u32) -> (&str, u32, u32) {
        let Some(around) = &self.around else { return (&self.text, start, end) };
        let (start, end) = around.inner.stretch(start as usize, end as usize);
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        (&around.text, offset(start), offset(end))
    }
}

/// All texts of a scan that may be configuration, by path. Their numbers are their places in this order.
#[derive(Debug, Clone, Default)]
pub struct Files(Vec<Text>);

impl Files {
    /// These texts, and those inside of them.
    pub fn new(mut texts: Vec<Text>) -> Self {
        texts.sort_by(|a, b| a.origin.cmp(&b.origin));
        Self(texts.into_iter().flat_map(|text| [vec![text.clone()], text.embedded()].concat()).collect())
    }

    /// Texts by path, for tests.
    #[cfg(test)]
    pub(crate) fn of(texts: &[(&str, &str)]) -> Self {
        let text =
            |(path, text): &(&str, &str)| Text::new(Arc::new(Origin::file((*path).into())), text.as_bytes().to_vec());
        Self::new(texts.iter().map(text).collect())
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

    /// These texts with others that were made of some of them, which those now stand for.
    pub fn with(&self, made: Vec<Text>, superseded: &BTreeSet<u32>) -> Self {
        let mut all = self.0.clone();
        for (number, text) in all.iter_mut().enumerate() {
            text.superseded = u32::try_from(number).is_ok_and(|number| superseded.contains(&number));
        }
        all.extend(made);
        Self(all)
    }

    /// Where a place in a text that was made of others comes from; any other place as it is.
    pub fn original(&self, place: Place) -> Place {
        match &self.get(place.file).made {
            Some(made) => made.written.place(place.start as usize, place.end as usize),
            None => place,
        }
    }

    /// A place in its file: the bytes, and the lines and columns of both ends.
    fn resolved(&self, place: Place) -> ((u32, u32), LineColumn, LineColumn) {
        let (text, start, end) = self.get(place.file).outside(place.start, place.end);
        let of = |at: u32| LineColumn::of(text.as_bytes(), at as usize);
        ((start, end), of(start), of(end))
    }

    /// A place as findings name it. `safe` makes a text fit to be printed.
    pub fn location(&self, place: Place, safe: &dyn Fn(&str) -> String) -> Location {
        let place = self.original(place);
        let origin = &self.get(place.file).origin;
        let (bytes, first, end) = self.resolved(place);
        Location {
            path: safe(&origin.path).into(),
            line: first.line,
            column: first.column,
            end_line: end.line,
            end_column: end.column,
            byte_start: u64::from(bytes.0),
            byte_end: u64::from(bytes.1),
            layers: origin.layers.iter().map(Layer::word).collect(),
            member: origin.member.as_deref().map(|member| -> Arc<str> { safe(member).into() }),
            commit: origin.revision.as_ref().map(|revision| revision.commit.clone()),
            author_date: None,
            packed: !origin.layers.is_empty(),
        }
    }

    /// Another place that belongs to a finding, and why.
    pub fn related(
        &self,
        place: Place,
        message: impl Into<Cow<'static, str>>,
        safe: &dyn Fn(&str) -> String,
    ) -> Related {
        let place = self.original(place);
        let origin = &self.get(place.file).origin;
        let (_, at, _) = self.resolved(place);
        Related {
            path: safe(&origin.path).into(),
            member: origin.member.as_deref().map(|member| safe(member).into()),
            line: at.line,
            column: at.column,
            message: message.into(),
            packed: !origin.layers.is_empty(),
        }
    }

    /// A row for a place that could not be read as configuration of `product`.
    pub fn unparsed(&self, place: Place, product: &str, reason: &str) -> Coverage {
        let place = self.original(place);
        let origin = &self.get(place.file).origin;
        let (_, at, _) = self.resolved(place);
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
                // Where entries of a ConfigMap are mounted is not followed: what lies beside it in the same file is meant.
                Some((_, tail)) if from.around.is_some() => return self.matching(from, &format!("**/{tail}")),
                _ => return Vec::new(),
            }
        }
    }

    fn matching(&self, from: &Text, pattern: &str) -> Vec<u32> {
        let same = |text: &Text| match (&text.origin.member, &from.origin.member) {
            _ if text.around.is_some() || from.around.is_some() => {
                text.around.is_some() && from.around.is_some() && text.origin == from.origin
            }
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
pub fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

/// `a/../b/./c` as `b/c`.
pub(super) fn normal(path: &str) -> String {
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
    fn texts_inside_of_others_are_files_with_places_outside() {
        let map = "kind: ConfigMap\nmetadata:\n  name: edge\ndata:\n  nginx.conf: |\n    include /etc/nginx/conf.d/*.conf;\n  a.conf: |\n    a;\n    b;\n";
        let text = |path: &str, text: &str| Text::new(Arc::new(Origin::file(path.into())), text.as_bytes().to_vec());
        let files = Files::new(vec![text("k/edge.yaml", map), text("k/b.conf", "c;")]);
        let paths: Vec<&str> = files.iter().map(|(_, text)| text.path()).collect();
        assert_eq!(paths, ["k/b.conf", "k/edge.yaml", "k/edge.yaml/edge/nginx.conf", "k/edge.yaml/edge/a.conf"]);
        let root = "k/edge.yaml/edge/nginx.conf";
        assert_eq!(resolved(&files, root, root, "/etc/nginx/conf.d/*.conf"), ["k/edge.yaml/edge/nginx.conf", paths[3]]);
        assert_eq!(resolved(&files, "k/b.conf", "k/b.conf", "*.conf"), ["k/b.conf"], "files see files");
        let at = files.location(Place { file: 3, start: 3, end: 5 }, &str::to_owned);
        assert_eq!((&*at.path, at.line, at.column, at.end_column), ("k/edge.yaml", 9, 5, 7));
        assert_eq!(&map[at.byte_start as usize..at.byte_end as usize], "b;");
    }

    #[test]
    fn bytes_that_are_no_text_keep_the_offsets() {
        let text = Text::new(Arc::new(Origin::file("a".into())), b"a\xff\xfeb\xc3\xa9".to_vec());
        assert_eq!(&*text.text, "a??b\u{e9}");
    }
}
