//! What the commands about the state are told.

use std::path::PathBuf;

use clap::Args;

use super::{EtcdArgs, StoreArgs};
use crate::operation::Location;

/// The store that a command is about.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// The control plane's data directory, which holds the store if that is embedded.
    #[arg(long, env = "LONGSHORE_DATA_DIR", default_value = "/var/lib/longshore")]
    pub data_dir: PathBuf,
    /// Where the state is kept.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// What to back up, and to where.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; it must not be there.
    pub file: PathBuf,
    /// What to back up.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What to restore, and from where.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The file that `backup` wrote.
    pub file: PathBuf,
    /// What to restore; it must be empty.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// From where to where.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The store to copy: embedded:DIR, where DIR is a data directory, or etcd://HOST:PORT/PREFIX.
    #[arg(long, value_name = "STORE")]
    pub from: Location,
    /// The store to fill; it must be empty. Named likewise.
    #[arg(long, value_name = "STORE")]
    pub to: Location,
    /// How to get into etcd.
    #[command(flatten)]
    pub etcd: EtcdArgs,
}

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Check this backup file instead of a store.
    #[arg(long, value_name = "FILE")]
    pub backup: Option<PathBuf>,
    /// The store to check.
    #[command(flatten)]
    pub place: PlaceArgs,
}
