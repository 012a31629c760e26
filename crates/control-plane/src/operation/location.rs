//! Which store an operation is about.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, bail};
use longshore_store::{Embedded, HistoryLimit, OpenError, Store};

use crate::config::{EtcdAddress, EtcdArgs, StoreAddress, StoreArgs};

/// The embedded store's directory in the data directory.
pub const STORE_DIRECTORY: &str = "store";
const EMBEDDED: &str = "embedded:";

/// Length of a segment of the log while an operation has an embedded store open, in bytes: what
/// the disk has no room for shows before the operation ends.
pub const SEGMENT_BYTES: usize = 16 * 1024 * 1024;

/// A store by its name: `embedded:DIR`, where DIR is a data directory, or `etcd://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In this data directory.
    Embedded(PathBuf),
    /// In etcd.
    Etcd(EtcdAddress),
}

impl Location {
    /// The store that `--store` and `--data-dir` mean.
    pub fn of(store: &StoreAddress, data_dir: &Path) -> Location {
        match store {
            StoreAddress::Embedded => Location::Embedded(data_dir.to_owned()),
            StoreAddress::Etcd(address) => Location::Etcd(address.clone()),
        }
    }

    /// Opens a store that is there.
    ///
    /// # Errors
    /// When it is not there, is in use, or cannot be reached; it says what to do.
    pub async fn open(&self, etcd: &EtcdArgs) -> anyhow::Result<Arc<dyn Store>> {
        if let Location::Embedded(data_dir) = self {
            let directory = data_dir.join(STORE_DIRECTORY);
            if !Embedded::is_kept(&directory) {
                bail!(
                    "{} holds no store: name the data directory of a control plane, the one it was given as --data-dir",
                    data_dir.display()
                );
            }
        }
        self.open_or_make(etcd).await
    }

    /// Opens the store, which is made if it is embedded and not there.
    ///
    /// # Errors
    /// As [`Location::open`].
    pub async fn open_or_make(&self, etcd: &EtcdArgs) -> anyhow::Result<Arc<dyn Store>> {
        match self {
            Location::Embedded(data_dir) => {
                let directory = data_dir.join(STORE_DIRECTORY);
                let opened = tokio::task::spawn_blocking(move || {
                    Embedded::open_with_segments(directory, HistoryLimit::default(), SEGMENT_BYTES)
                });
                match opened.await? {
                    Ok(store) => Ok(Arc::new(store)),
                    Err(error @ OpenError::InUse { .. }) => Err(error).with_context(|| {
                        format!(
                            "a control plane is running on {}: stop it first (systemctl stop longshore-control-plane) and start it again afterwards; tasks go on running meanwhile",
                            data_dir.display()
                        )
                    }),
                    Err(error) => Err(error).context("cannot open the store"),
                }
            }
            Location::Etcd(address) => {
                let args = StoreArgs {
                    store: StoreAddress::Etcd(address.clone()),
                    etcd: etcd.clone(),
                };
                crate::store::open(&args, Path::new("")).await
            }
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Embedded(directory) => write!(out, "{EMBEDDED}{}", directory.display()),
            Location::Etcd(address) => StoreAddress::Etcd(address.clone()).fmt(out),
        }
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Location, String> {
        if let Some(directory) = text.strip_prefix(EMBEDDED) {
            return match directory {
                "" => Err("name the data directory: embedded:/var/lib/longshore".to_owned()),
                directory => Ok(Location::Embedded(directory.into())),
            };
        }
        match text.parse() {
            Ok(StoreAddress::Etcd(address)) => Ok(Location::Etcd(address)),
            Ok(StoreAddress::Embedded) => {
                Err("name the data directory: embedded:/var/lib/longshore".to_owned())
            }
            Err(_) => Err(format!(
                "\"{text}\" is not a store: give embedded:DIR, or etcd://HOST:PORT,HOST:PORT/PREFIX"
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_and_written() {
        for text in ["embedded:/var/lib/longshore", "etcd://a:1,b:2/longshore"] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "embedded",
            "embedded:",
            "/var/lib/longshore",
            "etcd://",
            "etcd:a:1",
        ] {
            let error = text.parse::<Location>().unwrap_err();
            assert!(error.contains("embedded:"), "{text}: {error}");
        }
    }
}
