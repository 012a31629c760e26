//! Where tasks may and should go, as it is written on the command line and shown.

use clap::Args;
use longshore_proto::ecs;

const DISTINCT: &str = "distinctInstance";

/// Where the tasks of a command may and should go.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PlacementArguments {
    /// Only on instances that this expression of the cluster query language holds for, or, with
    /// distinctInstance, each on an instance of its own; may be repeated
    #[arg(long = "constraint", value_name = "EXPRESSION", value_parser = parse_constraint)]
    pub(crate) constraints: Vec<ecs::PlacementConstraint>,

    /// How to choose among them: random, binpack:cpu, binpack:memory, spread:instanceId or
    /// spread:attribute:NAME; the next one decides where one leaves a choice
    #[arg(long = "strategy", value_name = "TYPE[:FIELD]", value_parser = parse_strategy)]
    pub(crate) strategy: Vec<ecs::PlacementStrategy>,
}

fn parse_constraint(text: &str) -> Result<ecs::PlacementConstraint, String> {
    match text.trim() {
        "" => Err("give an expression, or distinctInstance".to_owned()),
        DISTINCT => Ok(ecs::PlacementConstraint {
            r#type: Some(DISTINCT.to_owned()),
            expression: None,
        }),
        expression => Ok(ecs::PlacementConstraint {
            r#type: Some("memberOf".to_owned()),
            expression: Some(expression.to_owned()),
        }),
    }
}

fn parse_strategy(text: &str) -> Result<ecs::PlacementStrategy, String> {
    let (kind, field) = match text.split_once(':') {
        Some((kind, field)) => (kind, Some(field)),
        None => (text, None),
    };
    let strategy = |kind: &str, field: Option<&str>| ecs::PlacementStrategy {
        r#type: Some(kind.to_owned()),
        field: field.map(str::to_owned),
    };
    match (kind, field) {
        ("random", None) => Ok(strategy(kind, None)),
        ("spread" | "binpack", Some(field)) if !field.is_empty() => Ok(strategy(kind, Some(field))),
        _ => Err(format!(
            "{text:?} is not a strategy; write random, binpack:cpu, binpack:memory, spread:instanceId or spread:attribute:NAME"
        )),
    }
}

/// The constraints and strategies as lines for people; nothing where there are none.
pub(crate) fn lines<'a>(
    constraints: impl IntoIterator<Item = (&'a Option<String>, &'a Option<String>)>,
    strategy: &[ecs::PlacementStrategy],
) -> String {
    let mut text = String::new();
    for (kind, expression) in constraints {
        let shown = expression.as_ref().or(kind.as_ref());
        text.push_str(&format!(
            "Constraint: {}\n",
            shown.map_or(crate::table::NOTHING, String::as_str)
        ));
    }
    let chain: Vec<String> = strategy
        .iter()
        .map(|rule| {
            let parts = [&rule.r#type, &rule.field];
            let words: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
            words.join(" ")
        })
        .collect();
    if !chain.is_empty() {
        text.push_str(&format!("Strategy: {}\n", chain.join(", then ")));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn constraint(kind: &str, expression: Option<&str>) -> ecs::PlacementConstraint {
        ecs::PlacementConstraint {
            r#type: Some(kind.to_owned()),
            expression: expression.map(str::to_owned),
        }
    }

    #[test]
    fn constraints_are_expressions_or_distinct_instance() {
        let distinct = constraint("distinctInstance", None);
        assert_eq!(parse_constraint("distinctInstance").unwrap(), distinct);
        let member = constraint("memberOf", Some("attribute:disk == ssd"));
        assert_eq!(parse_constraint(" attribute:disk == ssd ").unwrap(), member);
        assert!(parse_constraint(" ").is_err());
    }

    #[test]
    fn strategies_have_a_type_and_a_field() {
        for (text, kind, field) in [
            ("random", "random", None),
            ("binpack:memory", "binpack", Some("memory")),
            (
                "spread:attribute:ecs.availability-zone",
                "spread",
                Some("attribute:ecs.availability-zone"),
            ),
        ] {
            let strategy = parse_strategy(text).unwrap();
            assert_eq!(strategy.r#type.as_deref(), Some(kind), "{text}");
            assert_eq!(strategy.field.as_deref(), field, "{text}");
        }
        for text in ["", "spread", "spread:", "random:cpu", "pack:cpu"] {
            assert!(parse_strategy(text).is_err(), "{text}");
        }
    }

    #[test]
    fn people_read_lines() {
        let constraints = [
            constraint("memberOf", Some("attribute:disk == ssd")),
            constraint("distinctInstance", None),
        ];
        let strategy = ["spread:attribute:rack", "binpack:cpu", "random"];
        let strategy = strategy.map(|text| parse_strategy(text).unwrap());
        let pairs = constraints.iter().map(|c| (&c.r#type, &c.expression));
        assert_eq!(
            lines(pairs, &strategy),
            "Constraint: attribute:disk == ssd\nConstraint: distinctInstance\nStrategy: spread attribute:rack, then binpack cpu, then random\n"
        );
        assert_eq!(lines([], &[]), "");
    }
}
