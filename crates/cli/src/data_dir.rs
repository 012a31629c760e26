//! The data directory of `longshore up`, and what the command keeps in it.
//!
//! ```text
//! client.json     where the control plane listens and an access key for it (0600)
//! up.json         the processes that `up` started
//! up.lock         held while `up` or `down` works
//! control-plane/  of longshore-control-plane, access-keys.json included
//! agent-1/ …      of each longshore-agent
//! logs/           what the processes write
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::ProcessIdentity;

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const AGENT_PREFIX: &str = "agent-";
/// No file of ours comes near; a larger one is not ours.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The directory. It need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataDir {
    root: PathBuf,
}

/// `client.json`: how to speak to the control plane of this data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClientFile {
    /// `http://HOST:PORT`.
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) account_id: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    /// Where agents reach it, for the next `up`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent_listen: Option<SocketAddr>,
}

/// `up.json`: what was started. Written after each start, so that a crash in between leaves
/// nothing unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UpFile {
    /// The `longshore up` that stays in the foreground, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) foreground: Option<ProcessIdentity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) control_plane: Option<ControlPlaneProcess>,
    #[serde(default)]
    pub(crate) agents: Vec<AgentProcess>,
}

/// The started control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ControlPlaneProcess {
    /// Where it serves people.
    pub(crate) listen: SocketAddr,
    /// Where it serves agents.
    pub(crate) agent_listen: SocketAddr,
    #[serde(flatten)]
    pub(crate) process: ProcessIdentity,
}

/// A started agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentProcess {
    /// 1 for `agent-1`.
    pub(crate) number: u32,
    #[serde(flatten)]
    pub(crate) process: ProcessIdentity,
}

/// `instance.json` of an agent that has joined: written by the agent, here only read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct InstanceFile {
    /// The id at the end of the container instance's ARN.
    pub(crate) instance_id: String,
    pub(crate) cluster: String,
}

/// Held while the processes of the directory are changed; let go when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl DataDir {
    /// The directory that the flag names, else `LONGSHORE_DATA_DIR`, else `longshore` under
    /// `XDG_DATA_HOME`, else `~/.local/share/longshore`. A relative `XDG_DATA_HOME` is ignored,
    /// as its specification wants.
    pub(crate) fn choose(
        flag: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let root = if let Some(flag) = flag {
            flag.to_owned()
        } else if let Some(named) = set("LONGSHORE_DATA_DIR") {
            PathBuf::from(named)
        } else if let Some(data) = set("XDG_DATA_HOME").filter(|data| data.starts_with('/')) {
            Path::new(&data).join("longshore")
        } else if let Some(home) = set("HOME") {
            Path::new(&home).join(".local/share/longshore")
        } else {
            bail!("HOME is not set; name a data directory with --data-dir");
        };
        // The children get this path, and a later command may run elsewhere.
        let root = std::path::absolute(&root)
            .with_context(|| format!("{} is not a directory to use", root.display()))?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn control_plane(&self) -> PathBuf {
        self.root.join("control-plane")
    }

    pub(crate) fn access_keys_file(&self) -> PathBuf {
        self.control_plane().join("access-keys.json")
    }

    pub(crate) fn agent(&self, number: u32) -> PathBuf {
        self.root.join(format!("{AGENT_PREFIX}{number}"))
    }

    /// The identity of an agent, or None before it has joined.
    pub(crate) fn read_instance(&self, number: u32) -> anyhow::Result<Option<InstanceFile>> {
        read_json(&self.agent(number).join("instance.json"))
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn client_file(&self) -> PathBuf {
        self.root.join("client.json")
    }

    fn up_file(&self) -> PathBuf {
        self.root.join("up.json")
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("up.lock")
    }

    /// The numbers of the agents that have a directory, ascending.
    pub(crate) fn agents(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(numbers),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_prefix(AGENT_PREFIX))
                .and_then(|number| number.parse::<u32>().ok());
            // agent-01 is not one of ours.
            numbers.extend(number.filter(|number| *name == *format!("{AGENT_PREFIX}{number}")));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// `client.json`, or None before the first `up`.
    pub(crate) fn read_client(&self) -> anyhow::Result<Option<ClientFile>> {
        read_json(&self.client_file())
    }

    pub(crate) fn write_client(&self, client: &ClientFile) -> anyhow::Result<()> {
        write_private(&self.client_file(), &serde_json::to_vec_pretty(client)?)
    }

    /// `up.json`; empty when there is none.
    pub(crate) fn read_up(&self) -> anyhow::Result<UpFile> {
        Ok(read_json(&self.up_file())?.unwrap_or_default())
    }

    pub(crate) fn write_up(&self, up: &UpFile) -> anyhow::Result<()> {
        write_private(&self.up_file(), &serde_json::to_vec_pretty(up)?)
    }

    /// Forgets the processes. Twice is fine.
    pub(crate) fn remove_up(&self) -> anyhow::Result<()> {
        remove_file(&self.up_file())
    }

    /// Whether Longshore has nothing in it, or it does not exist.
    pub(crate) fn is_unused(&self) -> io::Result<bool> {
        let ours = [self.control_plane(), self.client_file(), self.up_file()];
        Ok(!ours.iter().any(|path| path.exists()) && self.agents()?.is_empty())
    }

    /// Makes the directory and locks it.
    ///
    /// Errors: another `up` or `down` is at work in it; it cannot be written.
    pub(crate) fn lock(&self) -> anyhow::Result<Lock> {
        create_private_dir(&self.root)?;
        let path = self.lock_file();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another `longshore up` or `longshore down` is at work in {}; wait for it to end",
                self.root.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// Removes what Longshore made in the directory, then the directory if nothing else is in
    /// it. Files of others stay: the directory came from the user. Twice is fine.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        let mut directories = vec![self.control_plane(), self.logs()];
        directories.extend(self.agents()?.into_iter().map(|number| self.agent(number)));
        for path in directories {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        remove_file(&self.client_file())?;
        remove_file(&self.up_file())?;
        remove_file(&self.lock_file())?;
        match fs::remove_dir(&self.root) {
            Ok(()) => Ok(()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
                ) =>
            {
                Ok(())
            }
            Err(error) => {
                Err(error).with_context(|| format!("cannot remove {}", self.root.display()))
            }
        }
    }
}

/// Makes a directory, and those above it, for this user only.
pub(crate) fn create_private_dir(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .with_context(|| format!("cannot make the directory {}", path.display()))
}

/// Writes a file that only this user reads. It appears whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        remove_if_there(&written)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&written)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&written, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Removes a file. Twice is fine.
pub(crate) fn remove_file(path: &Path) -> anyhow::Result<()> {
    remove_if_there(path).with_context(|| format!("cannot remove {}", path.display()))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Reads a JSON file, or None when there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let size = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if size > MAX_FILE_BYTES {
        bail!(
            "{} has {size} bytes; at most {MAX_FILE_BYTES} are read",
            path.display()
        );
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let value = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not what Longshore writes there", path.display()))?;
    Ok(Some(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn directory() -> (tempfile::TempDir, DataDir) {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("data");
        (temporary, DataDir { root })
    }

    #[test]
    fn the_flag_wins_then_the_variables() {
        for (flag, variables, expected) in [
            (Some("/f"), &[("LONGSHORE_DATA_DIR", "/v")][..], "/f"),
            (
                None,
                &[("LONGSHORE_DATA_DIR", "/v"), ("XDG_DATA_HOME", "/x")],
                "/v",
            ),
            (
                None,
                &[("XDG_DATA_HOME", "/x"), ("HOME", "/h")],
                "/x/longshore",
            ),
            (
                None,
                &[("XDG_DATA_HOME", "x"), ("HOME", "/h")],
                "/h/.local/share/longshore",
            ),
            (
                None,
                &[("LONGSHORE_DATA_DIR", ""), ("HOME", "/h")],
                "/h/.local/share/longshore",
            ),
        ] {
            let variable = |name: &str| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            let chosen = DataDir::choose(flag.map(Path::new), variable).unwrap();
            assert_eq!(chosen.root(), Path::new(expected));
        }
        assert!(DataDir::choose(None, |_| None).is_err());
    }

    #[test]
    fn files_are_private_and_read_back() {
        let (_temporary, data) = directory();
        let _lock = data.lock().unwrap();
        assert_eq!(data.read_client().unwrap(), None);
        assert_eq!(data.read_up().unwrap(), UpFile::default());
        let client = ClientFile {
            endpoint: "http://127.0.0.1:7400".to_owned(),
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            access_key_id: "AKIA".to_owned(),
            secret_access_key: "s".to_owned(),
            agent_listen: None,
        };
        data.write_client(&client).unwrap();
        data.write_client(&client).unwrap();
        assert_eq!(data.read_client().unwrap(), Some(client));
        assert!(!data.is_unused().unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.client_file()), 0o600);
        assert_eq!(mode(data.root()), 0o700);

        let myself = ProcessIdentity::of(std::process::id()).unwrap().unwrap();
        let up = UpFile {
            foreground: None,
            control_plane: Some(ControlPlaneProcess {
                listen: "127.0.0.1:7400".parse().unwrap(),
                agent_listen: "[::1]:7401".parse().unwrap(),
                process: myself.clone(),
            }),
            agents: vec![AgentProcess {
                number: 2,
                process: myself,
            }],
        };
        data.write_up(&up).unwrap();
        assert_eq!(data.read_up().unwrap(), up);
        data.remove_up().unwrap();
        data.remove_up().unwrap();
        assert_eq!(data.read_up().unwrap(), UpFile::default());
    }

    #[test]
    fn a_damaged_file_is_named() {
        let (_temporary, data) = directory();
        let _lock = data.lock().unwrap();
        fs::write(data.client_file(), "{").unwrap();
        let error = data.read_client().unwrap_err().to_string();
        assert!(error.contains("client.json"), "{error}");
    }

    #[test]
    fn one_at_a_time() {
        let (_temporary, data) = directory();
        let lock = data.lock().unwrap();
        let error = data.lock().unwrap_err().to_string();
        assert!(error.contains("at work"), "{error}");
        drop(lock);
        data.lock().unwrap();
    }

    #[test]
    fn only_our_files_are_removed() {
        let (_temporary, data) = directory();
        drop(data.lock().unwrap());
        for name in [
            "control-plane",
            "agent-1",
            "agent-12",
            "agent-x",
            "agent-01",
            "logs",
        ] {
            fs::create_dir(data.root().join(name)).unwrap();
        }
        fs::write(data.root().join("agent-1/file"), "").unwrap();
        assert_eq!(data.agents().unwrap(), [1, 12]);
        assert!(!data.is_unused().unwrap());
        assert_eq!(data.read_instance(12).unwrap(), None);
        let instance = r#"{"instance_id": "ab", "cluster": "c", "later": 1}"#;
        fs::write(data.agent(12).join("instance.json"), instance).unwrap();
        assert_eq!(data.read_instance(12).unwrap().unwrap().instance_id, "ab");
        data.remove().unwrap();
        let mut left: Vec<_> = fs::read_dir(data.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["agent-01", "agent-x"]);
        fs::remove_dir(data.root().join("agent-01")).unwrap();
        fs::remove_dir(data.root().join("agent-x")).unwrap();
        data.remove().unwrap();
        assert!(!data.root().exists());
        data.remove().unwrap();
    }
}
