//! Damaged data files. The store may catch a panic of its database and go on; only one that reaches
//! us counts, so the hook that ends the program at any panic is taken away. The test that replays
//! inputs shows its message.

#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;

static FIRST: Once = Once::new();

fuzz_target!(|data: &[u8]| {
    FIRST.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    longshore_fuzz::store_recovery::run(data);
});
