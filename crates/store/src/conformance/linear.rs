//! Whether a recorded history is linearizable: whether there is one order of all calls, each at
//! some moment between its begin and its end, in which a sequential machine gives every answer
//! that was given.
//!
//! The search is that of Wing and Gong with the memory of Lowe: calls are tried in the order in
//! which they could come first, and a set of calls done that led to a state once is not followed
//! again. A call whose outcome nobody was told has no end, and may also never have happened.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// A machine that does one call at a time.
pub trait Model {
    /// Where the machine is.
    type State: Clone + Eq + Hash;
    /// A call with its answer.
    type Call: Debug;

    /// The state before any call.
    fn start(&self) -> Self::State;

    /// The state after the call, if the machine could have given the call's answer.
    fn step(&self, state: &Self::State, call: &Self::Call) -> Option<Self::State>;
}

/// A call and when it was made. Times only need an order in which a call that ended before another
/// began has the smaller ones.
#[derive(Debug, Clone)]
pub struct Timed<C> {
    /// When it was made.
    pub begin: u64,
    /// When it was answered; none if its outcome is unknown.
    pub end: Option<u64>,
    /// The call and its answer.
    pub call: C,
}

/// Why no order explains a history.
#[derive(Debug, thiserror::Error)]
#[error(
    "no order explains the history: {explained} of {calls} calls can be put in order, and then \
     none gives the answer of {stuck}"
)]
pub struct Violation {
    /// The most calls that could be put in order.
    pub explained: usize,
    /// How many there are.
    pub calls: usize,
    /// The call that then had to be next.
    pub stuck: String,
}

/// Looks for an order that explains `history`.
///
/// # Errors
/// [`Violation`] when there is none.
pub fn check<M: Model>(model: &M, history: &[Timed<M::Call>]) -> Result<(), Violation> {
    Search::new(model, history).run()
}

/// A begin or an end, in a list in order of time. Calls put in order leave the list.
#[derive(Debug, Clone, Copy)]
struct Event {
    call: usize,
    is_end: bool,
    before: usize,
    after: usize,
}

/// Position of the list's head; it is no event.
const HEAD: usize = 0;

struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a [Timed<M::Call>],
    events: Vec<Event>,
    /// Positions of each call's begin, and of its end if it has one.
    positions: Vec<(usize, Option<usize>)>,
    /// Calls with an end that are not in the order yet.
    open: usize,
    done: Vec<u64>,
    /// The order so far: the call and the state before it.
    order: Vec<(usize, M::State)>,
    visited: HashSet<(Vec<u64>, M::State)>,
    /// The longest order and the call that stopped it.
    deepest: (usize, usize),
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, history: &'a [Timed<M::Call>]) -> Search<'a, M> {
        let mut times: Vec<(u64, bool, usize)> = Vec::new();
        for (call, timed) in history.iter().enumerate() {
            times.push((timed.begin, false, call));
            times.extend(timed.end.map(|end| (end, true, call)));
        }
        times.sort_unstable();
        let count = times.len();
        let mut positions = vec![(HEAD, None); history.len()];
        let mut events = Vec::with_capacity(count + 1);
        let head = Event {
            call: usize::MAX,
            is_end: false,
            before: count,
            after: if count == 0 { HEAD } else { 1 },
        };
        events.push(head);
        for (n, (_, is_end, call)) in times.into_iter().enumerate() {
            let position = n + 1;
            match is_end {
                false => positions[call].0 = position,
                true => positions[call].1 = Some(position),
            }
            events.push(Event {
                call,
                is_end,
                before: n,
                after: if position == count {
                    HEAD
                } else {
                    position + 1
                },
            });
        }
        Search {
            model,
            history,
            events,
            open: positions.iter().filter(|(_, end)| end.is_some()).count(),
            done: vec![0; history.len().div_ceil(64)],
            positions,
            order: Vec::new(),
            visited: HashSet::new(),
            deepest: (0, 0),
        }
    }

    fn run(mut self) -> Result<(), Violation> {
        let mut state = self.model.start();
        let mut position = self.events[HEAD].after;
        while self.open > 0 {
            let event = self.events[position];
            if position != HEAD && !event.is_end {
                if let Some(next) = self.try_call(event.call, &state) {
                    self.order
                        .push((event.call, std::mem::replace(&mut state, next)));
                    self.take(event.call);
                    position = self.events[HEAD].after;
                } else {
                    position = event.after;
                }
                continue;
            }
            // A call that ended must come before what began later, so the order so far is wrong.
            if position != HEAD && self.order.len() >= self.deepest.0 {
                self.deepest = (self.order.len(), event.call);
            }
            let Some((call, before)) = self.order.pop() else {
                return Err(self.violation());
            };
            state = before;
            self.give_back(call);
            position = self.events[self.positions[call].0].after;
        }
        Ok(())
    }

    /// The state after the call, if it can come next and that was not tried before.
    fn try_call(&mut self, call: usize, state: &M::State) -> Option<M::State> {
        let next = self.model.step(state, &self.history[call].call)?;
        let mut done = self.done.clone();
        done[call / 64] |= 1 << (call % 64);
        self.visited.insert((done, next.clone())).then_some(next)
    }

    fn take(&mut self, call: usize) {
        self.done[call / 64] |= 1 << (call % 64);
        let (begin, end) = self.positions[call];
        self.unlink(begin);
        if let Some(end) = end {
            self.unlink(end);
            self.open -= 1;
        }
    }

    /// The reverse of [`Search::take`], for the call that was taken last.
    fn give_back(&mut self, call: usize) {
        self.done[call / 64] &= !(1 << (call % 64));
        let (begin, end) = self.positions[call];
        if let Some(end) = end {
            self.link(end);
            self.open += 1;
        }
        self.link(begin);
    }

    fn unlink(&mut self, position: usize) {
        let Event { before, after, .. } = self.events[position];
        self.events[before].after = after;
        self.events[after].before = before;
    }

    fn link(&mut self, position: usize) {
        let Event { before, after, .. } = self.events[position];
        self.events[before].after = position;
        self.events[after].before = position;
    }

    fn violation(&self) -> Violation {
        let (explained, stuck) = self.deepest;
        Violation {
            explained,
            calls: self.history.len(),
            stuck: format!("{:?}", self.history[stuck]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A register that holds 0 at first.
    struct Register;

    #[derive(Debug, Clone, Copy)]
    enum Call {
        Write(u8),
        Read(u8),
        /// Expected, new, whether it happened.
        Swap(u8, u8, bool),
    }

    use Call::{Read, Swap, Write};

    impl Model for Register {
        type State = u8;
        type Call = Call;

        fn start(&self) -> u8 {
            0
        }

        fn step(&self, state: &u8, call: &Call) -> Option<u8> {
            match *call {
                Write(value) => Some(value),
                Read(seen) => (seen == *state).then_some(seen),
                Swap(expected, new, true) => (expected == *state).then_some(new),
                Swap(expected, _, false) => (expected != *state).then_some(*state),
            }
        }
    }

    fn timed(calls: &[(u64, u64, Call)]) -> Vec<Timed<Call>> {
        let end = |end: u64| (end != u64::MAX).then_some(end);
        calls
            .iter()
            .map(|(begin, until, call)| Timed {
                begin: *begin,
                end: end(*until),
                call: *call,
            })
            .collect()
    }

    const UNKNOWN: u64 = u64::MAX;

    /// What it shows, whether it is linearizable, and its calls: begin, end, what.
    type Case = (&'static str, bool, &'static [(u64, u64, Call)]);

    #[test]
    fn histories_made_by_hand() {
        let cases: &[Case] = &[
            ("nothing", true, &[]),
            (
                "one after the other",
                true,
                &[(0, 1, Write(1)), (2, 3, Read(1))],
            ),
            ("a stale read", false, &[(0, 1, Write(1)), (2, 3, Read(0))]),
            (
                "a read during a write, before",
                true,
                &[(0, 3, Write(1)), (1, 2, Read(0))],
            ),
            (
                "a read during a write, after",
                true,
                &[(0, 3, Write(1)), (1, 2, Read(1))],
            ),
            (
                "reads during a write go back",
                false,
                &[(0, 9, Write(1)), (1, 2, Read(1)), (3, 4, Read(0))],
            ),
            (
                "what nobody wrote",
                false,
                &[(0, 1, Write(1)), (2, 3, Read(7))],
            ),
            (
                "two swaps win",
                false,
                &[(0, 5, Swap(0, 1, true)), (1, 6, Swap(0, 2, true))],
            ),
            (
                "one swap of two wins",
                true,
                &[(0, 5, Swap(0, 1, true)), (1, 6, Swap(0, 2, false))],
            ),
            (
                "a swap refused without reason",
                false,
                &[(0, 1, Write(1)), (2, 3, Swap(1, 2, false))],
            ),
            (
                "a lost update",
                false,
                &[(0, 1, Swap(0, 1, true)), (2, 3, Read(0))],
            ),
            (
                "an unknown write that happened late",
                true,
                &[
                    (0, UNKNOWN, Write(1)),
                    (1, 2, Read(0)),
                    (3, 4, Write(2)),
                    (5, 6, Read(1)),
                ],
            ),
            (
                "an unknown write that never happened",
                true,
                &[(0, UNKNOWN, Write(1)), (1, 2, Read(0)), (3, 4, Read(0))],
            ),
            (
                "an unknown write that happened and did not",
                false,
                &[(0, UNKNOWN, Write(1)), (1, 2, Read(1)), (3, 4, Read(0))],
            ),
            (
                "an unknown write seen before it was made",
                false,
                &[(0, 1, Read(1)), (2, UNKNOWN, Write(1))],
            ),
            (
                "two orders needed for three readers",
                false,
                &[
                    (0, 20, Write(1)),
                    (1, 21, Write(2)),
                    (2, 3, Read(1)),
                    (4, 5, Read(2)),
                    (6, 7, Read(1)),
                ],
            ),
        ];
        for (name, linearizable, calls) in cases {
            let found = check(&Register, &timed(calls));
            assert_eq!(found.is_ok(), *linearizable, "{name}: {found:?}");
        }
    }

    /// Tries every order. For few calls only.
    fn by_trial(history: &[Timed<Call>], state: u8, done: &mut Vec<bool>) -> bool {
        let open = |n: usize| !done[n] && history[n].end.is_some();
        let Some(deadline) = (0..history.len())
            .filter(|n| open(*n))
            .filter_map(|n| history[n].end)
            .min()
        else {
            return true;
        };
        for n in 0..history.len() {
            if done[n] || history[n].begin > deadline {
                continue;
            }
            if let Some(next) = Register.step(&state, &history[n].call) {
                done[n] = true;
                let found = by_trial(history, next, done);
                done[n] = false;
                if found {
                    return true;
                }
            }
        }
        false
    }

    fn call() -> impl Strategy<Value = Call> {
        prop_oneof![
            (1..3_u8).prop_map(Write),
            (0..3_u8).prop_map(Read),
            (0..3_u8, 1..3_u8, any::<bool>()).prop_map(|(old, new, won)| Swap(old, new, won)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

        #[test]
        fn it_agrees_with_trying_every_order(
            sketches in prop::collection::vec((0..12_u64, 0..8_u64, prop::bool::weighted(0.15), call()), 0..7),
        ) {
            let history: Vec<Timed<Call>> = sketches
                .iter()
                .enumerate()
                .map(|(n, (begin, length, unknown, call))| Timed {
                    // No two events at one time.
                    begin: begin * 16 + n as u64,
                    end: (!unknown).then_some((begin + length) * 16 + 8 + n as u64),
                    call: *call,
                })
                .collect();
            let expected = by_trial(&history, 0, &mut vec![false; history.len()]);
            prop_assert_eq!(check(&Register, &history).is_ok(), expected);
        }
    }
}
