//! The operation table and the field ledger are those of the service model.

use longshore_door::ledger::{Rule, covers};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, Value as Dynamic};
use serde_json::{Value, json};

use super::*;

const ELEMENT: &str = "[]";

#[test]
fn the_table_is_the_service_model() {
    let table: Vec<&str> = TABLE.iter().map(|entry| entry.name).collect();
    let model: Vec<&str> = longshore_proto::OPERATIONS
        .iter()
        .map(|operation| operation.name)
        .collect();
    assert_eq!(table, model);
}

#[test]
fn rows_are_found_by_their_whole_name() {
    for entry in TABLE {
        assert_eq!(
            API.find(entry.name).map(|found| found.name),
            Some(entry.name)
        );
    }
    assert!(API.find("runTask").is_none());
    assert!(API.find("").is_none());
}

/// Every path of an input message that ends in a scalar, a map or free-form JSON.
fn leaves(pool: &DescriptorPool, operation: &str) -> Vec<String> {
    let service = pool.get_service_by_name("longshore.ecs.v1.Ecs").unwrap();
    let method = service.methods().find(|m| m.name() == operation).unwrap();
    let mut leaves = Vec::new();
    message(pool, &method.input(), "", 0, &mut leaves);
    leaves
}

fn message(
    pool: &DescriptorPool,
    message_: &MessageDescriptor,
    prefix: &str,
    depth: usize,
    leaves: &mut Vec<String>,
) {
    assert!(depth < 20, "{prefix} is recursive");
    for field_ in message_.fields() {
        let name = match prefix {
            "" => field_.json_name().to_owned(),
            prefix => format!("{prefix}.{}", field_.json_name()),
        };
        field(pool, &field_, name, depth, leaves);
    }
}

fn field(
    pool: &DescriptorPool,
    field_: &FieldDescriptor,
    mut path: String,
    depth: usize,
    leaves: &mut Vec<String>,
) {
    if field_.is_list() {
        path.push_str(ELEMENT);
    }
    let transparent = pool
        .get_extension_by_name("longshore.options.v1.transparent_list")
        .unwrap();
    match field_.kind() {
        Kind::Message(inner) if !field_.is_map() => {
            if field_.options().get_extension(&transparent).as_ref() == &Dynamic::Bool(true) {
                let items = inner.get_field_by_name("items").unwrap();
                field(pool, &items, path, depth + 1, leaves);
            } else if inner.full_name().starts_with("google.protobuf.") {
                leaves.push(path);
            } else {
                message(pool, &inner, &path, depth + 1, leaves);
            }
        }
        _ => leaves.push(path),
    }
}

#[test]
fn every_member_has_one_rule_and_every_rule_a_member() {
    let pool = DescriptorPool::decode(longshore_proto::FILE_DESCRIPTOR_SET).unwrap();
    let ledger = Ledger::parse(FIELDS).unwrap();
    let mut faults = Vec::new();
    let handled = TABLE.iter().filter(|entry| entry.is_supported());
    let mut operations: Vec<&str> = handled.map(|entry| entry.name).collect();
    operations.extend(ledger.operations());
    operations.sort_unstable();
    operations.dedup();
    for operation in operations {
        let leaves = leaves(&pool, operation);
        for leaf in &leaves {
            if ledger.rule(operation, leaf).is_none() {
                faults.push(format!("{operation}.{leaf} has no rule"));
            }
        }
        for (rule, _) in ledger.rules(operation) {
            if !leaves.iter().any(|leaf| covers(&rule, leaf)) {
                faults.push(format!("{operation}.{rule} matches nothing"));
            }
        }
    }
    assert!(faults.is_empty(), "fields/:\n{}", faults.join("\n"));
}

#[test]
fn refusals_say_what_to_do() {
    for operation in ledger().operations() {
        for (path, rule) in ledger().rules(operation) {
            if let Rule::Recorded(reason) | Rule::Refused { reason, .. } = rule {
                assert!(reason.ends_with('.'), "{operation}.{path}: \"{reason}\"");
            }
        }
    }
}

fn fate(operation: &str, input: Value) -> String {
    match ledger().check(operation, &input) {
        Ok(recorded) => recorded.join(" "),
        Err(refused) => format!("{} {refused}", refusal(operation).name()),
    }
}

#[test]
fn what_is_set_decides() {
    for (operation, input, expected) in [
        (
            "RegisterTaskDefinition",
            json!({"family": "a", "volumes": []}),
            "",
        ),
        (
            "RegisterTaskDefinition",
            json!({"containerDefinitions": [{}, {"privileged": true}]}),
            "ClientException containerDefinitions[1].privileged is not supported.",
        ),
        (
            "RegisterTaskDefinition",
            json!({"containerDefinitions": [{"privileged": false, "mountPoints": []}]}),
            "",
        ),
        (
            "RegisterTaskDefinition",
            json!({"containerDefinitions": [{"linuxParameters": {"initProcessEnabled": true}}]}),
            "",
        ),
        (
            "RegisterTaskDefinition",
            json!({"containerDefinitions": [{"linuxParameters": {"sharedMemorySize": 64}}]}),
            "ClientException containerDefinitions[0].linuxParameters.sharedMemorySize is not",
        ),
        (
            "RegisterTaskDefinition",
            json!({"taskRoleArn": "r", "containerDefinitions": [
                {"dockerLabels": {"a.b[]": "c"}, "startTimeout": 3}, {"startTimeout": 3}]}),
            "containerDefinitions[].startTimeout taskRoleArn",
        ),
        (
            "CreateService",
            json!({"deploymentConfiguration": {"strategy": "ROLLING",
                "deploymentCircuitBreaker": {"enable": false, "rollback": false},
                "alarms": {"alarmNames": [], "enable": false, "rollback": false}}}),
            "",
        ),
        (
            "CreateService",
            json!({"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}),
            "UnsupportedFeatureException deploymentConfiguration.strategy is not supported.",
        ),
        ("UpdateService", json!({"loadBalancers": []}), ""),
        (
            "RunTask",
            json!({"enableExecuteCommand": false, "count": 1}),
            "",
        ),
        (
            "RunTask",
            json!({"enableExecuteCommand": true}),
            "UnsupportedFeatureException enableExecuteCommand is not supported.",
        ),
    ] {
        let fate = fate(operation, input.clone());
        let same = if expected.contains(' ') && expected.contains("not") {
            fate.starts_with(expected)
        } else {
            fate == expected
        };
        assert!(same, "{operation} {input}: {fate}");
    }
}

#[test]
fn all_refused_members_are_told_at_once() {
    let input = json!({"pidMode": "host", "containerDefinitions": [
        {"privileged": true, "links": ["a"]}, {"privileged": true}]});
    let refused = ledger().check("RegisterTaskDefinition", &input);
    let message = refused.unwrap_err().to_string();
    for member in [
        "pidMode",
        "containerDefinitions[0].privileged",
        "containerDefinitions[0].links",
        "containerDefinitions[1].privileged",
    ] {
        let told = format!("{member} is not supported.");
        assert_eq!(message.matches(&told).count(), 1, "{member}: {message}");
    }
}
