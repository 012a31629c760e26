//! Tags on resources.

use std::collections::BTreeMap;

/// Tags by key. At most [`MAX_TAGS`] that users set; `aws:` keys are ours and are not counted.
pub type Tags = BTreeMap<String, String>;

/// Tags a user may put on one resource (ECS service quotas).
pub const MAX_TAGS: usize = 50;
/// Longest key, in characters.
pub const MAX_KEY_LENGTH: usize = 128;
/// Longest value, in characters.
pub const MAX_VALUE_LENGTH: usize = 256;

/// Why a set of tags is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTags {
    /// The key is empty, too long or has a character that is not allowed.
    #[error(
        "tag key \"{0}\" is not valid: use 1 to 128 letters, digits, spaces and + - = . _ : / @"
    )]
    Key(String),
    /// The value is too long or has a character that is not allowed.
    #[error(
        "the value of tag \"{0}\" is not valid: use up to 256 letters, digits, spaces and + - = . _ : / @"
    )]
    Value(String),
    /// The prefix is kept for managed tags.
    #[error("tag key \"{0}\" is not valid: the prefix aws: is reserved; choose another key")]
    Reserved(String),
    /// A key was given twice.
    #[error("tag key \"{0}\" is given twice; keep one")]
    Duplicate(String),
    /// More than the quota.
    #[error("{0} tags are too many: a resource holds at most 50")]
    TooMany(usize),
}

fn allowed(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)
}

/// Checks one tag that a user gives.
pub fn check(key: &str, value: &str) -> Result<(), InvalidTags> {
    let key_length = key.chars().count();
    if key_length == 0 || key_length > MAX_KEY_LENGTH || !key.chars().all(allowed) {
        return Err(InvalidTags::Key(key.to_owned()));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(InvalidTags::Reserved(key.to_owned()));
    }
    if value.chars().count() > MAX_VALUE_LENGTH || !value.chars().all(allowed) {
        return Err(InvalidTags::Value(key.to_owned()));
    }
    Ok(())
}

/// Adds what a user gives to `tags`; equal keys are overwritten.
pub fn merge(
    tags: &mut Tags,
    given: impl IntoIterator<Item = (String, String)>,
) -> Result<(), InvalidTags> {
    let mut seen = Tags::new();
    for (key, value) in given {
        check(&key, &value)?;
        if seen.insert(key.clone(), value).is_some() {
            return Err(InvalidTags::Duplicate(key));
        }
    }
    tags.extend(seen);
    let counted = tags.keys().filter(|key| !key.starts_with("aws:")).count();
    if counted > MAX_TAGS {
        Err(InvalidTags::TooMany(counted))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str, value: &str) -> Result<(), InvalidTags> {
        merge(&mut Tags::new(), [(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn keys_and_values_follow_the_ecs_rules() {
        assert_eq!(one("team", "a b+c"), Ok(()));
        assert_eq!(one("", "x"), Err(InvalidTags::Key(String::new())));
        assert_eq!(
            one("AWS:x", "x"),
            Err(InvalidTags::Reserved("AWS:x".into()))
        );
        assert_eq!(one("k", "a\u{7}"), Err(InvalidTags::Value("k".into())));
    }

    #[test]
    fn the_quota_counts_what_is_already_there() {
        let mut tags: Tags = (0..50).map(|i| (format!("k{i}"), String::new())).collect();
        tags.insert("aws:ecs:clusterName".into(), "c".into());
        assert_eq!(
            merge(&mut tags.clone(), [("k1".into(), "new".into())]),
            Ok(())
        );
        assert_eq!(
            merge(&mut tags, [("one-more".into(), String::new())]),
            Err(InvalidTags::TooMany(51))
        );
    }
}
