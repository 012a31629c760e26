//! Names that people give to clusters, services and task-definition families.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name, in characters (ECS API reference).
pub const MAX_NAME_LENGTH: usize = 255;

/// A name that ECS would not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{noun} \"{}\" is not valid: {}use 1 to 255 letters, digits, hyphens and underscores",
    self.shown(), wrong(value)
)]
pub struct InvalidName {
    /// What was being named, for example "cluster name".
    pub noun: &'static str,
    /// What was given.
    pub value: String,
}

/// Whether `text` follows the rule shared by cluster, service, family and container names.
pub fn is_valid(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME_LENGTH && text.chars().all(may_hold)
}

fn may_hold(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

impl InvalidName {
    /// What was given, as far as an error tells it: it has no bound, an error does.
    pub fn shown(&self) -> &str {
        &self.value[..self.value.floor_char_boundary(MAX_NAME_LENGTH)]
    }
}

/// What is wrong with a name, in words that end in a semicolon; empty where only its length is.
/// A character that cannot be seen is named.
pub fn wrong(text: &str) -> String {
    let Some((index, character)) = text.chars().enumerate().find(|(_, c)| !may_hold(*c)) else {
        return String::new();
    };
    let count = text.chars().count();
    let place = match index {
        0 => "it begins with".to_owned(),
        _ if index + 1 == count => "it ends with".to_owned(),
        _ => format!("character {} is", index + 1),
    };
    let name = match character {
        ' ' => "a blank".to_owned(),
        '\t' => "a tab".to_owned(),
        '\n' => "a line feed".to_owned(),
        '\r' => "a carriage return".to_owned(),
        seen if seen.is_ascii_graphic() => format!("'{seen}'"),
        other => format!("{} (U+{:04X})", other.escape_debug(), u32::from(other)),
    };
    format!("{place} {name}; ")
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $noun:literal) => {
        $(#[$doc])*
        ///
        /// A clone shares the text.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $type(Arc<str>);

        impl Ord for $type {
            /// By the text. Names in the keys of maps are mostly clones of one another, and those
            /// are told without reading it.
            fn cmp(&self, other: &Self) -> Ordering {
                match Arc::ptr_eq(&self.0, &other.0) {
                    true => Ordering::Equal,
                    false => self.0.cmp(&other.0),
                }
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $type {
            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if is_valid(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(InvalidName { noun: $noun, value: text.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::parse(deserializer)
            }
        }
    };
}

name!(
    /// The name of a cluster, unique in an installation.
    ClusterName,
    "cluster name"
);
name!(
    /// The name of a service, unique among the live services of a cluster.
    ServiceName,
    "service name"
);
name!(
    /// The family that the revisions of a task definition share.
    Family,
    "task definition family"
);

impl ClusterName {
    /// The cluster that is meant when a request names none.
    pub fn default_cluster() -> Self {
        Self(Arc::from("default"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_ecs_rule() {
        for good in ["a", "web-1_B", &"x".repeat(255)] {
            assert!(good.parse::<ServiceName>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "é", &"x".repeat(256)] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_wrong_character_is_named() {
        for (text, wanted) in [
            (" web", "it begins with a blank; use 1 to 255"),
            ("web ", "it ends with a blank; use"),
            ("web\n", "it ends with a line feed; use"),
            ("\tweb", "it begins with a tab; use"),
            ("a b", "character 2 is a blank; use"),
            ("a/b", "character 2 is '/'; use"),
            ("my\u{200b}web", "character 3 is \\u{200b} (U+200B); use"),
            ("", "\"\" is not valid: use 1 to 255"),
            (&"x".repeat(300), "x\" is not valid: use 1 to 255"),
        ] {
            let message = match text.parse::<Family>() {
                Ok(name) => format!("{name} is taken"),
                Err(error) => error.to_string(),
            };
            assert!(message.contains(wanted), "{text:?}: {message}");
            assert!(message.len() < 400, "{message}");
        }
    }
}
