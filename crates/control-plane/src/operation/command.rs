//! The commands: what they do in which order, and what they say.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use longshore_store::{Key, Store};

use super::content::UNFINISHED;
use super::{Content, Location, archive, inspection, transfer};
use crate::config::{BackupArgs, CheckArgs, MigrateArgs, RestoreArgs};

/// Prints a line of the result. Whoever stops reading it (`| head`) is no reason to fail.
macro_rules! say {
    ($($part:tt)*) => {
        drop(writeln!(std::io::stdout(), $($part)*))
    };
}

/// How often what is shown moves while nothing can be counted.
const TICK: Duration = Duration::from_millis(100);

/// Most findings that are printed; a store with more has one cause.
const PRINTED_FINDINGS: usize = 200;

/// Writes everything in a store to a file.
///
/// # Errors
/// When the store cannot be read or the file not be written; then there is no file.
pub async fn backup(args: BackupArgs) -> anyhow::Result<()> {
    let location = Location::of(&args.place.store.store, &args.place.data_dir);
    let store = location.open(&args.place.store.etcd).await?;
    let content = read(&*store, &location).await?;
    drop(store);
    refuse_half(&content, &location)?;
    let bar = bar("writing", content.records.len());
    archive::write(&args.file, &content, now_millis(), |done| {
        bar.set_position(done)
    })?;
    bar.finish_and_clear();
    // What was written is what will be read.
    let written = archive::read(&args.file).context("the backup does not read back")?;
    say!(
        "backup of {location} written to {}: {}",
        args.file.display(),
        summary(&written)
    );
    say!(
        "Not in it: ca.pem, ca.key and the access keys, which are files of the data directory. Keep a copy of them as well."
    );
    Ok(())
}

/// Fills an empty store from a backup.
///
/// # Errors
/// When the file is no whole backup, or the store not empty; then nothing was changed. When the
/// store fails half way; then it says so and the same can be done again.
pub async fn restore(args: RestoreArgs) -> anyhow::Result<()> {
    let mut content = archive::read(&args.file)?;
    let location = Location::of(&args.place.store.store, &args.place.data_dir);
    let store = location.open_or_make(&args.place.store.etcd).await?;
    fill(&*store, &mut content, &location).await?;
    say!(
        "{location} restored from {}: {}",
        args.file.display(),
        summary(&content)
    );
    say!(
        "Put ca.pem, ca.key and the access keys back into the data directory before the control plane starts; without them every agent must join anew."
    );
    say!(
        "Tasks that were started after the backup run on; start an agent with --stop-stranded to have them stopped."
    );
    Ok(())
}

/// Fills an empty store from another store.
///
/// # Errors
/// As [`restore`]; the store it comes from is not changed.
pub async fn migrate(args: MigrateArgs) -> anyhow::Result<()> {
    if args.from == args.to {
        bail!("--from and --to are the same store, {}", args.from);
    }
    let source = args.from.open(&args.etcd).await?;
    let mut content = read(&*source, &args.from).await?;
    refuse_half(&content, &args.from)?;
    let target = args.to.open_or_make(&args.etcd).await?;
    fill(&*target, &mut content, &args.to).await?;
    // Nothing may have been written to the source meanwhile, or the target would lack it.
    let after = read(&*source, &args.from).await?;
    if let Some(key) = after.first_difference(&content) {
        bail!(
            "{} changed at {key} while it was copied: stop every control plane on it, empty {} and do the same again",
            args.from,
            args.to
        );
    }
    say!("{} copied to {}: {}", args.from, args.to, summary(&content));
    say!(
        "Compared record by record. Start the control plane with --store for {}; {} was not changed and must not be used any more.",
        args.to,
        args.from
    );
    Ok(())
}

/// Decodes every record of a store and follows every reference. False if something is wrong.
///
/// # Errors
/// When the store cannot be read.
pub async fn check(args: CheckArgs) -> anyhow::Result<bool> {
    let content = match &args.backup {
        Some(file) => archive::read(file)?,
        None => {
            let location = Location::of(&args.place.store.store, &args.place.data_dir);
            let store = location.open(&args.place.store.etcd).await?;
            read(&*store, &location).await?
        }
    };
    let findings = inspection::inspect(&content);
    for finding in findings.iter().take(PRINTED_FINDINGS) {
        say!("{finding}");
    }
    if findings.len() > PRINTED_FINDINGS {
        say!("… and {} more", findings.len() - PRINTED_FINDINGS);
    }
    let verdict = match findings.len() {
        0 => "all is well".to_owned(),
        count => format!("{count} findings"),
    };
    say!("{verdict}: {}", summary(&content));
    Ok(findings.is_empty())
}

/// Refuses a store that a restore or a migration did not fill to the end.
///
/// # Errors
/// When it is so, or the store cannot be read.
pub async fn refuse_unfinished(store: &dyn Store) -> anyhow::Result<()> {
    let marker = Key::new(UNFINISHED)?;
    if store
        .get(&marker)
        .await
        .context("cannot read the store")?
        .is_some()
    {
        bail!(
            "the store is not whole: a restore or migration to it did not end. Do that again; it begins anew"
        );
    }
    Ok(())
}

async fn read(store: &dyn Store, location: &Location) -> anyhow::Result<Content> {
    let spinner = ProgressBar::new_spinner().with_message(format!("reading {location}"));
    spinner.enable_steady_tick(TICK);
    let content = Content::read(store).await;
    spinner.finish_and_clear();
    content.with_context(|| format!("cannot read {location}"))
}

fn refuse_half(content: &Content, location: &Location) -> anyhow::Result<()> {
    if content.is_unfinished {
        bail!(
            "{location} is not whole: a restore or migration to it did not end; do that again first"
        );
    }
    Ok(())
}

async fn fill(store: &dyn Store, content: &mut Content, location: &Location) -> anyhow::Result<()> {
    content.begin_history(hex::encode(rand::random::<[u8; 16]>()));
    let bar = bar("writing", content.records.len());
    let filled = transfer::fill(store, content, |done| {
        bar.set_position(done);
        if done == content.records.len() as u64 {
            bar.set_message("comparing");
            bar.enable_steady_tick(TICK);
        }
    })
    .await;
    bar.finish_and_clear();
    filled.with_context(|| format!("{location} was not filled"))
}

/// Digests are compared by eye.
fn summary(content: &Content) -> String {
    format!(
        "{} records at revision {}, digest {}",
        content.records.len(),
        content.revision,
        content.digest()
    )
}

/// Shown on a terminal only.
fn bar(what: &'static str, records: usize) -> ProgressBar {
    let bar = ProgressBar::new(records as u64).with_message(what);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} records, {eta} left");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn now_millis() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
