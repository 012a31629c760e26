//! `account-setting/NAME/PRINCIPAL`: what a principal, or the account for all of them, has set.

use serde::{Deserialize, Serialize};

use super::{Noun, Record};
use crate::view::View;

/// An account setting. Writer: the API (PutAccountSetting, PutAccountSettingDefault,
/// DeleteAccountSetting).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSetting {
    /// For example `containerInsights`.
    pub name: String,
    /// ARN of the user or role it is for; `None`: all that have none of their own.
    pub principal: Option<String>,
    /// For example `enabled`.
    pub value: String,
}

impl AccountSetting {
    /// The name of the record; the ARN is written in hex since it holds what a key may not.
    pub fn record_name(name: &str, principal: Option<&str>) -> String {
        let principal = match principal {
            None => "default".to_owned(),
            Some(arn) => arn.bytes().map(|byte| format!("{byte:02x}")).collect(),
        };
        format!("{name}/{principal}")
    }
}

impl Record for AccountSetting {
    const TABLE: &'static str = "account-setting";

    fn name(&self) -> String {
        Self::record_name(&self.name, self.principal.as_deref())
    }
}

impl Noun for AccountSetting {
    type Name = String;

    fn name_in(&self, _: &View) -> Self::Name {
        self.name()
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        Some(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_principal_shares_a_record_with_the_default() {
        let of = |principal| AccountSetting::record_name("containerInsights", principal);
        assert_eq!(of(None), "containerInsights/default");
        assert_eq!(of(Some("a:b")), "containerInsights/613a62");
        assert_ne!(of(Some("default")), of(None));
    }
}
