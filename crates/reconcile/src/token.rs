//! Tokens that have had their time: client tokens a day after their use, join tokens that are
//! expired or used up.
//!
//! One key stands for all of them: they are many, each is decided about once, and it does not matter
//! when.

use std::time::Duration;

use longshore_model::ClusterName;
use longshore_model::plan::Plan;
use longshore_state::table::Record as _;
use longshore_state::{Change, View};

use crate::Action;
use crate::controller::{Controller, Scope, Wake};

/// How long a client token is remembered (ECS API reference: 24 hours).
pub const CLIENT_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The controller of tokens.
#[derive(Debug)]
pub struct Tokens;

impl Controller for Tokens {
    type Key = ();

    fn all(view: &View) -> impl Iterator<Item = ()> {
        let is_any = !(view.client_tokens.is_empty() && view.join_tokens.is_empty());
        is_any.then_some(()).into_iter()
    }

    /// Nothing but time.
    fn wakes(_: &Change, _: &View, _: Wake<'_, ()>) {}

    fn cluster((): &()) -> Option<&ClusterName> {
        None
    }

    fn decide(view: &View, (): &(), scope: &mut Scope<'_, '_>) -> Option<Plan<Action>> {
        let now = scope.ctx.now;
        let used = view.client_tokens.values();
        let used = used.filter(|token| now >= token.used_at.after(CLIENT_TOKEN_LIFETIME));
        let admitted = view.join_tokens.values();
        let admitted = admitted.filter(|token| now >= token.expires_at || token.uses_left == 0);
        let gone = used.map(|token| token.key());
        let gone = gone.chain(admitted.map(|token| token.key()));
        let mut plan = Plan::default();
        plan.actions
            .extend(gone.take(scope.most_changes).map(Action::Delete));
        if plan.actions.len() == scope.most_changes {
            plan.wake(now);
        }
        Some(plan)
    }
}
