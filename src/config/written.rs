//! A text that a controller writes for its proxy out of objects: put together the way the controller does it, it can be read
//! by the proxy's own front end, and every byte of it knows the line of the objects that it comes from.

use super::place::Place;
use crate::syntax::inner::Inner;

/// A text, and where its parts come from.
#[derive(Debug, Default)]
pub struct Written {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    start: usize,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Everything in it comes from there.
    Line(Place),
    /// It stands there as it is.
    Inner(u32, Inner),
}

impl Written {
    /// The text so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds a line that is there because of what stands at `place`.
    pub fn line(&mut self, place: Place, line: &str) {
        self.part(place, line);
        self.part(place, "\n");
    }

    /// Adds something to the line at hand.
    pub fn part(&mut self, place: Place, text: &str) {
        self.pieces.push(Piece { start: self.text.len(), source: Source::Line(place) });
        self.text.push_str(text);
    }

    /// Adds a text that stands in an object as it is.
    pub fn inner(&mut self, file: u32, inner: Inner) {
        self.pieces.push(Piece { start: self.text.len(), source: Source::Inner(file, inner) });
        let Some(Piece { source: Source::Inner(_, inner), .. }) = self.pieces.last() else { return };
        self.text.push_str(&inner.text);
    }

    /// Where a stretch of the text comes from: what it begins with counts. Of a text in quotes that were put around it
    /// the place is that of the text itself.
    pub fn place(&self, start: usize, end: usize) -> Place {
        let number = self.pieces.partition_point(|piece| piece.start <= start).saturating_sub(1);
        let within = |number: usize| match self.pieces.get(number).map(|piece| (piece.start, &piece.source)) {
            Some((first, Source::Inner(file, inner))) if end > first => {
                let (from, to) = (start.saturating_sub(first), (end - first).min(inner.text.len()));
                let (start, end) = inner.stretch(from.min(to), to);
                let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                Some(Place { file: *file, start: offset(start), end: offset(end) })
            }
            _ => None,
        };
        match self.pieces.get(number) {
            None => Place::default(),
            Some(Piece { source: Source::Inner(..), .. }) => within(number).unwrap_or_default(),
            Some(Piece { source: Source::Line(place), start: first }) => {
                let quoted = self.text.get(start..start + 1).is_some_and(|quote| matches!(quote, "'" | "\""));
                let is_quote = quoted && self.pieces.get(number + 1).is_some_and(|next| next.start == start + 1);
                let inside = if is_quote && *first <= start { within(number + 1) } else { None };
                inside.unwrap_or(*place)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::inner;

    #[test]
    fn every_byte_knows_its_place() {
        let outer = "k: |\n  a b;\n  c;\n";
        let line = Place { file: 7, start: 1, end: 2 };
        let mut written = Written::default();
        written.line(line, "server {");
        written.inner(3, inner::at(outer, 3).expect("a block"));
        written.part(line, "d '");
        written.inner(3, inner::at("k: \"e\"", 3).expect("quoted"));
        written.line(line, "';");
        assert_eq!(written.text(), "server {\na b;\nc;\nd 'e';\n");
        let of = |word: &str| {
            let at = written.text().find(word).expect("a word");
            written.place(at, at + word.len())
        };
        assert_eq!(of("server"), line);
        let c = of("c;");
        assert_eq!((c.file, &outer[c.start as usize..c.end as usize]), (3, "c;"));
        assert_eq!(of("a b;\nc;").start, 7);
        assert_eq!(of("'e'"), Place { file: 3, start: 4, end: 5 });
        assert_eq!(of("d '"), line);
    }
}
