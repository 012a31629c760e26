//! Where the programs are that the tests run.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The directory with `longshore`, `longshore-control-plane` and `longshore-agent`: that in which
/// this test was built, or the one that `LONGSHORE_BIN_DIR` names.
///
/// Errors: one of them is not there. Cargo builds only the binaries of the package under test, so
/// they must be built before.
pub fn directory() -> anyhow::Result<PathBuf> {
    let directory = match std::env::var_os("LONGSHORE_BIN_DIR") {
        Some(named) => PathBuf::from(named),
        None => {
            // target/debug/deps/e2e-0123456789abcdef
            let test = std::env::current_exe().context("where is this test?")?;
            test.ancestors()
                .nth(2)
                .context("this test lies in no target directory")?
                .to_owned()
        }
    };
    for name in ["longshore", "longshore-control-plane", "longshore-agent"] {
        if !directory.join(name).is_file() {
            bail!(
                "{} is missing; build it with `cargo build --workspace --bins`, or run scripts/test",
                directory.join(name).display()
            );
        }
    }
    Ok(directory)
}

/// A program of the Python environment with the AWS CLI and boto3, which scripts/test makes.
///
/// Errors: it is not there.
pub fn python_program(name: &str) -> anyhow::Result<PathBuf> {
    let path = root().join(".venv/bin").join(name);
    if !path.exists() {
        bail!(
            "{} is missing; make it with `python3 -m venv .venv && .venv/bin/pip install awscli boto3`, or run scripts/test",
            path.display()
        );
    }
    Ok(path)
}
