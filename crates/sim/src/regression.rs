//! Seeds that once found something, saved under `regressions/`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::mutant::Mutant;
use crate::scenario::Limits;

/// A saved case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regression {
    /// What was wrong, and what was done about it.
    pub note: String,
    /// The seed.
    pub seed: u64,
    /// The invariant it broke.
    pub invariant: String,
    /// One of our own faults that puts the bug back: with it the case must fail.
    pub mutant: Option<String>,
    /// Classes of faults that it does not need.
    #[serde(default)]
    pub without: Vec<String>,
    /// Most calls.
    pub calls: Option<u32>,
    /// Most nodes.
    pub nodes: Option<u32>,
}

impl Regression {
    /// A case of this seed within these limits.
    pub fn new(
        seed: u64,
        invariant: String,
        limits: &Limits,
        mutant: Option<Mutant>,
        note: String,
    ) -> Self {
        Self {
            note,
            seed,
            invariant,
            mutant: mutant.map(|mutant| mutant.name().to_owned()),
            without: limits
                .without
                .iter()
                .map(|fault| fault.name().to_owned())
                .collect(),
            calls: limits.calls,
            nodes: limits.nodes,
        }
    }

    /// What it leaves out.
    ///
    /// # Errors
    /// With the name of a class that does not exist.
    pub fn limits(&self) -> Result<Limits, String> {
        let find = |name: &String| Fault::find(name).ok_or_else(|| name.clone());
        Ok(Limits {
            without: self.without.iter().map(find).collect::<Result<_, _>>()?,
            calls: self.calls,
            nodes: self.nodes,
        })
    }
}

/// Where cases are saved.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

/// Every saved case with its file name, in order.
///
/// # Errors
/// When a file cannot be read.
pub fn all() -> anyhow::Result<Vec<(String, Regression)>> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(directory())? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let case = toml::from_str(&std::fs::read_to_string(&path)?)?;
            cases.push((name.into_owned(), case));
        }
    }
    cases.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(cases)
}
