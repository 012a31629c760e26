//! Processes that outlive the command that started them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

/// How often a process is looked at while it ends.
const POLL: Duration = Duration::from_millis(50);
/// The kernel ends a killed process at once, unless it is stuck in a device.
const KILLED_WITHIN: Duration = Duration::from_secs(5);
/// A log that has grown beyond this is set aside at the next start, so that two such files per
/// process are kept. 16 MiB hold days of an ordinary control plane's output.
const LOG_ROTATE_BYTES: u64 = 16 * 1024 * 1024;
/// As much of a log's end as is read to show its last lines.
const TAIL_BYTES: u64 = 8 * 1024;

/// One process of one boot of the machine: a pid alone may be reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    pub(crate) pid: u32,
    /// Field 22 of /proc/PID/stat: clock ticks between the boot and the start of the process.
    pub(crate) start_time: u64,
    /// /proc/sys/kernel/random/boot_id.
    pub(crate) boot_id: String,
}

impl ProcessIdentity {
    /// The process that has this pid now, or None. One that has ended and waits for its parent
    /// does not count.
    pub(crate) fn of(pid: u32) -> io::Result<Option<Self>> {
        let Some(start_time) = start_time(pid)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            pid,
            start_time,
            boot_id: boot_id()?,
        }))
    }

    /// Whether this very process still runs.
    pub(crate) fn is_alive(&self) -> io::Result<bool> {
        Ok(Self::of(self.pid)?.is_some_and(|now| now == *self))
    }

    /// Sends a signal, unless the process has ended.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        if !self.is_alive()? {
            return Ok(());
        }
        let pid = i32::try_from(self.pid).map_err(io::Error::other)?;
        match kill(Pid::from_raw(pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the process to end. Returns at once.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Waits until the process has ended; false when it has not within the time.
    pub(crate) async fn ended(&self, within: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + within;
        while self.is_alive()? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(POLL).await;
        }
        Ok(true)
    }

    /// Ends the process: SIGTERM, and SIGKILL when it is still there after `grace`. Returns
    /// whether it had to be killed.
    pub(crate) async fn stop(&self, grace: Duration) -> anyhow::Result<bool> {
        let context = || format!("cannot stop process {}", self.pid);
        self.terminate().with_context(context)?;
        if self.ended(grace).await.with_context(context)? {
            return Ok(false);
        }
        self.signal(Signal::SIGKILL).with_context(context)?;
        if self.ended(KILLED_WITHIN).await.with_context(context)? {
            return Ok(true);
        }
        bail!("process {} does not end, not even when killed", self.pid)
    }
}

fn start_time(pid: u32) -> io::Result<Option<u64>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(parse_stat(&String::from_utf8_lossy(&stat))),
        // ESRCH: it ended between the opening and the reading.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(Errno::ESRCH as i32) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The start time in a /proc/PID/stat, or None when the process has ended (Z, X) or the text is
/// something else. The name in parentheses may itself hold spaces and parentheses.
fn parse_stat(stat: &str) -> Option<u64> {
    /// The state is field 3, the first after the name; the start time is field 22.
    const START_TIME_AFTER_STATE: usize = 18;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(START_TIME_AFTER_STATE)?.parse().ok()
}

fn boot_id() -> io::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}

/// The binary of that name next to this one, else on the PATH.
pub(crate) fn find_binary(name: &str) -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|path| path.parent().map(Path::to_owned));
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(
        name,
        beside.iter().cloned().chain(std::env::split_paths(&path)),
    )
    .with_context(|| {
        let beside = beside.map_or_else(
            || "next to longshore".to_owned(),
            |directory| format!("in {}", directory.display()),
        );
        format!("there is no {name} {beside} or on the PATH; build or install it there")
    })
}

fn find_in(name: &str, directories: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    directories
        .into_iter()
        .map(|directory| directory.join(name))
        .find(|path| {
            fs::metadata(path).is_ok_and(|metadata| {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            })
        })
}

/// A process just started.
pub(crate) struct Started {
    child: Child,
    pub(crate) identity: ProcessIdentity,
    pub(crate) log: PathBuf,
}

impl Started {
    /// Starts a command in a process group of its own, which keeps the terminal's ^C and hang-up
    /// from it, with its output added to the end of the log.
    pub(crate) fn spawn(command: &mut Command, log: PathBuf) -> anyhow::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = open_log(&log)?;
        let errors = output.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let start_time = start_time(child.id())?;
        let identity = ProcessIdentity {
            pid: child.id(),
            // None when it has ended already; 0 is then never found alive.
            start_time: start_time.unwrap_or(0),
            boot_id: boot_id()?,
        };
        Ok(Self {
            child,
            identity,
            log,
        })
    }

    /// Fails with the end of its log when the process has ended.
    pub(crate) fn check(&mut self, name: &str) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{name} ended: {status}\n{}", log_end(&self.log)),
        }
    }
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    let open = || {
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_ROTATE_BYTES) {
            fs::rename(path, path.with_extension("log.1"))?;
        }
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
    };
    open().with_context(|| format!("cannot open {}", path.display()))
}

/// The last lines of a log, with its name, for an error message.
pub(crate) fn log_end(path: &Path) -> String {
    const LINES: usize = 15;
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let lines: Vec<_> = text.lines().collect();
            let last = lines.len().saturating_sub(LINES);
            let shown = lines.get(last..).unwrap_or_default();
            format!("the end of {}:\n  {}", path.display(), shown.join("\n  "))
        }
        Err(error) => format!("{} cannot be read: {error}", path.display()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn start_times() {
        let after = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        for (stat, expected) in [
            (format!("7 (sleep) S {after}"), Some(4242)),
            (format!("7 (a b) c) R {after}"), Some(4242)),
            (format!("7 (sleep) Z {after}"), None),
            ("7 (sleep) S 1 2".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(parse_stat(&stat), expected, "{stat}");
        }
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let myself = ProcessIdentity::of(std::process::id()).unwrap().unwrap();
        assert!(myself.is_alive().unwrap());
        let earlier = ProcessIdentity {
            start_time: myself.start_time + 1,
            ..myself.clone()
        };
        assert!(!earlier.is_alive().unwrap());
        let before_reboot = ProcessIdentity {
            boot_id: "other".to_owned(),
            ..myself
        };
        assert!(!before_reboot.is_alive().unwrap());
        // A signal to a process that is gone reaches nobody: this test goes on.
        before_reboot.signal(Signal::SIGKILL).unwrap();
        assert!(ProcessIdentity::of(u32::MAX).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_process_is_stopped_and_its_end_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("a.log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo started; exec sleep 600"]);
        let mut started = Started::spawn(&mut command, log.clone()).unwrap();
        started.check("sleep").unwrap();
        assert!(
            !started
                .identity
                .stop(Duration::from_secs(10))
                .await
                .unwrap()
        );
        assert!(!started.identity.is_alive().unwrap());
        started
            .identity
            .stop(Duration::from_secs(10))
            .await
            .unwrap();

        let mut command = Command::new("sh");
        command.args(["-c", "echo no such flag >&2; exit 3"]);
        let mut started = Started::spawn(&mut command, log).unwrap();
        started.child.wait().unwrap();
        let error = started.check("the control plane").unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("  no such flag"), "{error}");
    }

    #[test]
    fn a_binary_must_be_executable() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("1"), directory.path().join("2"));
        fs::create_dir(&first).unwrap();
        fs::create_dir(&second).unwrap();
        fs::write(first.join("tool"), "").unwrap();
        fs::write(second.join("tool"), "").unwrap();
        let find = || find_in("tool", [first.clone(), second.clone()]);
        assert_eq!(find(), None);
        fs::set_permissions(second.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(), Some(second.join("tool")));
        let error = find_binary("longshore-no-such-binary")
            .unwrap_err()
            .to_string();
        assert!(error.contains("on the PATH"), "{error}");
    }
}
