//! CPU and memory as requests write them: `256`, `.25 vCPU`, `512`, `0.5GB`.

use longshore_model::{CpuUnits, Mib};

/// Units in a vCPU, MiB in a GB, as ECS counts them.
const PER_LARGE_UNIT: f64 = 1024.0;

/// CPU units: a whole number, or a decimal number of vCPU in any case.
pub(super) fn cpu(text: &str) -> Option<CpuUnits> {
    amount(text, "vcpu").map(CpuUnits)
}

/// MiB: a whole number, or a decimal number of GB in any case.
pub(super) fn memory(text: &str) -> Option<Mib> {
    amount(text, "gb").map(Mib)
}

fn amount(text: &str, large_unit: &str) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    let Some(large) = text.strip_suffix(large_unit) else {
        return whole(&text);
    };
    let large = large.trim_end();
    let digits_and_point = large.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !digits_and_point || !large.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let small = large.parse::<f64>().ok()? * PER_LARGE_UNIT;
    // The cast saturates; what is larger than any machine is refused by the range checks.
    (small.round() <= f64::from(u32::MAX)).then(|| small.round() as u32)
}

fn whole(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_ecs_reads_them() {
        for (text, units) in [
            ("256", Some(256)),
            (".25 vCPU", Some(256)),
            ("0.25vcpu", Some(256)),
            ("1 vCPU", Some(1024)),
            ("1. VCPU", Some(1024)),
            ("0.3 vCPU", Some(307)),
            ("", None),
            ("vCPU", None),
            (". vCPU", None),
            ("-1", None),
            ("-1 vCPU", None),
            ("+1", None),
            ("1e3 vCPU", None),
            ("inf vCPU", None),
            ("1.5", None),
            ("99999999999", None),
            ("99999999999 vCPU", None),
            ("1 GB", None),
        ] {
            assert_eq!(cpu(text), units.map(CpuUnits), "{text}");
        }
        for (text, mib) in [
            ("512", Some(512)),
            ("0.5GB", Some(512)),
            ("1 gb", Some(1024)),
            ("512MB", None),
            ("1 vCPU", None),
        ] {
            assert_eq!(memory(text), mib.map(Mib), "{text}");
        }
    }
}
