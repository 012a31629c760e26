//! What holds for every service: its table is its shapes', and its ledger has a rule for every
//! member.

use longshore_door::ledger::covers;
use longshore_shapes::Shape;

use super::*;

/// Every path of an input that ends in a scalar or a map.
fn leaves(shape: &Shape, path: String, found: &mut Vec<String>) {
    match shape {
        Shape::Structure { members } => {
            for member in *members {
                let path = match path.as_str() {
                    "" => member.name.to_owned(),
                    path => format!("{path}.{}", member.name),
                };
                leaves(member.shape, path, found);
            }
        }
        Shape::List { member, .. } => leaves(member, format!("{path}[]"), found),
        _ => found.push(path),
    }
}

#[test]
fn a_table_is_that_of_the_shapes() {
    for api in APIS {
        let shapes = api.descriptor.shapes.unwrap();
        let modelled: Vec<_> = shapes.operations.iter().map(|of| of.name).collect();
        let served: Vec<_> = api.operations.iter().map(|of| of.name).collect();
        assert_eq!(served, modelled, "{}", api.descriptor.name);
    }
}

#[test]
fn every_member_has_one_rule_and_every_rule_a_member() {
    let mut faults = Vec::new();
    for api in APIS {
        let shapes = api.descriptor.shapes.unwrap();
        let ledger = (api.descriptor.ledger)();
        for operation in shapes.operations {
            let mut members = Vec::new();
            if let Some(shape) = operation.input {
                leaves(shape, String::new(), &mut members);
            }
            for member in &members {
                if ledger.rule(operation.name, member).is_none() {
                    faults.push(format!("{}.{member} has no rule", operation.name));
                }
            }
            for (rule, _) in ledger.rules(operation.name) {
                if !members.iter().any(|member| covers(&rule, member)) {
                    faults.push(format!("{}.{rule} matches nothing", operation.name));
                }
            }
        }
        for operation in ledger.operations() {
            if shapes.operation(operation).is_none() {
                faults.push(format!("{operation} is no operation"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
