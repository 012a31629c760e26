//! CloudWatch: which metrics there are. None is kept yet, so there is nothing that a filter could
//! choose from.

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::wire::query::INVALID_PARAMETER_VALUE;
use longshore_shapes::cloudwatch::{ListMetricsInput, ListMetricsOutput};
use longshore_store::View;

use crate::Services;

crate::api!(cloudwatch, ListMetrics);

/// Lists metrics.
pub struct ListMetrics;

impl Operation for ListMetrics {
    const NAME: &'static str = "ListMetrics";
    type Context = Services;
    type Input = ListMetricsInput;
    type Output = ListMetricsOutput;

    fn resources(_: &Services, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(_: &Services, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        if input.next_token.is_some_and(|token| !token.is_empty()) {
            return Err(ApiError::new(
                INVALID_PARAMETER_VALUE,
                "NextToken was never given. Leave it out to begin anew.",
            ));
        }
        Ok(ListMetricsOutput {
            metrics: Some(Vec::new()),
            ..ListMetricsOutput::default()
        })
    }
}
