//! `longshore down`.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::process::Command;
use tokio::time::timeout;

use super::Global;
use crate::data_dir::{DataDir, UpFile};
use crate::hint;
use crate::process;
use crate::terminal::{self, Progress};

const EXAMPLES: &str = "\
EXAMPLES:
  Stop Longshore and remove everything it made:
    longshore down

  Stop it and its containers, but know everything at the next up:
    longshore down --keep-data";

/// After this a process is killed. Both binaries are safe to kill; this is for a clean end of
/// open connections.
const GRACE: Duration = Duration::from_secs(10);
/// The foreground `up` stops agents, then the control plane, each with that grace.
const FOREGROUND_GRACE: Duration = Duration::from_secs(30);
/// Docker removes a container in a second or so; a hundred of them take a while.
const PURGE_WITHIN: Duration = Duration::from_secs(120);

/// Stop Longshore on this machine and remove its containers and data
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Down {
    /// Keep the data directory: clusters, services and the agents' identities
    #[arg(long)]
    keep_data: bool,
}

impl Down {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let data = global.data_dir()?;
        if data.is_unused()? {
            terminal::say(&format!("Nothing is running in {}.", data.root().display()));
            return Ok(());
        }
        let _lock = data.lock()?;
        let mut up = data.read_up()?;
        terminal::say(&what_stops(&data, &up));
        let mut progress = Progress::start("stopping the agents");
        let was_running = is_running(&up)?;
        if let Some(foreground) = &up.foreground {
            // It stops what it started and forgets it; what it could not stop is still recorded.
            foreground.stop(FOREGROUND_GRACE).await?;
            up = data.read_up()?;
        }
        stop_agents(&up).await?;
        // What cannot be removed keeps nothing else running, but keeps its data: the next try
        // needs the agent's identity.
        let mut failed = None;
        for number in data.agents()? {
            progress.set(&format!("removing the containers of agent {number}"));
            if let Err(error) = purge(&data, number).await {
                terminal::warn(&format!("{error:#}"));
                failed.get_or_insert(data.agent(number));
            }
        }
        progress.set("stopping the control plane");
        stop_control_plane(&up).await?;
        data.remove_up()?;
        if let Some(directory) = failed {
            bail!(
                "the containers of {} are not all removed; `{}` tries again",
                directory.display(),
                hint::longshore("down")
            );
        }
        if !self.keep_data {
            data.remove()?;
        }
        let done = if was_running {
            "Longshore is down"
        } else {
            "Nothing was running"
        };
        progress.done(&if self.keep_data {
            format!("{done}; its data stays in {}.", data.root().display())
        } else {
            format!("{done}; its containers and data are removed.")
        });
        Ok(())
    }
}

/// Which installation it is, before anything of it is gone.
fn what_stops(data: &DataDir, up: &UpFile) -> String {
    let at = up.control_plane.as_ref();
    let at = at.map_or(String::new(), |control_plane| {
        format!(" at {}", control_plane.listen)
    });
    format!(
        "Stopping the Longshore{at} of {}, with {}.",
        data.root().display(),
        match up.agents.len() {
            1 => "1 agent".to_owned(),
            agents => format!("{agents} agents"),
        }
    )
}

fn is_running(up: &UpFile) -> anyhow::Result<bool> {
    let agents = up.agents.iter().map(|agent| &agent.process);
    let control_plane = up.control_plane.iter().map(|process| &process.process);
    for process in agents.chain(control_plane) {
        if process.is_alive()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Stops the agents, all at once. Their containers keep running.
pub(super) async fn stop_agents(up: &UpFile) -> anyhow::Result<()> {
    for agent in &up.agents {
        agent.process.terminate()?;
    }
    for agent in &up.agents {
        if agent.process.stop(GRACE).await? {
            terminal::warn(&format!(
                "agent {} did not end and was killed",
                agent.number
            ));
        }
    }
    Ok(())
}

/// Stops the control plane.
pub(super) async fn stop_control_plane(up: &UpFile) -> anyhow::Result<()> {
    if let Some(control_plane) = &up.control_plane
        && control_plane.process.stop(GRACE).await?
    {
        terminal::warn("the control plane did not end and was killed");
    }
    Ok(())
}

/// Removes every container and cgroup of an agent's instance. One that never joined has none.
async fn purge(data: &DataDir, number: u32) -> anyhow::Result<()> {
    if data.read_instance(number)?.is_none() {
        return Ok(());
    }
    let output = Command::new(process::find_binary("longshore-agent")?)
        .arg("purge")
        .arg("--data-dir")
        .arg(data.agent(number))
        // Its errors are shown to a person.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PURGE_WITHIN, output)
        .await
        .with_context(|| format!("longshore-agent purge takes longer than {PURGE_WITHIN:?}"))?
        .context("cannot run longshore-agent purge")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("longshore-agent purge: {}: {}", output.status, said.trim());
    }
    Ok(())
}
