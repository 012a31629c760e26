//! The sizes that Fargate knows. Nothing runs on Fargate here, but a definition that asks for it
//! is told about a wrong size as ECS tells it.

use longshore_model::{CpuUnits, Mib};

/// CPU units, least and most memory in MiB, and the step between (ECS developer guide, "Fargate
/// task definition considerations"). 512 MiB at 256 units is the one size off its step.
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

/// Whether Fargate has this size.
pub(super) fn has_size(cpu: Option<CpuUnits>, memory: Option<Mib>) -> bool {
    let (Some(cpu), Some(memory)) = (cpu, memory) else {
        return false;
    };
    if (cpu.0, memory.0) == (256, 512) {
        return true;
    }
    SIZES.iter().any(|(units, least, most, step)| {
        *units == cpu.0
            && (*least..=*most).contains(&memory.0)
            && (memory.0 - least).is_multiple_of(*step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_table() {
        for (cpu, memory, wanted) in [
            (256, 512, true),
            (256, 1024, true),
            (256, 1536, false),
            (256, 3072, false),
            (512, 512, false),
            (512, 4096, true),
            (4096, 30720, true),
            (8192, 16384, true),
            (8192, 17408, false),
            (16384, 122_880, true),
            (300, 512, false),
        ] {
            assert_eq!(
                has_size(Some(CpuUnits(cpu)), Some(Mib(memory))),
                wanted,
                "{cpu} {memory}"
            );
        }
        assert!(!has_size(None, Some(Mib(512))));
        assert!(!has_size(Some(CpuUnits(256)), None));
    }
}
