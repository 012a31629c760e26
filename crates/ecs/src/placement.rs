//! Placement constraints and strategies of requests: RegisterTaskDefinition, RunTask,
//! CreateService and UpdateService have them.
//!
//! What they mean is checked where they are made, in the model; here the faults get the place
//! where they stand, and the rules that hold between the parts of a request.

use longshore_door::ApiError;
use longshore_door::{Faults, fault};
use longshore_model::placement::{
    InvalidPlacement, MAX_CONSTRAINTS, MAX_STRATEGIES, PlacementConstraint, PlacementStrategy,
    SpreadField,
};
use longshore_model::task_definition::TaskDefinition;
use longshore_proto::ecs;

use super::attribute::check_name;

/// What a request says of where its tasks go, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) constraints: Vec<PlacementConstraint>,
    pub(super) strategy: Vec<PlacementStrategy>,
}

impl Placement {
    /// Reads both members. `launch_type` is the one that the request names.
    ///
    /// Errors: InvalidParameterException that names the part, and for an expression the column.
    pub(super) fn read(
        launch_type: Option<&str>,
        constraints: &[ecs::PlacementConstraint],
        strategy: &[ecs::PlacementStrategy],
    ) -> Result<Self, ApiError> {
        for (member, given) in [
            ("placementConstraints", constraints.len()),
            ("placementStrategy", strategy.len()),
        ] {
            if launch_type == Some("FARGATE") && given > 0 {
                return Err(ApiError::invalid_parameter(format!(
                    "{member} can not be used with launchType FARGATE. Leave it out, or use launchType EC2."
                )));
            }
        }
        Ok(Self {
            constraints: read_constraints(constraints)?,
            strategy: read_strategy(strategy)?,
        })
    }
}

/// The constraints of a request or of a service.
pub(super) fn read_constraints(
    given: &[ecs::PlacementConstraint],
) -> Result<Vec<PlacementConstraint>, ApiError> {
    if given.len() > MAX_CONSTRAINTS {
        return Err(ApiError::invalid_parameter(format!(
            "placementConstraints has {} entries. At most {MAX_CONSTRAINTS} are allowed, those of the task definition included; join expressions with and.",
            given.len()
        )));
    }
    given
        .iter()
        .enumerate()
        .map(|(index, wire)| {
            let kind = wire.r#type.as_deref().unwrap_or_default();
            PlacementConstraint::new(kind, wire.expression.as_deref())
                .map_err(|error| ApiError::invalid_parameter(constraint_fault(index, &error)))
        })
        .collect()
}

/// The chain of strategies of a request or of a service.
pub(super) fn read_strategy(
    given: &[ecs::PlacementStrategy],
) -> Result<Vec<PlacementStrategy>, ApiError> {
    if given.len() > MAX_STRATEGIES {
        return Err(ApiError::invalid_parameter(format!(
            "placementStrategy has {} entries. At most {MAX_STRATEGIES} are allowed; leave the last ones out.",
            given.len()
        )));
    }
    given
        .iter()
        .enumerate()
        .map(|(index, wire)| {
            let kind = wire.r#type.as_deref().unwrap_or_default();
            let place = format!("placementStrategy[{index}]");
            let strategy =
                PlacementStrategy::new(kind, wire.field.as_deref()).map_err(|error| {
                    let member = match error {
                        InvalidPlacement::StrategyField { .. } => "field",
                        _ => "type",
                    };
                    ApiError::invalid_parameter(format!("{place}.{member} is not valid: {error}."))
                })?;
            if let PlacementStrategy::Spread(SpreadField::Attribute(name)) = &strategy {
                check_name(&format!("The attribute of {place}.field"), name)?;
            }
            Ok(strategy)
        })
        .collect()
}

/// The constraints of a task definition: `memberOf` only. What is wrong goes to `faults`.
pub(super) fn read_definition_constraints(
    given: &[ecs::TaskDefinitionPlacementConstraint],
    faults: &mut Faults,
) -> Vec<PlacementConstraint> {
    if given.len() > MAX_CONSTRAINTS {
        fault!(
            faults,
            "placementConstraints has {} entries. At most {MAX_CONSTRAINTS} are allowed; join expressions with and.",
            given.len()
        );
        return Vec::new();
    }
    let mut constraints = Vec::new();
    for (index, wire) in given.iter().enumerate() {
        let kind = wire.r#type.as_deref().unwrap_or_default();
        if kind == PlacementConstraint::DistinctInstance.kind() {
            fault!(
                faults,
                "placementConstraints[{index}].type is not valid: a task definition takes memberOf only. Give distinctInstance to RunTask or to the service."
            );
            continue;
        }
        match PlacementConstraint::new(kind, wire.expression.as_deref()) {
            Ok(constraint) => constraints.push(constraint),
            Err(error) => fault!(faults, "{}", constraint_fault(index, &error)),
        }
    }
    constraints
}

/// Says where a constraint is wrong. An expression is not repeated: it may be long, and the column
/// says where to look.
fn constraint_fault(index: usize, error: &InvalidPlacement) -> String {
    let place = format!("placementConstraints[{index}]");
    match error {
        InvalidPlacement::Expression { error, .. } => {
            format!("{place}.expression is not valid: {error}.")
        }
        InvalidPlacement::NoExpression | InvalidPlacement::ExpressionNotTaken { .. } => {
            format!("{place}.expression is not valid: {error}.")
        }
        _ => format!("{place}.type is not valid: {error}."),
    }
}

/// All constraints that bind tasks of a definition: its own first, then those of the request or
/// service.
///
/// Errors: InvalidParameterException where they are too many together.
pub(super) fn binding(
    definition: &TaskDefinition,
    asked: &[PlacementConstraint],
) -> Result<Vec<PlacementConstraint>, ApiError> {
    let own = &definition.placement_constraints;
    let all = own.len() + asked.len();
    if all > MAX_CONSTRAINTS {
        return Err(ApiError::invalid_parameter(format!(
            "placementConstraints has {} entries and task definition {} has {}, {all} together. At most {MAX_CONSTRAINTS} are allowed; join expressions with and.",
            asked.len(),
            definition.name(),
            own.len()
        )));
    }
    Ok(own.iter().chain(asked).cloned().collect())
}

/// Constraints on the wire.
pub(super) fn show_constraints(
    constraints: &[PlacementConstraint],
) -> Vec<ecs::PlacementConstraint> {
    constraints
        .iter()
        .map(|constraint| ecs::PlacementConstraint {
            r#type: Some(constraint.kind().to_owned()),
            expression: constraint
                .expression()
                .map(|expression| expression.source().to_owned()),
        })
        .collect()
}

/// Strategies on the wire.
pub(super) fn show_strategy(strategy: &[PlacementStrategy]) -> Vec<ecs::PlacementStrategy> {
    strategy
        .iter()
        .map(|rule| ecs::PlacementStrategy {
            r#type: Some(rule.kind().to_owned()),
            field: rule.field(),
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(
        launch_type: Option<&str>,
        constraints: Value,
        strategy: Value,
    ) -> Result<Placement, String> {
        let constraints: Vec<ecs::PlacementConstraint> =
            serde_json::from_value(constraints).unwrap();
        let strategy: Vec<ecs::PlacementStrategy> = serde_json::from_value(strategy).unwrap();
        Placement::read(launch_type, &constraints, &strategy).map_err(|error| {
            assert_eq!(error.kind.name(), "InvalidParameterException");
            error.message
        })
    }

    fn member(expression: &str) -> Value {
        json!({"type": "memberOf", "expression": expression})
    }

    #[test]
    fn what_is_right_is_shown_as_it_was_written() {
        let constraints = json!([
            member("attribute:ecs.instance-type =~ t3.*"),
            {"type": "distinctInstance"},
        ]);
        let strategy = json!([
            {"type": "spread", "field": "attribute:ecs.availability-zone"},
            {"type": "spread", "field": "host"},
            {"type": "binpack", "field": "memory"},
            {"type": "random", "field": "whatever"},
        ]);
        let placement = read(Some("EC2"), constraints.clone(), strategy).unwrap();
        let shown = serde_json::to_value(show_constraints(&placement.constraints)).unwrap();
        assert_eq!(shown, constraints);
        let shown = serde_json::to_value(show_strategy(&placement.strategy)).unwrap();
        assert_eq!(
            shown,
            json!([
                {"type": "spread", "field": "attribute:ecs.availability-zone"},
                {"type": "spread", "field": "host"},
                {"type": "binpack", "field": "MEMORY"},
                {"type": "random"},
            ])
        );
        let nothing = read(Some("FARGATE"), json!([]), json!([]));
        assert_eq!(nothing, Ok(Placement::default()));
    }

    #[test]
    fn constraints_that_make_no_sense_are_refused_by_name() {
        let ok = || member("runningTasksCount < 5");
        let long = format!("attribute:a == {}", "x".repeat(2000));
        let many: Vec<Value> = (0..11).map(|_| ok()).collect();
        for (constraints, words) in [
            (
                json!(many),
                "placementConstraints has 11 entries. At most 10",
            ),
            (
                json!([ok(), {"type": "affinity"}]),
                "placementConstraints[1].type is not valid: placement constraint type \"affinity\"",
            ),
            (json!([{}]), "placementConstraints[0].type is not valid"),
            (
                json!([{"type": "memberOf"}]),
                "placementConstraints[0].expression is not valid: a memberOf",
            ),
            (
                json!([{"type": "distinctInstance", "expression": "attribute:a exists"}]),
                "placementConstraints[0].expression is not valid: a distinctInstance placement constraint takes no expression",
            ),
            (
                json!([ok(), member(&long)]),
                "placementConstraints[1].expression is not valid: the expression has 2015 characters; at most 2000",
            ),
            (
                json!([member("(attribute:a exists")]),
                "placementConstraints[0].expression is not valid: column 20: expected",
            ),
            (
                json!([member("stack == prod")]),
                "placementConstraints[0].expression is not valid: column 1: expected",
            ),
            (
                json!([member("attribute:a =~ [")]),
                "placementConstraints[0].expression is not valid: column 16",
            ),
        ] {
            let message = read(None, constraints.clone(), json!([])).unwrap_err();
            assert!(message.contains(words), "{constraints}: {message}");
            assert!(message.len() < 700, "{message}");
        }
    }

    #[test]
    fn strategies_that_make_no_sense_are_refused_by_name() {
        let random = || json!({"type": "random"});
        let many: Vec<Value> = (0..6).map(|_| random()).collect();
        for (strategy, words) in [
            (json!(many), "placementStrategy has 6 entries. At most 5"),
            (
                json!([random(), {"type": "pack"}]),
                "placementStrategy[1].type is not valid: placement strategy type \"pack\"",
            ),
            (json!([{}]), "placementStrategy[0].type is not valid"),
            (
                json!([{"type": "spread"}]),
                "placementStrategy[0].field is not valid: field (none)",
            ),
            (
                json!([{"type": "spread", "field": "cpu"}]),
                "placementStrategy[0].field is not valid: field \"cpu\"",
            ),
            (
                json!([{"type": "spread", "field": "attribute:a b"}]),
                "The attribute of placementStrategy[0].field \"a b\" is not valid",
            ),
            (
                json!([{"type": "binpack", "field": "gpu"}]),
                "use cpu or memory",
            ),
            (json!([{"type": "binpack"}]), "use cpu or memory"),
        ] {
            let message = read(None, json!([]), strategy.clone()).unwrap_err();
            assert!(message.contains(words), "{strategy}: {message}");
        }
    }

    #[test]
    fn fargate_takes_neither() {
        let distinct = json!([{"type": "distinctInstance"}]);
        let random = json!([{"type": "random"}]);
        for (constraints, strategy, member) in [
            (distinct, json!([]), "placementConstraints can not be used"),
            (json!([]), random, "placementStrategy can not be used"),
        ] {
            let message = read(Some("FARGATE"), constraints, strategy).unwrap_err();
            assert!(message.starts_with(member), "{message}");
        }
    }
}
