//! The configuration: which list members always show, and which tell absent from empty.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// `proto/generator.toml`: an option, then a message, then the wire names of its members.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Lists which JSON carries even when they are empty.
    #[serde(default)]
    pub(crate) emit_empty: BTreeMap<String, BTreeSet<String>>,
    /// Lists which tell an absent member from an empty one.
    #[serde(default)]
    pub(crate) transparent_list: BTreeMap<String, BTreeSet<String>>,
}

impl Config {
    /// Reads the configuration. Errors name the file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in the configuration {}", path.display()))
    }

    /// Parses a configuration; a member cannot stand under both options.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text)?;
        for (message, members) in &config.transparent_list {
            for member in members {
                ensure!(
                    !config.emits_empty(message, member),
                    "{message}.{member} stands under emit_empty and transparent_list; keep one"
                );
            }
        }
        Ok(config)
    }

    /// Whether the member is a list that JSON always carries.
    pub(crate) fn emits_empty(&self, message: &str, member: &str) -> bool {
        contains(&self.emit_empty, message, member)
    }

    /// Whether the member is a list that tells absent from empty.
    pub(crate) fn is_transparent(&self, message: &str, member: &str) -> bool {
        contains(&self.transparent_list, message, member)
    }

    /// Every (message, member) the configuration names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        [&self.emit_empty, &self.transparent_list]
            .into_iter()
            .flatten()
            .flat_map(|(message, members)| {
                members
                    .iter()
                    .map(move |member| (message.as_str(), member.as_str()))
            })
    }
}

fn contains(table: &BTreeMap<String, BTreeSet<String>>, message: &str, member: &str) -> bool {
    table
        .get(message)
        .is_some_and(|members| members.contains(member))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_at_most_one_option() {
        let error = Config::parse("[emit_empty]\nA = [\"b\"]\n[transparent_list]\nA = [\"b\"]\n")
            .unwrap_err();
        assert!(error.to_string().starts_with("A.b stands under"), "{error}");
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert!(Config::parse("[emit_always]\nA = [\"b\"]\n").is_err());
    }
}
