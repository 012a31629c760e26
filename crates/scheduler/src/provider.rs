//! Base and weight across the capacity providers of a strategy (ECS API reference,
//! `CapacityProviderStrategyItem`): `base` tasks on one first, then shares in proportion to the
//! weights.

use std::cmp::Ordering;

/// One item of a capacity provider strategy, in the order of the strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Tasks it gets before the weights count. At most one item of a strategy has one.
    pub base: u32,
    /// Its part of the rest; 0: none of it.
    pub weight: u32,
    /// Tasks it has: of the service's deployment, or of this RunTask call.
    pub tasks: u32,
}

impl Share {
    /// Its tasks beyond the base, with `more`, per unit of weight, against another's.
    fn compare(&self, other: &Self, more: u32) -> Ordering {
        let beyond = |share: &Self| u64::from(share.tasks.saturating_sub(share.base) + more);
        let left = beyond(self) * u64::from(other.weight);
        let right = beyond(other) * u64::from(self.weight);
        left.cmp(&right)
    }
}

/// Which item gets the next task; `None` if none may have one: all bases are met and no item has a
/// weight. Of equals the first.
pub fn next(shares: &[Share]) -> Option<usize> {
    if let Some(at) = shares.iter().position(|share| share.tasks < share.base) {
        return Some(at);
    }
    let weighted = shares.iter().enumerate().filter(|(_, s)| s.weight > 0);
    weighted
        .min_by(|(_, a), (_, b)| a.compare(b, 1))
        .map(|(at, _)| at)
}

/// Which item gives a task up: the one furthest above its part. A base is kept as long as another
/// item has tasks to give. Of equals the last; `None` if there are no tasks.
pub fn surplus(shares: &[Share]) -> Option<usize> {
    let above = shares.iter().enumerate().filter(|(_, s)| s.tasks > s.base);
    // A weight of zero makes any task beyond the base one too many.
    let most = above.max_by(|(_, a), (_, b)| {
        let weightless = (a.weight == 0).cmp(&(b.weight == 0));
        weightless.then_with(|| a.compare(b, 0))
    });
    most.map(|(at, _)| at)
        .or_else(|| shares.iter().rposition(|share| share.tasks > 0))
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::*;

    fn share(base: u32, weight: u32) -> Share {
        Share {
            base,
            weight,
            tasks: 0,
        }
    }

    fn fill(shares: &mut [Share], count: u32) -> Vec<usize> {
        let mut chosen = Vec::new();
        for _ in 0..count {
            let Some(at) = next(shares) else { break };
            shares[at].tasks += 1;
            chosen.push(at);
        }
        chosen
    }

    #[test]
    fn base_comes_first_then_the_weights() {
        for (shares, count, chosen) in [
            (
                vec![share(2, 1), share(0, 4)],
                12,
                vec![0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1],
            ),
            (vec![share(0, 1), share(0, 1)], 4, vec![0, 1, 0, 1]),
            (vec![share(0, 0), share(0, 1)], 3, vec![1, 1, 1]),
            (vec![share(1, 0), share(0, 1)], 3, vec![0, 1, 1]),
            (vec![share(0, 1), share(3, 0)], 5, vec![1, 1, 1, 0, 0]),
            (vec![share(2, 0)], 4, vec![0, 0]),
            (vec![], 1, vec![]),
        ] {
            let mut filled = shares.clone();
            assert_eq!(fill(&mut filled, count), chosen, "{shares:?}");
        }
    }

    #[test]
    fn what_is_too_much_goes_first_and_the_base_last() {
        for (shares, chosen) in [
            (vec![(2, 1, 3), (0, 4, 4)], Some(1)),
            (vec![(2, 1, 4), (0, 4, 4)], Some(0)),
            (vec![(2, 1, 2), (0, 4, 1)], Some(1)),
            (vec![(2, 1, 2), (0, 4, 0)], Some(0)),
            (vec![(0, 0, 1), (0, 4, 40)], Some(0)),
            (vec![(0, 1, 0)], None),
        ] {
            let shares: Vec<Share> = shares
                .into_iter()
                .map(|(base, weight, tasks)| Share {
                    base,
                    weight,
                    tasks,
                })
                .collect();
            assert_eq!(surplus(&shares), chosen, "{shares:?}");
        }
    }

    proptest! {
        /// However many tasks there are, each item has its part of those beyond the base, give or
        /// take one; and giving tasks up keeps it so.
        #[test]
        fn shares_follow_the_weights(
            base in 0_u32..5, weights in proptest::collection::vec(0_u32..8, 1..6),
            count in 0_u32..200, fewer in 0_u32..200,
        ) {
            let mut shares: Vec<Share> = weights.iter().map(|w| share(0, *w)).collect();
            shares[0].base = base;
            fill(&mut shares, count);
            for _ in 0..fewer {
                if let Some(at) = surplus(&shares) {
                    shares[at].tasks -= 1;
                }
            }
            let total: u32 = weights.iter().sum();
            let beyond: u32 = shares.iter().map(|s| s.tasks.saturating_sub(s.base)).sum();
            for share in &shares {
                let got = f64::from(share.tasks.saturating_sub(share.base));
                let part = f64::from(beyond) * f64::from(share.weight) / f64::from(total.max(1));
                prop_assert!((got - part).abs() <= 2.0, "{shares:?}");
            }
        }
    }
}
