//! A process of ours that tests kill, pause and start again.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};

/// As much of a log as is shown after a failure, in lines.
const LOG_LINES: usize = 60;

/// A program with its arguments, running or not.
#[derive(Debug)]
pub struct Process {
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Starts it; what it says goes to `log`.
    pub fn start(program: &Path, arguments: Vec<String>, log: PathBuf) -> anyhow::Result<Self> {
        let mut process = Self {
            program: program.to_owned(),
            arguments,
            log,
            child: None,
        };
        process.restart()?;
        Ok(process)
    }

    /// Starts it again with the same arguments, unless it runs.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .env_remove("LONGSHORE_JOIN_TOKEN")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Freezes it where it is.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Lets it go on.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    /// Tells it to end, and waits until it has.
    pub fn end(&mut self) -> anyhow::Result<()> {
        self.signal("-TERM")?;
        if let Some(mut child) = self.child.take() {
            let status = child.wait()?;
            if !status.success() {
                bail!("{} ended with {status}", self.program.display());
            }
        }
        Ok(())
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("it does not run")?;
        let pid = child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status()?;
        if !status.success() {
            bail!("cannot send {signal} to process {pid}: {status}");
        }
        Ok(())
    }

    /// Copies its log into a directory, under this name.
    pub fn save_log(&self, directory: &Path, name: &str) -> anyhow::Result<()> {
        let target = directory.join(format!("{name}.log"));
        std::fs::copy(&self.log, &target)
            .with_context(|| format!("cannot write {}", target.display()))?;
        Ok(())
    }

    /// Prints the end of its log; cargo shows it if the test fails.
    pub fn print_log(&self) {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        println!("--- {}", self.log.display());
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            println!("{line}");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            println!("{} is left: {error:#}", self.program.display());
        }
    }
}
