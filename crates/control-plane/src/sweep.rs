//! Forgets what has had its time: used client tokens and expired join tokens.

use std::time::Duration;

use longshore_model::Timestamp;
use longshore_store::{Txn, View};

/// How long a client token is remembered (ECS API reference: 24 hours).
pub const CLIENT_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Records one sweep removes; the next sweep goes on.
const BATCH: usize = 500;

/// The transaction that forgets what is past its time at `now`; empty if nothing is.
pub fn sweep(view: &View, now: Timestamp) -> Txn {
    let mut txn = Txn::new();
    let used = view
        .client_tokens
        .values()
        .filter(|token| now >= token.used_at.after(CLIENT_TOKEN_LIFETIME));
    used.take(BATCH).for_each(|token| txn.delete(token));
    let expired = view
        .join_tokens
        .values()
        .filter(|token| now >= token.expires_at || token.uses_left == 0);
    expired.take(BATCH).for_each(|token| txn.delete(token));
    txn
}
