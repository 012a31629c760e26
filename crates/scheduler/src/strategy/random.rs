//! By chance, from the context's seed: the same decision made again chooses the same.

use longshore_model::plan::Ctx;

pub(super) fn one(candidates: Vec<usize>, ctx: &mut Ctx) -> Option<usize> {
    match candidates.as_slice() {
        [] => None,
        [only] => Some(*only),
        several => {
            let index = ctx.draw() % several.len() as u64;
            several.get(usize::try_from(index).unwrap_or(0)).copied()
        }
    }
}
