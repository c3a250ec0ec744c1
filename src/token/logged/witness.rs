//! What is kept of the records that a token stands in: a few bytes each, of a few. Put together in any order they are the
//! same.

use super::Logged;
use super::client::are_two;
use super::stamp::{Sort, Stamp};

/// How many different witnesses of a token are kept: the smallest.
const MOST: usize = 4;
/// One request may be logged more than once: in the course of so many seconds,
const ONE_REQUEST: u32 = 60;
/// or in so many where each record tells how it was answered.
const ONE_ANSWER: u32 = 2;

/// A record, or several that differ in nothing but their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Witness {
    /// Hash of the client's address; 0: unknown.
    address: u32,
    /// Hash of what the client calls itself; 0: unknown.
    agent: u32,
    /// Which file it is from, where times are compared.
    file: u32,
    /// Its times are moments, which can be compared with those of other files.
    moment: bool,
    /// It tells how the request was answered.
    answered: bool,
    /// The earliest time, in seconds since 1970 (as long as those last),
    first: u32,
    /// and the latest.
    last: u32,
}

/// How a token was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sources {
    /// From so many addresses, at least.
    pub addresses: u8,
    /// By so many clients by their own name, at least.
    pub agents: u8,
}

impl Witness {
    /// Of a token that is sent again and again: who sent it is all that matters. `None` where that is unknown.
    pub(in crate::token) fn of_token(logged: &Logged) -> Option<Self> {
        let Logged { client, stamp, .. } = *logged;
        let at = seconds(stamp);
        (client.address != 0).then_some(Self {
            address: client.address,
            agent: client.agent,
            file: 0,
            moment: true,
            answered: false,
            first: at,
            last: at,
        })
    }

    /// Of a proof, which is good for one request.
    pub(in crate::token) fn of_proof(logged: &Logged) -> Self {
        let Logged { client, stamp, answered } = *logged;
        let moment = stamp.sort == Sort::Moment;
        let (first, last) = (seconds(stamp), seconds(stamp));
        Self { address: client.address, agent: client.agent, file: 0, moment, answered, first, last }
    }

    /// The same in that file; 0 is none. What says enough without the file keeps none.
    #[must_use]
    pub fn in_file(mut self, file: u32) -> Self {
        if !self.moment || self.answered {
            self.file = file;
        }
        self
    }

    fn key(&self) -> (u32, u32, u32, bool, bool) {
        (self.address, self.agent, self.file, self.moment, self.answered)
    }

    /// Whether both are sure to be of two requests.
    fn is_another(&self, other: &Self) -> bool {
        let apart = self.last.max(other.last) - self.first.min(other.first);
        let same_file = self.file == other.file;
        are_two(self.address, other.address)
            || (apart > ONE_REQUEST && (same_file || (self.moment && other.moment)))
            || (apart > ONE_ANSWER && same_file && self.answered && other.answered && self.file != 0)
    }
}

fn seconds(stamp: Stamp) -> u32 {
    u32::try_from(stamp.seconds.max(0)).unwrap_or(u32::MAX)
}

/// The witnesses of a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Witnesses(Box<[Witness]>);

impl Witnesses {
    /// Adds one.
    pub fn add(&mut self, witness: Witness) {
        match self.0.binary_search_by(|known| known.key().cmp(&witness.key())) {
            Ok(at) => {
                let known = &mut self.0[at];
                (known.first, known.last) = (known.first.min(witness.first), known.last.max(witness.last));
            }
            Err(at) if at < MOST => {
                let mut all = std::mem::take(&mut self.0).into_vec();
                all.truncate(MOST - 1);
                all.insert(at, witness);
                self.0 = all.into();
            }
            Err(_) => {}
        }
    }

    /// Adds those of another.
    pub fn unite(&mut self, other: &Self) {
        for witness in &other.0 {
            self.add(*witness);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what is good for one request was sent with two.
    pub fn repeated(&self) -> bool {
        self.pairs().any(|(one, other)| one.is_another(other))
    }

    /// Who used a token, if it was more than one.
    pub fn sources(&self) -> Option<Sources> {
        let several = self.pairs().any(|(one, other)| {
            are_two(one.address, other.address) || (one.agent != other.agent && one.agent != 0 && other.agent != 0)
        });
        several.then(|| {
            let mut addresses: Vec<u32> = self.0.iter().map(|one| one.address).collect();
            let mut agents: Vec<u32> = self.0.iter().map(|one| one.agent).filter(|agent| *agent != 0).collect();
            addresses.dedup();
            agents.sort_unstable();
            agents.dedup();
            Sources { addresses: addresses.len() as u8, agents: agents.len() as u8 }
        })
    }

    /// All pairs, each with itself as well.
    fn pairs(&self) -> impl Iterator<Item = (&Witness, &Witness)> {
        self.0.iter().enumerate().flat_map(|(at, one)| self.0[at..].iter().map(move |other| (one, other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn witness() -> impl Strategy<Value = Witness> {
        (0..4u32, 0..3u32, 0..3u32, any::<bool>(), any::<bool>(), 0..200u32).prop_map(
            |(address, agent, file, moment, answered, time)| {
                Witness { address, agent, file: 0, moment, answered, first: time, last: time }.in_file(file)
            },
        )
    }

    proptest! {
        /// Whatever the order and however they are put together first.
        #[test]
        fn the_order_of_witnesses_is_nothing(all in prop::collection::vec(witness(), 0..12), cut in 0..12usize) {
            let mut forwards = Witnesses::default();
            all.iter().for_each(|one| forwards.add(*one));
            let (some, others) = all.split_at(cut.min(all.len()));
            let (mut first, mut second) = (Witnesses::default(), Witnesses::default());
            some.iter().rev().for_each(|one| first.add(*one));
            others.iter().rev().for_each(|one| second.add(*one));
            second.unite(&first);
            prop_assert_eq!(&forwards, &second);
            prop_assert!(forwards.0.len() <= MOST);
        }
    }

    #[test]
    fn a_witness_is_small() {
        assert!(size_of::<Witness>() <= 24 && size_of::<Witnesses>() <= 16);
    }
}
