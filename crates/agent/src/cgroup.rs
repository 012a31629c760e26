//! Limits over all containers of a task: a parent cgroup, `ecs/TASK` as the ECS agent names it.
//!
//! | engine | parent given to Docker | who makes it |
//! |---|---|---|
//! | cgroup v1, cgroupfs driver | `/ecs/TASK` | the agent, in the cpu and memory hierarchies |
//! | cgroup v2, cgroupfs driver | `/ecs/TASK` | the agent |
//! | cgroup v2, systemd driver | `ecstasks-TASK.slice` | systemd, at the first start; then the agent writes the limits |

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use longshore_model::assignment::Assignment;
use longshore_model::{CpuUnits, Mib, TaskId};

/// Where the kernel shows cgroups.
pub const ROOT: &str = "/sys/fs/cgroup";
/// The period that CPU quotas are given over, in microseconds (the ECS agent's default).
const PERIOD_MICROS: u64 = 100_000;
const UNITS_PER_CORE: u64 = 1024;
/// The kernel's least quota, in microseconds.
const MIN_QUOTA_MICROS: u64 = 1000;

/// How this engine keeps cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One hierarchy per controller, made by path.
    V1,
    /// One hierarchy, made by path.
    V2,
    /// One hierarchy that systemd owns.
    V2Systemd,
}

/// The cgroups of tasks, or that they cannot be had.
#[derive(Debug, Clone)]
pub struct Cgroups {
    root: PathBuf,
    layout: Option<Layout>,
}

/// A limit that could not be set.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// This node cannot limit tasks.
    #[error(
        "this node cannot limit CPU or memory of a whole task: run the agent as root, with Docker's cgroupfs driver or cgroup v2"
    )]
    Unsupported,
    /// The kernel refused.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl Cgroups {
    /// Task limits in this layout below `root`, where the agent may write there; else none.
    pub fn new(root: impl Into<PathBuf>, layout: Option<Layout>) -> Self {
        let mut cgroups = Self {
            root: root.into(),
            layout,
        };
        if let Err(error) = cgroups.probe() {
            tracing::warn!(%error, "tasks with task-level cpu or memory cannot run here");
            cgroups.layout = None;
        }
        cgroups
    }

    fn probe(&self) -> Result<(), CgroupError> {
        match self.layout {
            None => Err(CgroupError::Unsupported),
            Some(Layout::V1) => ["cpu", "memory"]
                .iter()
                .try_for_each(|controller| make(&self.root.join(controller).join("ecs"))),
            Some(Layout::V2) => {
                let parent = self.root.join("ecs");
                enable(&self.root)?;
                make(&parent)?;
                enable(&parent)
            }
            Some(Layout::V2Systemd) => {
                let file = self.root.join("cgroup.subtree_control");
                let open = fs::OpenOptions::new().write(true).open(&file);
                open.map(drop)
                    .map_err(|source| CgroupError::File { path: file, source })
            }
        }
    }

    /// Whether tasks can be limited here.
    pub fn is_supported(&self) -> bool {
        self.layout.is_some()
    }

    /// Makes the cgroup of a task and sets its limits. Blocks shortly; may be repeated. Returns
    /// the parent to give Docker; `None` where the task has no limits of its own.
    ///
    /// # Errors
    /// When this node cannot limit tasks, or the kernel refuses.
    pub fn prepare(&self, task: &Assignment) -> Result<Option<String>, CgroupError> {
        if task.cpu.is_none() && task.memory.is_none() {
            return Ok(None);
        }
        let id = task.task;
        match self.layout {
            None => return Err(CgroupError::Unsupported),
            Some(Layout::V1) => {
                let cpu = self.directory("cpu", id);
                let memory = self.directory("memory", id);
                make(&cpu)?;
                make(&memory)?;
                if let Some(units) = task.cpu {
                    write(&cpu.join("cpu.cfs_period_us"), &PERIOD_MICROS.to_string())?;
                    write(&cpu.join("cpu.cfs_quota_us"), &quota(units).to_string())?;
                }
                if let Some(limit) = task.memory {
                    write(&memory.join("memory.limit_in_bytes"), &bytes(limit))?;
                }
            }
            Some(Layout::V2) => {
                let directory = self.directory("", id);
                make(&directory)?;
                write_v2(&directory, task)?;
            }
            Some(Layout::V2Systemd) => return Ok(Some(format!("ecstasks-{id}.slice"))),
        }
        Ok(Some(format!("/ecs/{id}")))
    }

    /// To be called once a container of the task runs: sets the limits where only then there is a
    /// cgroup to set them on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn started(&self, task: &Assignment) -> Result<(), CgroupError> {
        let limited = task.cpu.is_some() || task.memory.is_some();
        if self.layout == Some(Layout::V2Systemd) && limited {
            write_v2(&self.directory("", task.task), task)?;
        }
        Ok(())
    }

    /// Removes the cgroup of a task whose containers are gone. One that is not there is fine.
    ///
    /// # Errors
    /// When the kernel refuses, for example since a process is still in it.
    pub fn release(&self, task: TaskId) -> Result<(), CgroupError> {
        match self.layout {
            // Docker makes the directory in every hierarchy, so look in all of them.
            Some(Layout::V1) => {
                let entries = fs::read_dir(&self.root).map_err(|source| CgroupError::File {
                    path: self.root.clone(),
                    source,
                })?;
                for entry in entries.filter_map(Result::ok) {
                    remove(&entry.path().join("ecs").join(task.to_string()))?;
                }
                Ok(())
            }
            Some(Layout::V2) => remove(&self.directory("", task)),
            // systemd removes an empty slice by itself.
            Some(Layout::V2Systemd) | None => Ok(()),
        }
    }

    fn directory(&self, controller: &str, task: TaskId) -> PathBuf {
        match self.layout {
            Some(Layout::V2Systemd) => {
                let slice = format!("ecstasks-{task}.slice");
                self.root.join("ecstasks.slice").join(slice)
            }
            _ => self
                .root
                .join(controller)
                .join("ecs")
                .join(task.to_string()),
        }
    }
}

fn quota(cpu: CpuUnits) -> u64 {
    (u64::from(cpu.0) * PERIOD_MICROS / UNITS_PER_CORE).max(MIN_QUOTA_MICROS)
}

fn bytes(memory: Mib) -> String {
    (u64::from(memory.0) << 20).to_string()
}

fn write_v2(directory: &Path, task: &Assignment) -> Result<(), CgroupError> {
    if let Some(units) = task.cpu {
        let text = format!("{} {PERIOD_MICROS}", quota(units));
        write(&directory.join("cpu.max"), &text)?;
    }
    if let Some(limit) = task.memory {
        write(&directory.join("memory.max"), &bytes(limit))?;
    }
    Ok(())
}

fn enable(directory: &Path) -> Result<(), CgroupError> {
    write(
        &directory.join("cgroup.subtree_control"),
        "+cpu +memory +pids",
    )
}

fn make(directory: &Path) -> Result<(), CgroupError> {
    fs::create_dir_all(directory).map_err(|source| CgroupError::File {
        path: directory.to_owned(),
        source,
    })
}

fn write(file: &Path, text: &str) -> Result<(), CgroupError> {
    fs::write(file, text).map_err(|source| CgroupError::File {
        path: file.to_owned(),
        source,
    })
}

fn remove(directory: &Path) -> Result<(), CgroupError> {
    match fs::remove_dir(directory) {
        Err(source)
            if !matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(CgroupError::File {
                path: directory.to_owned(),
                source,
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_core_is_a_quarter_of_the_period() {
        assert_eq!(quota(CpuUnits(256)), 25_000);
        assert_eq!(quota(CpuUnits(2048)), 200_000);
        assert_eq!(quota(CpuUnits(1)), MIN_QUOTA_MICROS);
    }
}
