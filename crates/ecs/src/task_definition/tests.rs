use longshore_model::unit::Protocol;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{Fixture, arn};

/// A request with one sound container, changed.
fn request(change: impl FnOnce(&mut Value)) -> String {
    let mut request = json!({
        "family": "web",
        "containerDefinitions": [{"name": "app", "image": "busybox", "memory": 64}],
    });
    change(&mut request);
    request.to_string()
}

#[tokio::test]
async fn what_is_left_out_is_filled_in() {
    let fixture = Fixture::new().await;
    let input = request(|r| {
        r["containerDefinitions"][0]["portMappings"] =
            json!([{"containerPort": 80}, {"containerPort": 81, "hostPort": 8081}]);
        r["tags"] = json!([{"key": "team", "value": "a"}]);
    });
    let output = fixture.ok::<RegisterTaskDefinition>(&input).await;
    let wanted = json!({
        "taskDefinition": {
            "taskDefinitionArn": arn("task-definition/web:1"),
            "containerDefinitions": [{
                "name": "app",
                "image": "busybox",
                "cpu": 0,
                "memory": 64,
                "essential": true,
                "portMappings": [
                    {"containerPort": 80, "hostPort": 0, "protocol": "tcp"},
                    {"containerPort": 81, "hostPort": 8081, "protocol": "tcp"},
                ],
                "environment": [],
                "mountPoints": [],
                "volumesFrom": [],
                "systemControls": [],
            }],
            "family": "web",
            "revision": 1,
            "volumes": [],
            "status": "ACTIVE",
            "placementConstraints": [],
            "compatibilities": ["EXTERNAL", "EC2"],
            "registeredAt": 1_700_000_000,
            "registeredBy": "arn:aws:iam::000000000000:user/test",
            "requiresAttributes": [],
        },
        "tags": [{"key": "team", "value": "a"}],
    });
    assert_eq!(output, wanted);
    let described = fixture
        .ok::<DescribeTaskDefinition>(r#"{"taskDefinition":"web"}"#)
        .await;
    assert_eq!(described["taskDefinition"], wanted["taskDefinition"]);
    assert_eq!(described["tags"], json!([]), "on demand, but always there");
    let input = r#"{"taskDefinition":"web:1","include":["TAGS"]}"#;
    assert_eq!(fixture.ok::<DescribeTaskDefinition>(input).await, wanted);
}

#[tokio::test]
async fn every_member_comes_back_and_the_typed_ones_agree() {
    let fixture = Fixture::new().await;
    let container = json!({
        "name": "app",
        "image": "localhost:5000/team/app:v1",
        "cpu": 100,
        "memory": 128,
        "memoryReservation": 64,
        "essential": true,
        "entryPoint": ["sh", "-c"],
        "command": ["echo", "hi"],
        "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
        "portMappings": [{
            "containerPort": 53, "hostPort": 53, "protocol": "udp",
            "name": "dns", "appProtocol": "http",
        }],
        "workingDirectory": "/srv",
        "user": "1000:1000",
        "dockerLabels": {"a": "b"},
        "readonlyRootFilesystem": true,
        "interactive": true,
        "pseudoTerminal": false,
        "dnsServers": ["10.0.0.2"],
        "dnsSearchDomains": ["example"],
        "extraHosts": [{"hostname": "db", "ipAddress": "10.0.0.3"}],
        "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": -1}],
        "startTimeout": 30,
        "stopTimeout": 20,
        "versionConsistency": "disabled",
        "linuxParameters": {"initProcessEnabled": true},
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    });
    let input = json!({
        "family": "web",
        "networkMode": "host",
        "cpu": ".5 vCPU",
        "memory": "1GB",
        "taskRoleArn": "arn:aws:iam::000000000000:role/x",
        "executionRoleArn": "arn:aws:iam::000000000000:role/y",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "requiresCompatibilities": ["EC2", "EXTERNAL"],
        "containerDefinitions": [container],
    });
    let output = fixture
        .ok::<RegisterTaskDefinition>(&input.to_string())
        .await;
    let shown = &output["taskDefinition"];
    assert_eq!(shown["containerDefinitions"][0], container);
    assert_eq!(shown["cpu"], "512");
    assert_eq!(shown["memory"], "1024");
    for member in [
        "networkMode",
        "taskRoleArn",
        "executionRoleArn",
        "runtimePlatform",
    ] {
        assert_eq!(shown[member], input[member], "{member}");
    }
    let attributes: Vec<&str> = shown["requiresAttributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| attribute["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        attributes,
        [
            "com.amazonaws.ecs.capability.docker-remote-api.1.21",
            "com.amazonaws.ecs.capability.docker-remote-api.1.25",
            "ecs.capability.task-cpu-mem-limit",
        ]
    );
    // What the node runs is read again from what the user sees: they are one.
    let view = fixture.ecs.db.view();
    let stored = &view.task_definitions[&("web".parse().unwrap(), 1)];
    let kept = recall(&stored.recorded).unwrap();
    let mut again = read::read(kept, &stored.registered_by, stored.registered_at).unwrap();
    again.revision = 1;
    assert_eq!(again, **stored);
    let app = &stored.containers[0];
    assert_eq!(app.environment["A"], "1");
    assert_eq!(app.port_mappings[0].protocol, Protocol::Udp);
    assert!(app.init_process_enabled && app.readonly_root_filesystem && app.interactive);
    assert_eq!(app.stop_timeout, Some(20));
}

#[tokio::test]
async fn host_mode_shows_the_container_port_as_host_port() {
    let fixture = Fixture::new().await;
    for given in [
        json!({"containerPort": 80}),
        json!({"containerPort": 80, "hostPort": 0}),
    ] {
        let input = request(|r| {
            r["networkMode"] = json!("host");
            r["containerDefinitions"][0]["portMappings"] = json!([given]);
        });
        let output = fixture.ok::<RegisterTaskDefinition>(&input).await;
        let mapping = &output["taskDefinition"]["containerDefinitions"][0]["portMappings"][0];
        assert_eq!(mapping["hostPort"], 80);
    }
}

#[tokio::test]
async fn constraints_are_kept_with_the_definition() {
    let fixture = Fixture::new().await;
    let constraints = json!([
        {"type": "memberOf", "expression": "attribute:ecs.os-type == linux"},
        {"type": "memberOf", "expression": "not(attribute:disk exists)"},
    ]);
    let mut input: Value = serde_json::from_str(&request(|_| {})).unwrap();
    input["placementConstraints"] = constraints.clone();
    let output = fixture
        .ok::<RegisterTaskDefinition>(&input.to_string())
        .await;
    let definition = &output["taskDefinition"];
    assert_eq!(definition["placementConstraints"], constraints);
    let view = fixture.ecs.db.view();
    let stored = view.task_definitions.values().next().unwrap();
    let stored: Vec<String> = stored
        .placement_constraints
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        stored,
        [
            "memberOf(attribute:ecs.os-type == linux)",
            "memberOf(not(attribute:disk exists))"
        ]
    );
}

#[tokio::test]
async fn bad_definitions_are_refused_and_change_nothing() {
    type Change = fn(&mut Value);
    let fixture = Fixture::new().await;
    let cases: &[(Change, &str)] = &[
        (|r| r["family"] = json!(""), "Family can not be blank."),
        (
            |r| r["family"] = json!("a b"),
            "Family contains invalid characters. The task definition family \"a b\" is not valid: character 2 is a blank;",
        ),
        (
            |r| {
                r["placementConstraints"] = json!([
                    {"type": "memberOf", "expression": "attribute:a exists"},
                    {"type": "distinctInstance"}]);
            },
            "placementConstraints[1].type is not valid: a task definition takes memberOf only.",
        ),
        (
            |r| r["placementConstraints"] = json!([{"type": "memberOf", "expression": "a = b"}]),
            "placementConstraints[0].expression is not valid: column 1: expected",
        ),
        (
            |r| r["placementConstraints"] = json!([{"type": "near"}]),
            "placementConstraints[0].type is not valid: placement constraint type",
        ),
        (
            |r| {
                let one = json!({"type": "memberOf", "expression": "attribute:a exists"});
                r["placementConstraints"] = json!(vec![one; 11]);
            },
            "placementConstraints has 11 entries. At most 10",
        ),
        (
            |r| {
                r["requiresCompatibilities"] = json!(["FARGATE"]);
                let one = json!({"type": "memberOf", "expression": "attribute:a exists"});
                r["placementConstraints"] = json!([one]);
            },
            "placementConstraints can not be used with requiresCompatibilities FARGATE",
        ),
        (
            |r| r["containerDefinitions"] = json!([]),
            "Container list cannot be empty.",
        ),
        (
            |r| {
                let container = r["containerDefinitions"][0].clone();
                r["containerDefinitions"]
                    .as_array_mut()
                    .unwrap()
                    .push(container);
            },
            "Container names must be unique: 'app' is used twice.",
        ),
        (
            |r| r["containerDefinitions"][0]["name"] = Value::Null,
            "Container.name should not be null or empty.",
        ),
        (
            |r| r["containerDefinitions"][0]["image"] = Value::Null,
            "Container.image should not be null or empty.",
        ),
        (
            |r| r["containerDefinitions"][0]["image"] = json!("Bad Image"),
            "'image' \"Bad Image\" is not an image reference",
        ),
        (
            |r| r["containerDefinitions"][0]["memory"] = Value::Null,
            "At least one of 'memory' or 'memoryReservation' must be specified.",
        ),
        (
            |r| r["containerDefinitions"][0]["memory"] = json!(-5),
            "'memory' is -5; it must not be negative",
        ),
        (
            |r| r["containerDefinitions"][0]["portMappings"] = json!([{"containerPort": 70000}]),
            "'containerPort' is 70000; it must be between 1 and 65535",
        ),
        (
            |r| r["containerDefinitions"][0]["portMappings"] = json!([{"hostPort": 80}]),
            "'containerPort' is 0; it must be between 1",
        ),
        (
            |r| {
                r["containerDefinitions"][0]["portMappings"] =
                    json!([{"containerPort": 80, "hostPort": -1}]);
            },
            "'hostPort' is -1; it must be between 0",
        ),
        (
            |r| {
                r["containerDefinitions"][0]["portMappings"] =
                    json!([{"containerPort": 80, "protocol": "sctp"}]);
            },
            "'protocol' is 'sctp'; use tcp or udp",
        ),
        (
            |r| {
                r["containerDefinitions"][0]["ulimits"] =
                    json!([{"name": "files", "softLimit": 1, "hardLimit": 1}]);
            },
            "Ulimit name 'files' is not valid; use one of core,",
        ),
        (
            |r| {
                r["containerDefinitions"][0]["extraHosts"] =
                    json!([{"hostname": "db", "ipAddress": "ten"}]);
            },
            "'extraHosts' has \"ten\" for db",
        ),
        (
            |r| r["containerDefinitions"][0]["environment"] = json!([{"value": "x"}]),
            "'environment' has a variable named \"\"",
        ),
        (
            |r| r["networkMode"] = json!("awsvpc"),
            "'networkMode' setting for task: 'awsvpc'. There are no VPC network interfaces here: use bridge",
        ),
        (
            |r| r["networkMode"] = json!("nat"),
            "'nat'. It does not exist: use bridge",
        ),
        (
            |r| r["cpu"] = json!("lots"),
            "Invalid 'cpu' setting for task. \"lots\"",
        ),
        (
            |r| r["cpu"] = json!("64"),
            "Invalid 'cpu' setting for task. 64 is not between",
        ),
        (
            |r| r["memory"] = json!("512 MB"),
            "Invalid 'memory' setting for task. \"512 MB\"",
        ),
        (
            |r| r["memory"] = json!("0"),
            "Invalid 'memory' setting for task. \"0\"",
        ),
        (
            |r| r["requiresCompatibilities"] = json!(["MOON"]),
            "Invalid 'requiresCompatibilities' setting for task: 'MOON'.",
        ),
        (
            |r| {
                r["requiresCompatibilities"] = json!(["FARGATE"]);
                r["cpu"] = json!("256");
                r["memory"] = json!("4096");
            },
            "No Fargate configuration exists for given values.",
        ),
        (
            |r| {
                r["requiresCompatibilities"] = json!(["FARGATE"]);
                r["cpu"] = json!("256");
                r["memory"] = json!("512");
            },
            "Fargate only supports network mode 'awsvpc'",
        ),
        (
            |r| r["containerDefinitions"][0]["command"] = json!(["x".repeat(70_000)]),
            "Task definition is too large.",
        ),
    ];
    for (change, message) in cases {
        let input = request(*change);
        fixture
            .refused::<RegisterTaskDefinition>(&input, "ClientException", message)
            .await;
    }
    let input = request(|r| r["tags"] = json!([{"key": "", "value": ""}]));
    let invalid = "InvalidParameterException";
    fixture
        .refused::<RegisterTaskDefinition>(&input, invalid, "tag key")
        .await;
    // All faults at once, and none that only follows from another.
    let input = request(|r| {
        r["memory"] = json!("?");
        r["networkMode"] = json!("awsvpc");
        r["containerDefinitions"][0]["image"] = json!("?");
    });
    let error = fixture
        .call::<RegisterTaskDefinition>(&input)
        .await
        .unwrap_err();
    assert_eq!(error.message.matches("Invalid").count(), 3, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_rise_even_after_deregistration_and_in_a_race() {
    let fixture = Fixture::new().await;
    let input = request(|_| {});
    let calls = (0..20).map(|_| fixture.spawn::<RegisterTaskDefinition>(&input));
    let all = futures::future::join_all(calls.collect::<Vec<_>>()).await;
    let mut revisions: Vec<u64> = all
        .into_iter()
        .map(|output| {
            output.unwrap().unwrap()["taskDefinition"]["revision"]
                .as_u64()
                .unwrap()
        })
        .collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=20).collect::<Vec<_>>());
    fixture
        .ok::<DeregisterTaskDefinition>(r#"{"taskDefinition":"web:20"}"#)
        .await;
    let next = fixture.ok::<RegisterTaskDefinition>(&input).await;
    assert_eq!(next["taskDefinition"]["revision"], 21);
}

#[tokio::test]
async fn deregistered_revisions_are_described_but_not_the_newest() {
    let fixture = Fixture::new().await;
    fixture.register("web").await;
    fixture.register("web").await;
    let input = r#"{"taskDefinition":"web:2"}"#;
    let output = fixture.ok::<DeregisterTaskDefinition>(input).await;
    assert_eq!(output["taskDefinition"]["status"], "INACTIVE");
    assert_eq!(output["taskDefinition"]["deregisteredAt"], 1_700_000_000);
    assert_eq!(
        fixture.ok::<DeregisterTaskDefinition>(input).await,
        output,
        "twice is the same"
    );
    let described = fixture.ok::<DescribeTaskDefinition>(input).await;
    assert_eq!(described["taskDefinition"], output["taskDefinition"]);
    assert_eq!(described["tags"], json!([]), "on demand, but always there");
    let newest = fixture
        .ok::<DescribeTaskDefinition>(r#"{"taskDefinition":"web"}"#)
        .await;
    assert_eq!(newest["taskDefinition"]["revision"], 1);
    let (client, invalid) = ("ClientException", "InvalidParameterException");
    let unable = "Unable to describe task definition.";
    fixture
        .check::<DescribeTaskDefinition>(&[
            ("{}", invalid, "TaskDefinition can not be blank"),
            (r#"{"taskDefinition":"none"}"#, client, unable),
            (r#"{"taskDefinition":"web:3"}"#, client, unable),
            (
                r#"{"taskDefinition":"web:x"}"#,
                invalid,
                "Invalid revision number. Number: x.",
            ),
            (
                r#"{"taskDefinition":"web","include":["ALL"]}"#,
                invalid,
                "include[0] \"ALL\"",
            ),
        ])
        .await;
    fixture
        .check::<DeregisterTaskDefinition>(&[
            (
                r#"{"taskDefinition":"web"}"#,
                client,
                "Revision is missing.",
            ),
            (r#"{"taskDefinition":"web:9"}"#, client, unable),
            (
                r#"{"taskDefinition":"arn:aws:ecs:us-east-1:000000000000:cluster/web"}"#,
                invalid,
                "is not a task definition",
            ),
        ])
        .await;
}

#[tokio::test]
async fn definitions_are_listed_by_family_then_number() {
    let fixture = Fixture::new().await;
    // "a-b" sorts after "a" as a name, though a hyphen sorts before a colon.
    for family in ["a-b", "a", "a", "b"] {
        fixture.register(family).await;
    }
    fixture
        .ok::<DeregisterTaskDefinition>(r#"{"taskDefinition":"b:1"}"#)
        .await;
    let arns = |names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| json!(arn(&format!("task-definition/{name}"))))
            .collect()
    };
    for (input, wanted) in [
        ("{}", arns(&["a:1", "a:2", "a-b:1"])),
        (r#"{"sort":"DESC"}"#, arns(&["a-b:1", "a:2", "a:1"])),
        (r#"{"familyPrefix":"a"}"#, arns(&["a:1", "a:2"])),
        (r#"{"status":"INACTIVE"}"#, arns(&["b:1"])),
        (r#"{"status":"DELETE_IN_PROGRESS"}"#, arns(&[])),
    ] {
        let output = fixture.ok::<ListTaskDefinitions>(input).await;
        assert_eq!(output, json!({ "taskDefinitionArns": wanted }), "{input}");
    }
    for sort in ["ASC", "DESC"] {
        let whole = fixture
            .ok::<ListTaskDefinitions>(&json!({ "sort": sort }).to_string())
            .await;
        let mut seen = Vec::new();
        let mut token = Value::Null;
        loop {
            let input = json!({"sort": sort, "maxResults": 1, "nextToken": token}).to_string();
            let page = fixture.ok::<ListTaskDefinitions>(&input).await;
            seen.extend(page["taskDefinitionArns"].as_array().unwrap().clone());
            token = page["nextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!(json!(seen), whole["taskDefinitionArns"]);
    }
    for (input, wanted) in [
        ("{}", json!(["a", "a-b", "b"])),
        (r#"{"status":"ACTIVE"}"#, json!(["a", "a-b"])),
        (r#"{"status":"INACTIVE"}"#, json!(["b"])),
        (r#"{"familyPrefix":"a-"}"#, json!(["a-b"])),
    ] {
        let output = fixture.ok::<ListTaskDefinitionFamilies>(input).await;
        assert_eq!(output, json!({ "families": wanted }), "{input}");
    }
    let invalid = "InvalidParameterException";
    fixture
        .check::<ListTaskDefinitions>(&[
            (r#"{"sort":"UP"}"#, invalid, "sort \"UP\" is not valid"),
            (
                r#"{"status":"GONE"}"#,
                invalid,
                "status \"GONE\" is not valid",
            ),
        ])
        .await;
}

#[test]
fn a_small_request_with_many_faults_has_a_small_answer() {
    let container = longshore_proto::ecs::ContainerDefinition {
        name: Some("n".repeat(20_000)),
        ulimits: vec![longshore_proto::ecs::Ulimit::default(); 10_000],
        ..Default::default()
    };
    let request = longshore_proto::ecs::RegisterTaskDefinitionRequest {
        family: Some("web".to_owned()),
        container_definitions: vec![container],
        ..Default::default()
    };
    let error = super::read(request, "arn", longshore_model::Timestamp::default()).unwrap_err();
    assert!(
        error.message.len() < 16 * 1024,
        "{} bytes",
        error.message.len()
    );
    assert!(error.message.ends_with(" more."), "{}", error.message);
}

#[tokio::test]
async fn compatibilities_follow_from_the_definition() {
    let fixture = Fixture::new().await;
    for (change, wanted) in [
        (json!({}), json!(["EXTERNAL", "EC2"])),
        (json!({"networkMode": "host"}), json!(["EXTERNAL", "EC2"])),
        // What it asks for is another matter, and a size of Fargate's is not enough for that.
        (
            json!({"requiresCompatibilities": ["EC2"], "cpu": "256", "memory": "512"}),
            json!(["EXTERNAL", "EC2"]),
        ),
    ] {
        let mut input = json!({"family": "a", "containerDefinitions": [
            {"name": "a", "image": "busybox", "memory": 16}]});
        let members = change.as_object().unwrap().clone();
        input.as_object_mut().unwrap().extend(members);
        let output = fixture
            .ok::<RegisterTaskDefinition>(&input.to_string())
            .await;
        let shown = &output["taskDefinition"];
        assert_eq!(shown["compatibilities"], wanted, "{input}");
    }
}
