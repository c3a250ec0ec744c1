//! Text folded into the text at hand: base64 where something announces it, gzip in it, 16-bit characters. What is
//! unfolded is scanned like any other text; what is found inside stands where its outer bytes stand.

use super::{NeedMore, Scanner, Window};
use crate::origin::{Layer, Layers};
use crate::rules::MAX_ANCHOR;
use crate::token::carrier;
use crate::token::engine::Fold;
use crate::token::escape;
use crate::token::fold::base64_run::{self, Base64Run, Outcome, Phase};
use crate::token::fold::{inflate, secret, wide};
use crate::token::keys;
use crate::token::names::Named;
use crate::token::proof::could_be_opaque;

/// The fewest symbols that could hold a token.
const SHORTEST: usize = 20;
/// How far from the word `base64` what it announces may begin, in bytes.
const ANNOUNCED: usize = 256;
/// How much a look around an announcement costs.
const LOOK: i64 = 512;

/// Text that was unfolded, ready to be scanned.
struct Unfolded<'t> {
    layer: Layer,
    text: &'t [u8],
    /// As in [`Window`].
    from: usize,
    to: usize,
    more: bool,
    /// Anchors before this offset in `text` belong to somebody else.
    own_from: u64,
}

/// What a value is behind its encoding.
pub(super) enum FoldedValue {
    /// No text in base64.
    Plain,
    /// An opaque token and what was undone.
    Opaque(Vec<u8>, Layers),
    /// What is inside has been seen, or is nothing.
    Done,
}

impl Scanner<'_> {
    /// Looks into what an anchor at `at` says is folded.
    pub(super) fn folded(&mut self, window: &Window<'_>, at: usize, fold: Fold) -> Result<(), NeedMore> {
        self.work -= LOOK;
        match fold {
            Fold::Within(into) => self.base64(window, at, Phase::Within(into)),
            Fold::Announced => match announced(window, at)? {
                Some(start) => self.base64(window, start, Phase::Start),
                None => Ok(()),
            },
            Fold::Secret => self.kubernetes_secret(window, at),
        }
    }

    /// Base64 without a dot after it that begins like a JSON object.
    pub(super) fn base64_json(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        if !escape::starts_cleanly(window.bytes, at) {
            return Ok(());
        }
        self.base64(window, at, Phase::Start)
    }

    fn base64(&mut self, window: &Window<'_>, at: usize, phase: Phase) -> Result<(), NeedMore> {
        let place = window.base + at as u64;
        if self.unfolded.iter().any(|(start, end)| (*start..*end).contains(&place)) || self.layers.is_full() {
            return Ok(());
        }
        if self.work < 0 {
            self.too_dense.get_or_insert(place);
            return Ok(());
        }
        let more = window.more && window.bytes.len() - at < super::MAX_TOKEN;
        let Outcome::Run(run) = base64_run::read(window.bytes, at, phase, more) else { return Err(NeedMore) };
        if run.cut {
            self.too_long.push(window.base + run.start as u64);
        }
        self.work -= 2 * (run.end - run.start) as i64;
        if run.end - run.start >= SHORTEST {
            self.unfolded.push((window.base + run.start as u64, window.base + run.end as u64));
            if self.unfolded.len() > 32 {
                self.unfolded.remove(0);
            }
            self.unfold(window, &run, &[]);
        }
        Ok(())
    }

    /// Scans what a run holds; `name` stands before it and is read as standing before its text.
    fn unfold(&mut self, window: &Window<'_>, run: &Base64Run, name: &[u8]) {
        let budget = self.work.max(0) as u64;
        let inflated = inflate::inflate(&run.text, budget);
        if inflated.as_ref().is_some_and(|inflated| inflated.cut) {
            self.too_long.push(window.base + run.start as u64);
        }
        let first = self.sightings.len();
        let first_secret = self.secrets.len();
        let outer = self.layers;
        match &inflated {
            Some(inflated) => {
                let Some(layers) = outer.and(Layer::Base64) else { return };
                self.layers = layers;
                self.scan_unfolded(&Unfolded::whole(inflated.layer, &inflated.bytes));
                self.layers = outer;
                for sighting in &mut self.sightings[first..] {
                    sighting.start = window.base + run.start as u64;
                    sighting.end = window.base + run.end as u64;
                }
            }
            None => {
                // A key store is no text with a name before it.
                let name = if keys::file_length(&run.text).is_some() { &[][..] } else { name };
                let text = if name.is_empty() { &run.text } else { &[name, b": ", &run.text].concat() };
                let before = if name.is_empty() { 0 } else { name.len() + 2 };
                self.scan_unfolded(&Unfolded::whole(Layer::Base64, text));
                for sighting in &mut self.sightings[first..] {
                    let within = |at: u64| (at as usize).saturating_sub(before);
                    let (start, end) = run.place(within(sighting.start), within(sighting.end));
                    sighting.start = window.base + start as u64;
                    sighting.end = window.base + end as u64;
                }
            }
        }
        for secret in &mut self.secrets[first_secret..] {
            secret.start = window.base + run.start as u64;
            secret.end = window.base + run.end as u64;
        }
        if self.sightings.len() > first {
            let around = carrier::before(window.bytes, run.start, window.bytes.get(run.end).copied());
            for sighting in &mut self.sightings[first..] {
                if sighting.carrier == carrier::Carrier::Bare {
                    sighting.carrier = around.carrier;
                }
                self.claimed = self.claimed.max(sighting.end);
            }
        }
    }

    /// What a named value is, if it is text in base64. Random tokens don't decode to text.
    pub(super) fn folded_value(&mut self, window: &Window<'_>, value: &Named) -> FoldedValue {
        let Some(layers) = self.layers.and(Layer::Base64) else { return FoldedValue::Plain };
        let Some(text) = base64_run::text(&value.value) else { return FoldedValue::Plain };
        let place = window.base + value.start as u64;
        if self.unfolded.iter().any(|(start, end)| (*start..*end).contains(&place)) {
            return FoldedValue::Done;
        }
        let Outcome::Run(run) = base64_run::read(window.bytes, value.start, Phase::Start, false) else {
            return FoldedValue::Plain;
        };
        self.work -= 2 * (run.end - run.start) as i64;
        self.unfolded.push((window.base + run.start as u64, window.base + run.end as u64));
        let sighted = self.sightings.len();
        self.unfold(window, &run, &[]);
        let structured = matches!(text.first(), Some(b'{' | b'[' | b'<'));
        if self.sightings.len() > sighted || self.foreign {
            FoldedValue::Done
        } else if structured {
            // A session of its own making, say: the whole is the credential.
            FoldedValue::Plain
        } else if could_be_opaque(&text, SHORTEST) {
            FoldedValue::Opaque(text, layers)
        } else {
            FoldedValue::Done
        }
    }

    /// The values of a Kubernetes Secret: each is base64, and its key is its name.
    fn kubernetes_secret(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        let Some(found) = secret::values(window.bytes, at, window.more) else { return Err(NeedMore) };
        self.work -= found.looked_at as i64;
        for value in found.values {
            let place = window.base + value.at as u64;
            if self.unfolded.iter().any(|(start, end)| (*start..*end).contains(&place)) || self.layers.is_full() {
                continue;
            }
            let Outcome::Run(run) = base64_run::read(window.bytes, value.at, Phase::Start, false) else { continue };
            self.work -= 2 * (run.end - run.start) as i64;
            if run.end - run.start >= SHORTEST && self.work > 0 {
                self.unfolded.push((window.base + run.start as u64, window.base + run.end as u64));
                let name = window.bytes[value.name.clone()].to_vec();
                self.unfold(window, &run, &name);
            }
        }
        // The values of one object are looked at once, wherever its kind stands.
        let surplus = self.unfolded.len().saturating_sub(64);
        self.unfolded.drain(..surplus);
        Ok(())
    }

    /// Scans 16-bit text in the window's own part; gives the offset up to which everything is decided.
    pub(super) fn wide(&mut self, window: &Window<'_>, to: usize) -> usize {
        let mut at = window.from.saturating_sub(super::BEHIND);
        while let Some(run) = wide::next(window.bytes, at) {
            if run.start >= to || self.layers.is_full() {
                break;
            }
            at = run.end();
            if at <= window.from {
                continue;
            }
            let text = run.text(window.bytes);
            self.work -= text.len() as i64;
            let first = window.base + run.start as u64;
            let within = |offset: u64| offset.saturating_sub(first).div_ceil(2);
            let without = |at: u64| first + 2 * at;
            let outer = (self.claimed, self.processed.take(), self.saml);
            self.saml = self.wide_saml.map(within);
            self.claimed = within(self.wide_claimed);
            let last = self.wide_processed.filter(|(offset, _)| *offset >= first);
            self.processed = last.map(|(offset, anchor)| (within(offset), anchor));
            let (sighted, secrets) = (self.sightings.len(), self.secrets.len());
            let unfolded = Unfolded {
                layer: Layer::Utf16,
                from: within(window.base + window.from as u64) as usize,
                to: (within(window.base + to as u64) as usize).min(text.len()),
                more: window.more && at + 2 > window.bytes.len(),
                own_from: within(self.own_from),
                text: &text,
            };
            let done = self.scan_unfolded(&unfolded);
            for sighting in &mut self.sightings[sighted..] {
                (sighting.start, sighting.end) = (without(sighting.start), without(sighting.end) - 1);
            }
            for secret in &mut self.secrets[secrets..] {
                (secret.start, secret.end) = (without(secret.start), without(secret.end) - 1);
            }
            self.wide_claimed = self.wide_claimed.max(without(self.claimed));
            self.wide_processed = self.processed.map(|(at, anchor)| (without(at), anchor)).or(self.wide_processed);
            self.wide_saml = self.saml.map(without);
            (self.claimed, self.processed, self.saml) = outer;
            if done < unfolded.to {
                return (run.start + 2 * done).min(to);
            }
        }
        to
    }

    /// Scans unfolded text; its sightings are left with offsets in it. Gives the offset in it up to which everything is
    /// decided.
    fn scan_unfolded(&mut self, unfolded: &Unfolded<'_>) -> usize {
        let Some(layers) = self.layers.and(unfolded.layer) else { return unfolded.to };
        let wide = unfolded.layer == Layer::Utf16;
        let outer_layers = std::mem::replace(&mut self.layers, layers);
        let foreign = self.foreign;
        let own_from = std::mem::replace(
            &mut self.own_from,
            match wide {
                true => unfolded.own_from,
                // The anchor that led here is somebody else's, or ours.
                false if foreign => u64::MAX,
                false => 0,
            },
        );
        let state =
            (!wide).then(|| (std::mem::take(&mut self.claimed), self.processed.take(), std::mem::take(&mut self.saml)));
        let run = std::mem::take(&mut self.run);
        let spans = std::mem::take(&mut self.unfolded);
        let wide_state =
            (std::mem::take(&mut self.wide_claimed), self.wide_processed.take(), std::mem::take(&mut self.wide_saml));
        let (dense, long) = (self.too_dense, self.too_long.len());
        let work = self.work;
        let window =
            Window { bytes: unfolded.text, base: 0, from: unfolded.from, to: unfolded.to, more: unfolded.more };
        let done = self.scan(window);
        // What is unfolded doesn't earn what its own look costs: else a small bomb would.
        self.work = self.work.min(work) - unfolded.text.len() as i64;
        // Offsets inside mean nothing outside.
        self.too_dense = dense;
        self.too_long.truncate(long);
        (self.wide_claimed, self.wide_processed, self.wide_saml) = wide_state;
        self.unfolded = spans;
        self.run = run;
        if let Some(state) = state {
            (self.claimed, self.processed, self.saml) = state;
        }
        self.own_from = own_from;
        self.foreign = foreign;
        self.layers = outer_layers;
        done
    }
}

impl<'t> Unfolded<'t> {
    fn whole(layer: Layer, text: &'t [u8]) -> Self {
        Self { layer, text, from: 0, to: text.len(), more: false, own_from: 0 }
    }
}

/// Where the base64 begins that the word at `at` announces: `;base64,…`, `Content-Transfer-Encoding: base64` and a blank
/// line, `b64decode("…`, `"encoding": "base64", "text": "…"`, or before it: `"text": "…", "encoding": "base64"`,
/// `… | base64 -d`.
fn announced(window: &Window<'_>, at: usize) -> Result<Option<usize>, NeedMore> {
    let bytes = window.bytes;
    let long_run = |start: usize| {
        let run = bytes[start..].iter().take(64).take_while(|b| is_symbol(**b)).count();
        let symbols = &bytes[start..start + run];
        // A word or a number is none.
        let mixed = symbols.iter().any(u8::is_ascii_uppercase) && symbols.iter().any(u8::is_ascii_lowercase);
        run >= SHORTEST && mixed
    };
    if window.more && at + ANNOUNCED + MAX_ANCHOR > bytes.len() {
        return Err(NeedMore);
    }
    if let Some(kind) = bytes[at.saturating_sub(40)..at].rsplit(|b| *b == b':').next()
        && kind.ends_with(b";")
        && [&b"image/"[..], b"font/", b"audio/", b"video/"].iter().any(|start| kind.starts_with(start))
    {
        return Ok(None);
    }
    let mut start = at + b"base64".len();
    let stop = bytes.len().min(start + ANNOUNCED);
    while start < stop {
        if is_symbol(bytes[start]) {
            if long_run(start) {
                return Ok(Some(start));
            }
            start += bytes[start..stop].iter().take_while(|b| is_symbol(**b)).count();
        } else {
            start += 1;
        }
    }
    // What ends shortly before the word.
    let floor = at.saturating_sub(64);
    let Some(end) = bytes[floor..at].windows(SHORTEST).rposition(|w| w.iter().all(|b| is_symbol(*b))) else {
        return Ok(None);
    };
    let end = floor + end + SHORTEST;
    let start =
        end - bytes[end.saturating_sub(base64_run::MOST)..end].iter().rev().take_while(|b| is_symbol(**b)).count();
    Ok(Some(start).filter(|start| long_run(*start)))
}

fn is_symbol(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}
