//! Ids that Longshore makes. All are values handed in by the shell; nothing here is random.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{noun} \"{value}\" is not valid: expected {expected}")]
pub struct InvalidId {
    /// The kind of id.
    pub noun: &'static str,
    /// What was given.
    pub value: String,
    /// The form an id of this kind has.
    pub expected: &'static str,
}

/// Digits of an id.
const HEX_DIGITS: usize = 32;

/// The lowercase hex digits of a value, and room for them.
fn hex(value: u128, room: &mut [u8; HEX_DIGITS]) -> &str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in room.chunks_exact_mut(2).zip(value.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    std::str::from_utf8(room).unwrap_or_default()
}

/// Reads what [`hex`] writes, and nothing else.
fn unhex(text: &str) -> Option<u128> {
    let digits: &[u8; HEX_DIGITS] = text.as_bytes().try_into().ok()?;
    digits.iter().try_fold(0_u128, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

/// Whether ECS would look for a task or container instance of this id, whether or not one of ours
/// can have it: 32 characters, or the 36 of the UUIDs that it gave until 2018, each a letter, a
/// digit or a hyphen.
pub fn has_form(text: &str) -> bool {
    matches!(text.len(), HEX_DIGITS | 36)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $type:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(u128);

        impl $type {
            /// The id with this value; printed as 32 lowercase hex digits.
            pub const fn new(value: u128) -> Self {
                Self(value)
            }

            /// The value behind the digits.
            pub const fn value(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(hex(self.0, &mut [0; HEX_DIGITS]))
            }
        }

        impl FromStr for $type {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                unhex(text).map(Self).ok_or_else(|| InvalidId {
                    noun: $noun,
                    value: text.to_owned(),
                    expected: "32 lowercase hex digits",
                })
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(hex(self.0, &mut [0; HEX_DIGITS]))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::parse(deserializer)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> String {
                id.to_string()
            }
        }
    };
}

hex_id!(
    /// One placement of a task definition. Never reused: a task is replaced, not rerun.
    TaskId,
    "task id"
);
hex_id!(
    /// A container instance: a node that joined a cluster.
    InstanceId,
    "container instance id"
);

impl InstanceId {
    /// What Systems Manager would call the machine: `mi-` and 17 hex digits, the first of the id.
    /// Tools read it where they expect the id of an EC2 instance.
    pub fn managed_name(self) -> String {
        format!("mi-{:017x}", self.0 >> (128 - 17 * 4))
    }
}

hex_id!(
    /// One life of one control plane.
    ReplicaId,
    "control plane id"
);

/// A deployment of a service, printed as `ecs-svc/` and 19 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeploymentId(u64);

const DEPLOYMENT_PREFIX: &str = "ecs-svc/";
/// 19 decimal digits, none of them a leading zero.
const DEPLOYMENT_MIN: u64 = 1_000_000_000_000_000_000;

impl DeploymentId {
    /// Any number becomes an id of 19 digits; equal numbers, equal ids.
    pub const fn new(value: u64) -> Self {
        Self(DEPLOYMENT_MIN + value % (9 * DEPLOYMENT_MIN))
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DEPLOYMENT_PREFIX}{}", self.0)
    }
}

impl FromStr for DeploymentId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.strip_prefix(DEPLOYMENT_PREFIX)
            .filter(|digits| digits.len() == 19)
            .and_then(|digits| digits.parse().ok())
            .filter(|value| *value >= DEPLOYMENT_MIN)
            .map(Self)
            .ok_or_else(|| InvalidId {
                noun: "deployment id",
                value: text.to_owned(),
                expected: "ecs-svc/ and 19 digits",
            })
    }
}

impl TryFrom<String> for DeploymentId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<DeploymentId> for String {
    fn from(id: DeploymentId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_ids_round_trip_and_refuse_other_forms() {
        let id = TaskId::new(0xabc);
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.to_string().parse::<TaskId>(), Ok(id));
        for bad in [
            "",
            "abc",
            "00000000000000000000000000000ABC",
            "+0000000000000000000000000000abc",
        ] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_of_other_forms_may_be_asked_for() {
        for good in [
            "00000000000000000000000000000ABC",
            "01234567-89ab-cdef-0123-456789abcdef",
        ] {
            assert!(has_form(good) && good.parse::<TaskId>().is_err(), "{good}");
        }
        for bad in [
            "",
            "abc",
            "0000000000000000000000000000/abc",
            &"é".repeat(16),
        ] {
            assert!(!has_form(bad), "{bad}");
        }
    }

    #[test]
    fn deployment_ids_have_nineteen_digits() {
        for value in [0, 1, u64::MAX] {
            let id = DeploymentId::new(value);
            assert_eq!(id.to_string().len(), "ecs-svc/".len() + 19);
            assert_eq!(id.to_string().parse::<DeploymentId>(), Ok(id));
        }
    }
}
