use longshore_store::{Db, Store};
use serde_json::{Value, json};

use super::*;
use crate::fixture::Fixture;

const INVALID: &str = "InvalidParameterException";
const ROOT: &str = "arn:aws:iam::000000000000:root";
const TEST: &str = "arn:aws:iam::000000000000:user/test";
const OTHER: &str = "arn:aws:iam::000000000000:user/other";

fn setting(name: &str, value: &str, principal: &str) -> Value {
    json!({"name": name, "value": value, "principalArn": principal, "type": "user"})
}

async fn effective(fixture: &Fixture, name: &str) -> Value {
    let input = json!({"name": name, "effectiveSettings": true}).to_string();
    let mut output = fixture.ok::<ListAccountSettings>(&input).await;
    assert_eq!(output["settings"].as_array().map(Vec::len), Some(1));
    output["settings"][0].take()
}

#[test]
fn names_are_those_of_the_service_model_in_order() {
    assert!(KINDS.is_sorted_by_key(|kind| kind.name));
    for kind in &KINDS {
        assert!(kind.values.contains(&kind.built_in), "{}", kind.name);
    }
    for modelled in [
        "serviceLongArnFormat",
        "taskLongArnFormat",
        "containerInstanceLongArnFormat",
        "awsvpcTrunking",
        "containerInsights",
        "fargateFIPSMode",
        "tagResourceAuthorization",
        "fargateTaskRetirementWaitPeriod",
        "guardDutyActivate",
        "defaultLogDriverMode",
        "fargateEventWindows",
    ] {
        assert!(Kind::find(modelled).is_ok(), "{modelled}");
    }
}

#[tokio::test]
async fn ones_own_counts_before_the_accounts_before_the_built_in() {
    let fixture = Fixture::new().await;
    let name = "containerInsights";
    assert_eq!(
        effective(&fixture, name).await,
        setting(name, "disabled", ROOT)
    );
    let output = fixture
        .ok::<PutAccountSettingDefault>(r#"{"name":"containerInsights","value":"enabled"}"#)
        .await;
    assert_eq!(output, json!({"setting": setting(name, "enabled", ROOT)}));
    assert_eq!(
        effective(&fixture, name).await,
        setting(name, "enabled", ROOT)
    );
    let output = fixture
        .ok::<PutAccountSetting>(r#"{"name":"containerInsights","value":"enhanced"}"#)
        .await;
    assert_eq!(output, json!({"setting": setting(name, "enhanced", TEST)}));
    assert_eq!(
        effective(&fixture, name).await,
        setting(name, "enhanced", TEST)
    );

    let own = fixture.ok::<ListAccountSettings>("{}").await;
    assert_eq!(own, json!({"settings": [setting(name, "enhanced", TEST)]}));
    let only = r#"{"name":"containerInsights","value":"disabled","effectiveSettings":true}"#;
    let none = fixture.ok::<ListAccountSettings>(only).await;
    assert_eq!(none, json!({"settings": []}));

    let delete = r#"{"name":"containerInsights"}"#;
    for _ in 0..2 {
        let output = fixture.ok::<DeleteAccountSetting>(delete).await;
        assert_eq!(output, json!({"setting": setting(name, "enabled", TEST)}));
    }
    assert_eq!(
        effective(&fixture, name).await,
        setting(name, "enabled", ROOT)
    );
    let own = fixture.ok::<ListAccountSettings>("{}").await;
    assert_eq!(own, json!({"settings": []}));
}

#[tokio::test]
async fn settings_are_kept_in_the_store() {
    let fixture = Fixture::new().await;
    fixture
        .ok::<PutAccountSetting>(r#"{"name":"defaultLogDriverMode","value":"blocking"}"#)
        .await;
    let store: std::sync::Arc<dyn Store> = fixture.store.clone();
    let db = Db::open(store).await.unwrap();
    let record = AccountSetting::record_name("defaultLogDriverMode", Some(TEST));
    assert_eq!(db.view().account_settings[&record].value, "blocking");
    fixture
        .ok::<DeleteAccountSetting>(r#"{"name":"defaultLogDriverMode"}"#)
        .await;
    assert!(fixture.ecs.db.view().account_settings.is_empty());
}

#[tokio::test]
async fn the_list_comes_in_pages() {
    let fixture = Fixture::new().await;
    let first = fixture
        .ok::<ListAccountSettings>(r#"{"effectiveSettings":true}"#)
        .await;
    assert_eq!(first["settings"].as_array().map(Vec::len), Some(10));
    let token = &first["nextToken"];
    let next = json!({"effectiveSettings": true, "nextToken": token}).to_string();
    let second = fixture.ok::<ListAccountSettings>(&next).await;
    assert_eq!(second["settings"].as_array().map(Vec::len), Some(2));
    assert_eq!(second.get("nextToken"), None);
    let guard_duty = &first["settings"][8];
    assert_eq!(guard_duty["name"], "guardDutyActivate");
    assert_eq!(guard_duty["type"], "aws_managed");
    let other = json!({ "nextToken": token }).to_string();
    fixture
        .check::<ListAccountSettings>(&[
            (&other, INVALID, "made with other filters"),
            (r#"{"maxResults":11}"#, INVALID, "Use 1 to 10"),
            (r#"{"value":"on"}"#, INVALID, "value needs name"),
            (r#"{"name":"x"}"#, INVALID, "name \"x\" is not valid"),
        ])
        .await;
}

#[tokio::test]
async fn what_cannot_be_set_is_refused() {
    let fixture = Fixture::new().await;
    let cases = [
        ("{}", INVALID, "Name can not be blank."),
        (
            r#"{"name":"awsvpcTrunking"}"#,
            INVALID,
            "Value can not be blank.",
        ),
        (
            r#"{"name":"fargate","value":"on"}"#,
            INVALID,
            "name \"fargate\" is not valid. Use serviceLongArnFormat, ",
        ),
        (
            r#"{"name":"awsvpcTrunking","value":"on"}"#,
            INVALID,
            "value \"on\" is not valid for account setting awsvpcTrunking. Use enabled or disabled.",
        ),
        (
            r#"{"name":"taskLongArnFormat","value":"disabled"}"#,
            INVALID,
            "taskLongArnFormat can not be disabled",
        ),
        (
            r#"{"name":"guardDutyActivate","value":"on"}"#,
            INVALID,
            "guardDutyActivate is read-only",
        ),
    ];
    fixture.check::<PutAccountSetting>(&cases).await;
    fixture.check::<PutAccountSettingDefault>(&cases).await;
    fixture
        .check::<DeleteAccountSetting>(&[cases[0], (r#"{"name":"x"}"#, INVALID, "\"x\"")])
        .await;
    let wait = r#"{"name":"fargateTaskRetirementWaitPeriod","value":"14"}"#;
    fixture
        .refused::<PutAccountSetting>(wait, INVALID, "Set it with PutAccountSettingDefault.")
        .await;
    fixture.ok::<PutAccountSettingDefault>(wait).await;
    fixture
        .ok::<PutAccountSetting>(r#"{"name":"taskLongArnFormat","value":"enabled"}"#)
        .await;
}

/// Every access key is the account's for now, and there is no key of a root user beside them.
#[tokio::test]
async fn every_key_speaks_for_all_principals() {
    let fixture = Fixture::new().await;
    let of = |principal: &str| {
        json!({"name": "awsvpcTrunking", "value": "enabled", "principalArn": principal}).to_string()
    };
    let bad = "is not valid. Pass the ARN of a user";
    fixture
        .check::<PutAccountSetting>(&[
            (&of("arn:aws:iam::111111111111:user/test"), INVALID, bad),
            (&of("arn:aws:iam::000000000000:user/"), INVALID, bad),
            (&of("test"), INVALID, bad),
        ])
        .await;
    for principal in [TEST, OTHER, ROOT] {
        let set = fixture.ok::<PutAccountSetting>(&of(principal)).await;
        assert_eq!(set["setting"]["principalArn"], principal);
    }
    let list = json!({ "principalArn": OTHER }).to_string();
    let listed = fixture.ok::<ListAccountSettings>(&list).await;
    assert_eq!(listed["settings"][0]["principalArn"], OTHER);
    let delete = json!({"name": "awsvpcTrunking", "principalArn": OTHER}).to_string();
    fixture.ok::<DeleteAccountSetting>(&delete).await;
}
