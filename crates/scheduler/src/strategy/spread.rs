//! Keep the candidates with the fewest tasks by some measure.

pub(super) fn fewest<M: Ord>(candidates: Vec<usize>, measure: impl Fn(usize) -> M) -> Vec<usize> {
    let Some(least) = candidates.iter().map(|&i| measure(i)).min() else {
        return candidates;
    };
    candidates
        .into_iter()
        .filter(|&i| measure(i) == least)
        .collect()
}
