//! STS: who calls.

use aws_lc_rs::digest;
use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_shapes::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse};
use longshore_store::View;

use crate::Services;

crate::api!(sts, GetCallerIdentity);

/// Tells the caller who it is. Needs no permission, in AWS either.
pub struct GetCallerIdentity;

impl Operation for GetCallerIdentity {
    const NAME: &'static str = "GetCallerIdentity";
    type Context = Services;
    type Input = GetCallerIdentityRequest;
    type Output = GetCallerIdentityResponse;

    fn resources(_: &Services, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(
        services: &Services,
        caller: &Caller,
        _: Self::Input,
    ) -> Result<Self::Output, ApiError> {
        Ok(GetCallerIdentityResponse {
            user_id: Some(user_id(caller.arn())),
            account: Some(services.backend.realm.account.clone()),
            arn: Some(caller.arn().to_owned()),
        })
    }
}

/// The unique id of a user, in the form of IAM: `AIDA` and 16 letters and digits. Users have no
/// record yet, so it comes from the ARN; a user of another name has another.
fn user_id(arn: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = digest::digest(&digest::SHA256, arn.as_bytes());
    let letters = digest.as_ref().iter().take(16);
    let letters = letters.map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    "AIDA".chars().chain(letters).collect()
}
