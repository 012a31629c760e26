//! Application Auto Scaling: which services scale by themselves. None does yet, so there is nothing
//! that a filter could choose from.

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::error::ErrorKind;
use longshore_door::operation::{Operation, Touched};
use longshore_shapes::application_autoscaling::{
    DescribeScalableTargetsRequest, DescribeScalableTargetsResponse,
};
use longshore_store::View;

use crate::Services;

crate::api!(application_autoscaling, DescribeScalableTargets);

const INVALID_NEXT_TOKEN: ErrorKind = ErrorKind::new(
    "InvalidNextTokenException",
    400,
    tonic::Code::InvalidArgument,
    false,
);

/// Lists the scalable targets of a namespace.
pub struct DescribeScalableTargets;

impl Operation for DescribeScalableTargets {
    const NAME: &'static str = "DescribeScalableTargets";
    type Context = Services;
    type Input = DescribeScalableTargetsRequest;
    type Output = DescribeScalableTargetsResponse;

    fn resources(_: &Services, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(_: &Services, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        if let Some(token) = input.next_token.filter(|token| !token.is_empty()) {
            let short: String = token.chars().take(64).collect();
            return Err(ApiError::new(
                INVALID_NEXT_TOKEN,
                format!("NextToken \"{short}\" was never given. Leave it out to begin anew."),
            ));
        }
        Ok(DescribeScalableTargetsResponse {
            scalable_targets: Some(Vec::new()),
            next_token: None,
        })
    }
}
