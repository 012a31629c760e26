//! The `longshore` command.
//!
//! A face of Longshore: it speaks the public gRPC API with a bearer token, as any other client
//! could, and starts the two real binaries for `longshore up`.
//!
//! - `command/`: one file per noun, with its arguments, what it does and how it is shown;
//! - `api.rs`: the connection and the errors of the API; `listing.rs`: lists page by page;
//! - `credentials.rs`, `token.rs`: access keys and the tokens they mint;
//! - `data_dir.rs`, `process.rs`, `health.rs`: what runs on this machine;
//! - `definition_file.rs`: task definitions as people write them;
//! - `terminal.rs`, `table.rs`: what the user sees.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage; `task run --wait` exits as the task did.

mod api;
mod command;
mod credentials;
mod data_dir;
mod definition_file;
mod health;
mod hint;
mod listing;
mod placement;
mod process;
mod table;
mod terminal;
mod token;

use std::process::ExitCode;

use clap::Parser;

use command::{Arguments, UsageError};
use terminal::PrintError;

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(arguments) {
        Ok(code) => code,
        Err(error) if matches!(error.downcast_ref(), Some(PrintError::ReaderGone)) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            terminal::error(&error);
            if error.downcast_ref::<UsageError>().is_some() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::from(EXIT_FAILED)
            }
        }
    }
}

fn start(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // Only fails when one is installed already, and then TLS has what it needs.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(command::run(arguments))
}
