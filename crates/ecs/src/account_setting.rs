//! Account settings: PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting,
//! ListAccountSettings.
//!
//! What counts for a principal is its own setting, else that of the account (the one of the root
//! user), else what ECS has built in. There is no key of a root user: every access key is the
//! account's, and may set what counts for anyone. All of them are kept and shown; none changes
//! anything here yet, which the field ledger says to whoever sets one. A value that would contradict
//! what Longshore does, such as short ARNs, is refused.

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::page::PageRequest;
use longshore_model::Realm;
use longshore_proto::ecs;
use longshore_store::table::AccountSetting;
use longshore_store::{Txn, View};

use super::required;
use crate::context::Ecs;
use crate::exception;
use crate::touched;

/// Page size of ListAccountSettings, and the largest one (ECS API reference).
const MAX_RESULTS: usize = 10;
/// Settings that one installation keeps. Each principal has at most as many as there are names.
const MAX_SETTINGS: usize = 10_000;
/// Longest ARN of a principal, in characters: in hex it must fit in a key of the store.
const MAX_PRINCIPAL: usize = 400;

/// A setting there is, by its name in ECS.
struct Kind {
    name: &'static str,
    /// What it can be set to.
    values: &'static [&'static str],
    /// What counts where nobody has set it.
    built_in: &'static str,
    rule: Rule,
}

/// Who may set a setting, and to what.
enum Rule {
    /// Anyone, for themselves.
    Open,
    /// For the whole account only.
    AccountOnly,
    /// Another service of AWS sets it.
    ReadOnly,
    /// Only to its built-in value; why.
    Fixed(&'static str),
}

const SWITCH: &[&str] = &["enabled", "disabled"];
const LONG_ARNS: Rule =
    Rule::Fixed("ARNs have the long format, as in ECS since April 2021; it cannot be left.");

/// All settings, by name (ECS API reference, `PutAccountSetting`; the built-in values are those of
/// a new account).
const KINDS: [Kind; 12] = [
    Kind::new("awsvpcTrunking", SWITCH, "disabled", Rule::Open),
    Kind::new(
        "containerInsights",
        &["enhanced", "enabled", "disabled"],
        "disabled",
        Rule::Open,
    ),
    Kind::new(
        "containerInstanceLongArnFormat",
        SWITCH,
        "enabled",
        LONG_ARNS,
    ),
    Kind::new(
        "defaultLogDriverMode",
        &["blocking", "non-blocking"],
        "non-blocking",
        Rule::Open,
    ),
    Kind::new("dualStackIPv6", SWITCH, "enabled", Rule::Open),
    Kind::new("fargateEventWindows", SWITCH, "disabled", Rule::Open),
    Kind::new("fargateFIPSMode", SWITCH, "disabled", Rule::Open),
    Kind::new(
        "fargateTaskRetirementWaitPeriod",
        &["0", "7", "14"],
        "7",
        Rule::AccountOnly,
    ),
    Kind::new("guardDutyActivate", &["on", "off"], "off", Rule::ReadOnly),
    Kind::new("serviceLongArnFormat", SWITCH, "enabled", LONG_ARNS),
    Kind::new("tagResourceAuthorization", &["on", "off"], "on", Rule::Open),
    Kind::new("taskLongArnFormat", SWITCH, "enabled", LONG_ARNS),
];

impl Kind {
    const fn new(
        name: &'static str,
        values: &'static [&'static str],
        built_in: &'static str,
        rule: Rule,
    ) -> Self {
        Self {
            name,
            values,
            built_in,
            rule,
        }
    }

    fn find(given: &str) -> Result<&'static Self, ApiError> {
        KINDS.iter().find(|kind| kind.name == given).ok_or_else(|| {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            ApiError::invalid_parameter(format!(
                "name \"{given}\" is not an account setting. Use one of {}.",
                names.join(", ")
            ))
        })
    }

    /// Checks that it can be set to this value for this principal.
    fn check(&self, value: &str, principal: &Principal) -> Result<(), ApiError> {
        let name = self.name;
        if matches!(self.rule, Rule::ReadOnly) {
            return Err(ApiError::invalid_parameter(format!(
                "Account setting {name} is read-only. It says whether GuardDuty watches the tasks, which nothing does here."
            )));
        }
        if !self.values.contains(&value) {
            return Err(ApiError::invalid_parameter(format!(
                "value \"{value}\" is not valid for account setting {name}. Use {}.",
                self.values.join(" or ")
            )));
        }
        match self.rule {
            Rule::Fixed(why) if value != self.built_in => Err(ApiError::invalid_parameter(
                format!("Account setting {name} can not be {value}. {why}"),
            )),
            Rule::AccountOnly if *principal != Principal::Account => {
                Err(ApiError::invalid_parameter(format!(
                    "Account setting {name} is for the whole account. Set it with PutAccountSettingDefault."
                )))
            }
            _ => Ok(()),
        }
    }

    /// The type on the wire: who manages it.
    fn managed_by(&self) -> &'static str {
        match self.rule {
            Rule::ReadOnly => "aws_managed",
            Rule::Open | Rule::AccountOnly | Rule::Fixed(_) => "user",
        }
    }
}

/// Whom a setting is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Principal {
    /// Everyone without a setting of their own: what ECS calls the root user.
    Account,
    /// The user or role of this ARN.
    Of(String),
}

impl Principal {
    /// The principal a request means; the caller where it names none.
    fn read(realm: &Realm, caller: &Caller, given: Option<String>) -> Result<Self, ApiError> {
        let Some(arn) = given.filter(|arn| !arn.is_empty()) else {
            return Self::of(realm, caller.arn());
        };
        let start = format!("arn:{}:iam::{}:", realm.partition, realm.account);
        let known = |rest: &str| {
            let names = ["user/", "role/"].map(|kind| rest.strip_prefix(kind));
            rest == "root" || names.into_iter().flatten().any(|name| !name.is_empty())
        };
        if !arn.strip_prefix(&start).is_some_and(known) {
            return Err(ApiError::invalid_parameter(format!(
                "principalArn \"{arn}\" is not valid. Pass the ARN of a user, a role or the root user of account {}, for example {start}root.",
                realm.account
            )));
        }
        Self::of(realm, &arn)
    }

    fn of(realm: &Realm, arn: &str) -> Result<Self, ApiError> {
        if arn == Self::root(realm) {
            return Ok(Self::Account);
        }
        if arn.chars().count() > MAX_PRINCIPAL || !arn.is_ascii() {
            return Err(ApiError::invalid_parameter(format!(
                "principalArn is not valid. Use an ARN of at most {MAX_PRINCIPAL} ASCII characters."
            )));
        }
        Ok(Self::Of(arn.to_owned()))
    }

    fn root(realm: &Realm) -> String {
        format!("arn:{}:iam::{}:root", realm.partition, realm.account)
    }

    fn arn(&self, realm: &Realm) -> String {
        match self {
            Self::Account => Self::root(realm),
            Self::Of(arn) => arn.clone(),
        }
    }

    fn key(&self) -> Option<&str> {
        match self {
            Self::Account => None,
            Self::Of(arn) => Some(arn),
        }
    }

    /// What it has set itself.
    fn own<'a>(
        &self,
        view: &'a View,
        kind: &Kind,
    ) -> Option<&'a longshore_store::Stored<AccountSetting>> {
        let name = AccountSetting::record_name(kind.name, self.key());
        view.account_settings.get(&name)
    }

    /// What counts for it, and whose setting that is.
    fn effective(&self, view: &View, kind: &Kind) -> (Self, String) {
        [self, &Self::Account]
            .into_iter()
            .find_map(|owner| Some((owner.clone(), owner.own(view, kind)?.value.clone())))
            .unwrap_or_else(|| (Self::Account, kind.built_in.to_owned()))
    }
}

fn show(realm: &Realm, kind: &Kind, principal: &Principal, value: &str) -> ecs::Setting {
    ecs::Setting {
        name: Some(kind.name.to_owned()),
        value: Some(value.to_owned()),
        principal_arn: Some(principal.arn(realm)),
        r#type: Some(kind.managed_by().to_owned()),
    }
}

/// Sets, in one commit.
async fn put(
    ecs: &Ecs,
    principal: &Principal,
    name: Option<String>,
    value: Option<String>,
) -> Result<ecs::Setting, ApiError> {
    let kind = Kind::find(&required("name", name)?)?;
    let value = required("value", value)?;
    kind.check(&value, principal)?;
    ecs.transact(|view| {
        let setting = AccountSetting {
            name: kind.name.to_owned(),
            principal: principal.key().map(str::to_owned),
            value: value.clone(),
        };
        let mut txn = Txn::new();
        match principal.own(view, kind) {
            Some(read) if **read == setting => {}
            Some(read) => txn.replace(read, &setting),
            None if view.account_settings.len() >= MAX_SETTINGS => {
                return Err(exception::client(format!(
                    "The installation keeps {MAX_SETTINGS} account settings already. Delete some with DeleteAccountSetting, or set what counts for everyone with PutAccountSettingDefault."
                )));
            }
            None => txn.create(&setting),
        }
        Ok((txn, show(&ecs.realm, kind, principal, &value)))
    })
    .await
}

/// Sets a setting for the caller, or for the principal that is named.
pub struct PutAccountSetting;

impl Operation for PutAccountSetting {
    const NAME: &'static str = "PutAccountSetting";
    type Context = Ecs;
    type Input = ecs::PutAccountSettingRequest;
    type Output = ecs::PutAccountSettingResponse;

    fn resources(_: &Ecs, _: &View, input: &Self::Input) -> Vec<Touched> {
        touched::account_setting(input.name.as_deref())
    }

    async fn run(ecs: &Ecs, caller: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let principal = Principal::read(&ecs.realm, caller, input.principal_arn)?;
        let setting = put(ecs, &principal, input.name, input.value).await?;
        Ok(ecs::PutAccountSettingResponse {
            setting: Some(setting),
        })
    }
}

/// Sets a setting for everyone who has none of their own.
pub struct PutAccountSettingDefault;

impl Operation for PutAccountSettingDefault {
    const NAME: &'static str = "PutAccountSettingDefault";
    type Context = Ecs;
    type Input = ecs::PutAccountSettingDefaultRequest;
    type Output = ecs::PutAccountSettingDefaultResponse;

    fn resources(_: &Ecs, _: &View, input: &Self::Input) -> Vec<Touched> {
        touched::account_setting(input.name.as_deref())
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let setting = put(ecs, &Principal::Account, input.name, input.value).await?;
        Ok(ecs::PutAccountSettingDefaultResponse {
            setting: Some(setting),
        })
    }
}

/// Takes a setting away and answers with what counts from then on; one that is not set is passed
/// over.
pub struct DeleteAccountSetting;

impl Operation for DeleteAccountSetting {
    const NAME: &'static str = "DeleteAccountSetting";
    type Context = Ecs;
    type Input = ecs::DeleteAccountSettingRequest;
    type Output = ecs::DeleteAccountSettingResponse;

    fn resources(_: &Ecs, _: &View, input: &Self::Input) -> Vec<Touched> {
        touched::account_setting(input.name.as_deref())
    }

    async fn run(ecs: &Ecs, caller: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let principal = Principal::read(&ecs.realm, caller, input.principal_arn)?;
        let kind = Kind::find(&required("name", input.name)?)?;
        let setting = ecs
            .transact(|view| {
                let mut txn = Txn::new();
                if let Some(read) = principal.own(view, kind) {
                    txn.delete(read);
                }
                let (_, value) = match principal {
                    Principal::Account => (Principal::Account, kind.built_in.to_owned()),
                    Principal::Of(_) => Principal::Account.effective(view, kind),
                };
                Ok((txn, show(&ecs.realm, kind, &principal, &value)))
            })
            .await?;
        Ok(ecs::DeleteAccountSettingResponse {
            setting: Some(setting),
        })
    }
}

/// Lists, by name, what a principal has set, or with `effectiveSettings` what counts for it.
pub struct ListAccountSettings;

impl Operation for ListAccountSettings {
    const NAME: &'static str = "ListAccountSettings";
    type Context = Ecs;
    type Input = ecs::ListAccountSettingsRequest;
    type Output = ecs::ListAccountSettingsResponse;

    fn resources(_: &Ecs, _: &View, input: &Self::Input) -> Vec<Touched> {
        touched::account_setting(input.name.as_deref())
    }

    async fn run(ecs: &Ecs, caller: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let set = |filter: Option<String>| filter.filter(|text| !text.is_empty());
        let (name, value) = (set(input.name), set(input.value));
        let principal = Principal::read(&ecs.realm, caller, input.principal_arn)?;
        let effective = input.effective_settings.unwrap_or_default();
        let page = PageRequest::filtered(
            Self::NAME,
            &[
                name.as_deref().unwrap_or_default(),
                value.as_deref().unwrap_or_default(),
                principal.key().unwrap_or("root"),
                if effective { "effective" } else { "" },
            ],
            input.next_token.as_deref(),
            input.max_results,
            MAX_RESULTS,
            MAX_RESULTS,
        )?;
        let only = name.as_deref().map(Kind::find).transpose()?;
        if value.is_some() && only.is_none() {
            return Err(ApiError::invalid_parameter(
                "value needs name. Set it too, or leave both out.",
            ));
        }
        let view = ecs.db.view();
        let found = KINDS
            .iter()
            .filter(|kind| only.is_none_or(|only| only.name == kind.name))
            .filter_map(|kind| {
                if effective {
                    let (owner, value) = principal.effective(&view, kind);
                    Some(show(&ecs.realm, kind, &owner, &value))
                } else {
                    let own = principal.own(&view, kind)?;
                    Some(show(&ecs.realm, kind, &principal, &own.value))
                }
            })
            .filter(|setting| value.is_none() || setting.value == value);
        let page = page.cut(found, |setting| setting.name.clone().unwrap_or_default());
        Ok(ecs::ListAccountSettingsResponse {
            settings: page.items,
            next_token: page.next_token,
        })
    }
}
