//! What scale-in leaves is as even as it can be, whatever there was.
#![allow(clippy::unwrap_used)]

mod fleet;

use std::collections::BTreeMap;

use fleet::{Fleet, plain};
use longshore_model::instance::Resources;
use longshore_model::plan::Ctx;
use longshore_model::{CpuUnits, InstanceId, Mib, TaskId, Timestamp};
use longshore_scheduler::{Kind, Standing, TaskState};
use proptest::prelude::*;

/// Asserts that `left` is what remains of `before` when the fullest gave first: nobody is above
/// the least level that `gone` can reach, and only those at that level gave.
fn is_even(before: &[u32], left: &[u32], gone: u32) -> Result<(), TestCaseError> {
    let above = |level: u32| before.iter().map(|n| n.saturating_sub(level)).sum::<u32>();
    let level = (0..).find(|level| above(*level) <= gone).unwrap();
    for (before, left) in before.iter().zip(left) {
        prop_assert!(*left <= level, "{} above {}", left, level);
        prop_assert!(
            left == before || *left + 1 >= level,
            "{} of {}",
            left,
            before
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scale_in_keeps_zones_and_their_instances_even(
        zones in proptest::collection::vec(0_usize..4, 1..12),
        places in proptest::collection::vec(any::<prop::sample::Index>(), 1..60),
        share in any::<prop::sample::Index>(), seed in any::<u64>(),
    ) {
        let mut fleet = Fleet::default();
        for (id, zone) in zones.iter().enumerate() {
            fleet.join(plain(id as u128, &format!("zone-{zone}"), 100_000));
        }
        let mut before = vec![0_u32; zones.len()];
        let mut standing = Vec::new();
        for (id, place) in places.iter().enumerate() {
            let at = place.index(zones.len());
            before[at] += 1;
            let task = TaskState {
                id: TaskId::new(id as u128),
                instance: InstanceId::new(at as u128),
                group: "service:web".to_owned(),
                wanted: true,
                running: true,
                demand: Resources { cpu: CpuUnits(1), memory: Mib(1), ..Resources::default() },
            };
            standing.push(Standing { task: task.id, instance: task.instance, turn: Some(0) });
            fleet.put(task);
        }
        let gone = share.index(places.len() + 1);
        let mut ctx = Ctx::new(Timestamp::default(), seed.into());
        let victims = fleet.index.victims(Kind::Service.chain(&[]), &standing, gone, &mut ctx);
        prop_assert_eq!(victims.len(), gone);
        let mut left = before.clone();
        for task in &standing {
            if victims.contains(&task.task) {
                left[task.instance.value() as usize] -= 1;
            }
        }
        let mut by_zone: BTreeMap<usize, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
        for (at, zone) in zones.iter().enumerate() {
            let (had, has) = by_zone.entry(*zone).or_default();
            had.push(before[at]);
            has.push(left[at]);
        }
        let sum = |tasks: &Vec<u32>| tasks.iter().sum::<u32>();
        let had: Vec<u32> = by_zone.values().map(|(had, _)| sum(had)).collect();
        let has: Vec<u32> = by_zone.values().map(|(_, has)| sum(has)).collect();
        is_even(&had, &has, gone as u32)?;
        for (had, has) in by_zone.values() {
            let gone = had.iter().sum::<u32>() - has.iter().sum::<u32>();
            is_even(had, has, gone)?;
        }
    }
}
