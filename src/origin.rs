//! Where bytes come from: a file, a member of an archive in it, and the encodings that were undone on the way.

use std::hash::BuildHasher;
use std::sync::Arc;

/// An encoding that was undone around a token, or around the whole of what it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Base64, standard or URL alphabet.
    Base64,
    /// Bzip2.
    Bzip2,
    /// Raw deflate (RFC 1951).
    Deflate,
    /// Gzip (RFC 1952).
    Gzip,
    /// Quoted-printable (RFC 2045, section 6.7).
    QuotedPrintable,
    /// Tape archive.
    Tar,
    /// Text in 16-bit units, either byte order.
    Utf16,
    /// Lines cut at a fixed width.
    Wrapped,
    /// XZ.
    Xz,
    /// Zip archive.
    Zip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Layer {
    /// The word in the record.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Bzip2 => "bzip2",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::QuotedPrintable => "quoted-printable",
            Self::Tar => "tar",
            Self::Utf16 => "utf-16",
            Self::Wrapped => "wrapped",
            Self::Xz => "xz",
            Self::Zip => "zip",
            Self::Zstd => "zstd",
        }
    }
}

/// Layers, outermost first; no more than [`Layers::MOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Layers([Option<Layer>; Layers::MOST]);

impl Layers {
    /// How deep encodings are undone.
    pub const MOST: usize = 6;

    /// These and one more inside; `None` where that would be too deep.
    pub fn and(mut self, layer: Layer) -> Option<Self> {
        let free = self.0.iter_mut().find(|slot| slot.is_none())?;
        *free = Some(layer);
        Some(self)
    }

    /// Whether one more would be too deep.
    pub fn is_full(self) -> bool {
        self.0[Self::MOST - 1].is_some()
    }

    /// Outermost first.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        self.0.into_iter().flatten()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0[0].is_none()
    }
}

/// The commit that first brought something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// Commits in the order in which they came.
    pub order: u32,
    /// Its name, in hexadecimal digits.
    pub commit: Arc<str>,
    /// When its author wrote it, seconds since 1970.
    pub author_date: i64,
}

/// What a unit of bytes is: a file, standard input, an object in a git repository, or a member of an archive.
///
/// The order is that of reports: of several places the first names a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The commit that first brought it, where git's history is scanned.
    pub revision: Option<Revision>,
    /// The file's name in reports.
    pub path: Arc<str>,
    /// The path within the file, where that is an archive; archives in archives are joined with `!/`.
    pub member: Option<Arc<str>>,
    /// What was unpacked to get at the bytes.
    pub layers: Layers,
}

impl Origin {
    /// The path that says what it is: that within the archive, if it is in one.
    pub fn name(&self) -> &str {
        self.member.as_deref().unwrap_or(&self.path)
    }

    /// A file as it lies there.
    pub fn file(path: Arc<str>) -> Self {
        Self { revision: None, path, member: None, layers: Layers::default() }
    }

    /// A number that tells it from others, but for chance; never 0.
    pub fn number(&self) -> u32 {
        (foldhash::quality::FixedState::default().hash_one(self) as u32).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_kept_in_order_and_bounded() {
        let mut layers = Layers::default();
        assert!(layers.is_empty());
        for _ in 0..Layers::MOST {
            layers = layers.and(Layer::Gzip).expect("not too deep yet");
        }
        assert_eq!(layers.and(Layer::Base64), None);
        let two = Layers::default().and(Layer::Tar).and_then(|l| l.and(Layer::Zip)).expect("two fit");
        assert_eq!(two.iter().map(Layer::word).collect::<Vec<_>>(), ["tar", "zip"]);
    }
}
