//! The Longshore control plane.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use longshore_control_plane::config::{Cli, Command, LogFormat, RunArgs};
use longshore_control_plane::{operation, serve};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Records are made on one thread and dropped on another all the time, which the allocator of the
/// C library is slow at. Huge pages are off: the kernel would spend a tenth of a burst clearing them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command();
    start_log(&command);
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    if provider.install_default().is_err() {
        tracing::error!("another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    let done = match command {
        Command::Run(args) => run(*args).await,
        Command::Backup(args) => operation::backup(*args).await.map(|()| true),
        Command::Restore(args) => operation::restore(*args).await.map(|()| true),
        Command::Migrate(args) => operation::migrate(*args).await.map(|()| true),
        Command::Check(args) => operation::check(*args).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The log on stderr; commands that end by themselves have their results on stdout and log only
/// what is wrong.
fn start_log(command: &Command) {
    let (level, format) = match command {
        Command::Run(args) => ("info", args.log_format),
        _ => ("warn", LogFormat::Text),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

async fn run(args: RunArgs) -> anyhow::Result<bool> {
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone()).context("cannot listen for signals")?;
    serve::run(args, stop).await?;
    Ok(true)
}

fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; tasks go on running");
        stop.cancel();
    });
    Ok(())
}
