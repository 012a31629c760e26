//! The order in which ties are listed before one is drawn. It depends on nothing but names, so the
//! same instances and the same seed give the same choice, however the index came to be.

use longshore_model::InstanceId;

/// Where an instance stands among those that are equally good.
pub fn of_instance(id: InstanceId) -> u64 {
    let value = id.value();
    mix(mix(value as u64) ^ (value >> 64) as u64)
}

/// Where a tuple of spread values stands among those that are equally good; `None` is an attribute
/// that is absent.
pub fn of_values<'a>(values: impl Iterator<Item = Option<&'a str>>) -> u64 {
    values.fold(0, |order, value| {
        let bytes = value.unwrap_or_default().bytes();
        let seed = mix(order ^ u64::from(value.is_some()));
        bytes.fold(seed, |order, byte| mix(order ^ u64::from(byte)))
    })
}

/// SplitMix64's finalizer.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
