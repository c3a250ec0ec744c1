//! Biscuits: protobuf blocks of Datalog under a chain of signatures. A block's checks may name a deadline, as in
//! `check if time($t), $t <= 2026-01-01T00:00:00Z`; only what follows from a check whatever else holds is taken for one.
//! Source: biscuit-auth/biscuit, SPECIFICATIONS.md and schema.proto.

use base64::Engine as _;

use super::time;
use crate::token::facts::{Facts, Kind};
use crate::token::jose;

/// `time` in the table of symbols that every biscuit begins with.
const TIME: u64 = 5;
/// Most operations of an expression that are looked at.
const MAX_OPERATIONS: usize = 256;

/// Reads the deadlines. `None` unless it is a whole biscuit.
pub(super) fn read(token: &[u8], facts: &mut Facts) -> Option<()> {
    facts.kind = Kind::Biscuit;
    let bytes = jose::BASE64URL.decode(token.strip_prefix(b"biscuit:").unwrap_or(token)).ok()?;
    let (mut blocks, mut authority, mut sealed) = (Vec::new(), false, false);
    for field in Fields(&bytes) {
        match field? {
            (2, Value::Bytes(block)) => {
                authority = true;
                blocks.push(signed_block(block)?);
            }
            (3, Value::Bytes(block)) => blocks.push(signed_block(block)?),
            (4, Value::Bytes(proof)) => sealed = is_proof(proof)?,
            (1 | 5.., _) => {}
            _ => return None,
        }
    }
    if !authority || !sealed {
        return None;
    }
    let bounds: Option<Vec<Bounds>> = blocks.iter().map(|block| checks(block)).collect();
    // Where a block says itself what time it is, its checks say nothing about the clock.
    for bound in bounds.unwrap_or_default() {
        facts.expires = bound.before.map_or(facts.expires, |at| time::earlier(facts.expires, at));
        facts.not_before = bound.from.map_or(facts.not_before, |at| time::later(facts.not_before, at));
    }
    Some(())
}

/// The Datalog of a signed block; it has a next key and a signature.
fn signed_block(bytes: &[u8]) -> Option<&[u8]> {
    let (mut block, mut key, mut signature) = (None, false, false);
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(inner)) => block = Some(inner),
            (2, Value::Bytes(public)) => key = (32..=40).contains(&public.len().saturating_sub(2)),
            (3, Value::Bytes(inner)) => signature = (64..=80).contains(&inner.len()),
            _ => {}
        }
    }
    block.filter(|_| key && signature)
}

/// The last private key, or the signature that seals.
fn is_proof(bytes: &[u8]) -> Option<bool> {
    let field = Fields(bytes).next()??;
    Some(matches!(field, (1 | 2, Value::Bytes(inner)) if (32..=80).contains(&inner.len())))
}

/// When something can hold: from a moment on, before a moment; seconds since 1970.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    from: Option<i64>,
    before: Option<i64>,
}

impl Bounds {
    /// Both hold.
    fn and(self, other: Self) -> Self {
        let both = |pick: fn(i64, i64) -> i64, a: Option<i64>, b: Option<i64>| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (one, other) => one.or(other),
        };
        Self { from: both(i64::max, self.from, other.from), before: both(i64::min, self.before, other.before) }
    }

    /// At least one holds.
    fn or(self, other: Self) -> Self {
        let either = |pick: fn(i64, i64) -> i64, a: Option<i64>, b: Option<i64>| Some(pick(a?, b?));
        Self { from: either(i64::min, self.from, other.from), before: either(i64::max, self.before, other.before) }
    }
}

/// What all checks of a block together say. `None` where the block has facts or rules about the time.
fn checks(block: &[u8]) -> Option<Bounds> {
    let mut all = Bounds::default();
    for field in Fields(block) {
        match field? {
            (4 | 5, Value::Bytes(fact)) => {
                // Of a fact or a rule the first field is the predicate that it makes true.
                let named = Fields(fact).flatten().find_map(|field| match field {
                    (1, Value::Bytes(predicate)) => predicate_name(predicate),
                    _ => None,
                });
                if named == Some(TIME) {
                    return None;
                }
            }
            (6, Value::Bytes(check)) => all = all.and(check_bounds(check).unwrap_or_default()),
            _ => {}
        }
    }
    Some(all)
}

/// A check passes if one of its queries does; `reject if` is left alone.
fn check_bounds(check: &[u8]) -> Option<Bounds> {
    let mut any: Option<Bounds> = None;
    for field in Fields(check) {
        match field? {
            (1, Value::Bytes(query)) => {
                let bounds = query_bounds(query)?;
                any = Some(any.map_or(bounds, |so_far| so_far.or(bounds)));
            }
            (2, Value::Number(0 | 1)) => {}
            (2, _) => return None,
            _ => {}
        }
    }
    any
}

/// A query holds if its predicates match and all its expressions are true.
fn query_bounds(query: &[u8]) -> Option<Bounds> {
    let mut clock = Vec::new();
    let mut expressions = Vec::new();
    for field in Fields(query) {
        match field? {
            (2, Value::Bytes(predicate)) if predicate_name(predicate) == Some(TIME) => {
                clock.extend(only_variable(predicate));
            }
            (3, Value::Bytes(expression)) => expressions.push(expression),
            _ => {}
        }
    }
    let bounds = expressions.iter().map(|expression| expression_bounds(expression, &clock).unwrap_or_default());
    Some(bounds.fold(Bounds::default(), Bounds::and))
}

fn predicate_name(predicate: &[u8]) -> Option<u64> {
    Fields(predicate).flatten().find_map(|field| match field {
        (1, Value::Number(name)) => Some(name),
        _ => None,
    })
}

/// The variable in `time($t)`.
fn only_variable(predicate: &[u8]) -> Option<u64> {
    let mut terms = Fields(predicate).flatten().filter_map(|field| match field {
        (2, Value::Bytes(term)) => Some(term),
        _ => None,
    });
    let first = terms.next()?;
    match (Fields(first).next()??, terms.next()) {
        ((1, Value::Number(variable)), None) => Some(variable),
        _ => None,
    }
}

/// What lies on the stack while an expression is gone through.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Clock,
    Date(i64),
    /// True only within these bounds.
    Truth(Bounds),
    Other,
}

/// Within which bounds an expression is true. `None` where it has operations that are not known here.
fn expression_bounds(expression: &[u8], clock: &[u64]) -> Option<Bounds> {
    let mut stack: Vec<Slot> = Vec::new();
    for field in Fields(expression).take(MAX_OPERATIONS + 1) {
        let (1, Value::Bytes(operation)) = field? else { return None };
        match Fields(operation).next()?? {
            (1, Value::Bytes(term)) => stack.push(match Fields(term).next()?? {
                (1, Value::Number(variable)) if clock.contains(&variable) => Slot::Clock,
                (4, Value::Number(date)) => Slot::Date(i64::try_from(date).ok()?),
                _ => Slot::Other,
            }),
            (2, Value::Bytes(unary)) => {
                let operand = stack.pop()?;
                // Parentheses leave it as it is.
                stack.push(if kind(unary)? == 1 { operand } else { Slot::Other });
            }
            (3, Value::Bytes(binary)) => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                stack.push(compared(kind(binary)?, left, right));
            }
            _ => return None,
        }
    }
    match stack[..] {
        [Slot::Truth(bounds)] => Some(bounds),
        _ => None,
    }
}

/// `kind` of an operation; the first of all is 0 and may be left out.
fn kind(operation: &[u8]) -> Option<u64> {
    match Fields(operation).next() {
        None => Some(0),
        Some(field) => match field? {
            (1, Value::Number(kind)) => Some(kind),
            _ => None,
        },
    }
}

fn compared(kind: u64, left: Slot, right: Slot) -> Slot {
    let before = |at: i64| Slot::Truth(Bounds { from: None, before: Some(at) });
    let from = |at: i64| Slot::Truth(Bounds { from: Some(at), before: None });
    match (kind, left, right) {
        (0, Slot::Clock, Slot::Date(at)) | (1, Slot::Date(at), Slot::Clock) => before(at),
        (2, Slot::Clock, Slot::Date(at)) | (3, Slot::Date(at), Slot::Clock) => before(at.saturating_add(1)),
        (1, Slot::Clock, Slot::Date(at)) | (0, Slot::Date(at), Slot::Clock) => from(at.saturating_add(1)),
        (3, Slot::Clock, Slot::Date(at)) | (2, Slot::Date(at), Slot::Clock) => from(at),
        (13, Slot::Truth(a), Slot::Truth(b)) => Slot::Truth(a.and(b)),
        (13, Slot::Truth(a), _) | (13, _, Slot::Truth(a)) => Slot::Truth(a),
        (14, Slot::Truth(a), Slot::Truth(b)) => Slot::Truth(a.or(b)),
        _ => Slot::Other,
    }
}

/// A field of a protobuf message.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, which no message here has.
    Fixed,
}

/// The fields of a protobuf message in turn, `None` once for a broken one.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;
    use crate::token::facts::Time;

    fn number(field: u64, value: u64) -> Vec<u8> {
        let mut out = varint(field << 3);
        out.extend(varint(value));
        out
    }

    fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
        let mut out = varint(field << 3 | 2);
        out.extend(varint(value.len() as u64));
        out.extend(value);
        out
    }

    fn varint(mut value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    }

    /// `time($0)`
    fn clock() -> Vec<u8> {
        predicate(TIME, &number(1, 0))
    }

    fn predicate(name: u64, term: &[u8]) -> Vec<u8> {
        [number(1, name), bytes(2, term)].concat()
    }

    fn value(term: &[u8]) -> Vec<u8> {
        bytes(1, &bytes(1, term))
    }

    fn binary(kind: u64) -> Vec<u8> {
        bytes(1, &bytes(3, &number(1, kind)))
    }

    fn variable() -> Vec<u8> {
        value(&number(1, 0))
    }

    fn date(at: u64) -> Vec<u8> {
        value(&number(4, at))
    }

    /// A query of a check: `time($0)` and one expression of these operations.
    fn query(operations: &[Vec<u8>]) -> Vec<u8> {
        let head = predicate(27, &number(1, 0));
        bytes(1, &[bytes(1, &head), bytes(2, &clock()), bytes(3, &operations.concat())].concat())
    }

    fn signed(block: &[u8]) -> Vec<u8> {
        let key = [number(1, 0), bytes(2, &[7; 32])].concat();
        [bytes(1, block), bytes(2, &key), bytes(3, &[9; 64])].concat()
    }

    fn token(blocks: &[Vec<u8>]) -> String {
        let mut out = bytes(2, &signed(&blocks[0]));
        blocks[1..].iter().for_each(|block| out.extend(bytes(3, &signed(block))));
        out.extend(bytes(4, &bytes(1, &[5; 32])));
        jose::BASE64URL.encode(out)
    }

    fn block(checks: &[Vec<u8>]) -> Vec<u8> {
        [bytes(1, b"shop"), number(3, 3), checks.concat()].concat()
    }

    fn check(queries: &[Vec<u8>]) -> Vec<u8> {
        bytes(6, &queries.concat())
    }

    fn read(token: &str) -> Option<Facts> {
        let mut f = facts();
        super::read(token.as_bytes(), &mut f).map(|()| f)
    }

    fn expiry(operations: &[Vec<u8>]) -> Time {
        read(&token(&[block(&[check(&[query(operations)])])])).expect("a biscuit").expires
    }

    #[test]
    fn deadlines_in_either_order() {
        assert_eq!(expiry(&[variable(), date(1_800_000_000), binary(0)]), Time::At(1_800_000_000));
        assert_eq!(expiry(&[variable(), date(1_800_000_000), binary(2)]), Time::At(1_800_000_001));
        assert_eq!(expiry(&[date(1_800_000_000), variable(), binary(1)]), Time::At(1_800_000_000));
        assert_eq!(expiry(&[variable(), date(1_800_000_000), binary(3)]), Time::Absent);
    }

    #[test]
    fn the_prefix_is_no_part_of_it() {
        let plain = token(&[block(&[check(&[query(&[variable(), date(1_800_000_000), binary(0)])])])]);
        assert_eq!(read(&format!("biscuit:{plain}")).expect("a biscuit").expires, Time::At(1_800_000_000));
    }

    #[test]
    fn every_block_narrows() {
        let deadline = |at| check(&[query(&[variable(), date(at), binary(0)])]);
        let blocks = [block(&[deadline(1_800_000_000)]), block(&[deadline(1_700_000_000)])];
        assert_eq!(read(&token(&blocks)).expect("a biscuit").expires, Time::At(1_700_000_000));
    }

    #[test]
    fn what_need_not_hold_says_nothing() {
        let late = query(&[variable(), date(1_800_000_000), binary(0)]);
        // Or anything else: a query without a bound.
        let free = bytes(1, &bytes(2, &predicate(0, &number(1, 0))));
        let two = read(&token(&[block(&[check(&[late.clone(), free])])])).expect("a biscuit");
        assert_eq!(two.expires, Time::Absent);
        // Either of two deadlines: the later one.
        let early = query(&[variable(), date(1_700_000_000), binary(0)]);
        assert_eq!(
            read(&token(&[block(&[check(&[late.clone(), early])])])).expect("").expires,
            Time::At(1_800_000_000)
        );
        // `reject if`
        let reject = bytes(6, &[late.clone(), number(2, 2)].concat());
        assert_eq!(read(&token(&[block(&[reject])])).expect("a biscuit").expires, Time::Absent);
        // The block brings its own time.
        let fact = bytes(4, &bytes(1, &predicate(TIME, &number(4, 1))));
        assert_eq!(read(&token(&[block(&[fact, check(&[late])])])).expect("a biscuit").expires, Time::Absent);
    }

    #[test]
    fn and_narrows_or_widens() {
        let early = [variable(), date(1_700_000_000), binary(0)].concat();
        let late = [variable(), date(1_800_000_000), binary(0)].concat();
        let other = value(&number(6, 1));
        let with =
            |parts: &[&Vec<u8>], kind| expiry(&[parts.iter().flat_map(|p| p.iter().copied()).collect(), binary(kind)]);
        assert_eq!(with(&[&early, &late], 13), Time::At(1_700_000_000));
        assert_eq!(with(&[&early, &late], 14), Time::At(1_800_000_000));
        assert_eq!(with(&[&early, &other], 13), Time::At(1_700_000_000));
        assert_eq!(with(&[&early, &other], 14), Time::Absent);
    }

    #[test]
    fn what_is_cut_is_no_biscuit() {
        let whole = token(&[block(&[check(&[query(&[variable(), date(1_800_000_000), binary(0)])])])]);
        let whole = jose::BASE64URL.decode(whole).expect("base64url");
        for cut in 0..whole.len() {
            assert!(read(&jose::BASE64URL.encode(&whole[..cut])).is_none(), "{cut}");
        }
    }
}
