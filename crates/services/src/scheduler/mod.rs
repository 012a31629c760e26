//! EventBridge Scheduler: groups of schedules. There is the group that every account has; schedules
//! themselves are not offered yet.

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::wire::tree::VALIDATION;
use longshore_shapes::scheduler::{
    ListScheduleGroupsInput, ListScheduleGroupsOutput, ScheduleGroupSummary,
};
use longshore_store::View;

use crate::Services;

crate::api!(scheduler, ListScheduleGroups);

/// The group that is always there.
const DEFAULT_GROUP: &str = "default";

/// Lists groups of schedules.
pub struct ListScheduleGroups;

impl Operation for ListScheduleGroups {
    const NAME: &'static str = "ListScheduleGroups";
    type Context = Services;
    type Input = ListScheduleGroupsInput;
    type Output = ListScheduleGroupsOutput;

    fn resources(_: &Services, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(
        services: &Services,
        _: &Caller,
        input: Self::Input,
    ) -> Result<Self::Output, ApiError> {
        if let Some(size) = input.max_results.filter(|size| !(1..=100).contains(size)) {
            return Err(ApiError::new(
                VALIDATION,
                format!(
                    "1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: Member must be between 1 and 100"
                ),
            ));
        }
        if input.next_token.is_some_and(|token| !token.is_empty()) {
            return Err(ApiError::new(
                VALIDATION,
                "NextToken was never given. Leave it out to begin anew.",
            ));
        }
        let prefix = input.name_prefix.unwrap_or_default();
        let realm = &services.backend.realm;
        let made_at = {
            let view = services.backend.db.view();
            view.installation.as_ref().map(|record| record.made_at)
        };
        let made_at = made_at.map(|at| at.millis() as f64 / 1000.0);
        let group = ScheduleGroupSummary {
            arn: Some(format!(
                "arn:{}:scheduler:{}:{}:schedule-group/{DEFAULT_GROUP}",
                realm.partition, realm.region, realm.account
            )),
            name: Some(DEFAULT_GROUP.to_owned()),
            state: Some("ACTIVE".to_owned()),
            creation_date: made_at,
            last_modification_date: made_at,
        };
        let groups = DEFAULT_GROUP.starts_with(&prefix).then_some(group);
        Ok(ListScheduleGroupsOutput {
            schedule_groups: Some(groups.into_iter().collect()),
            next_token: None,
        })
    }
}
