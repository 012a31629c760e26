//! What the user sees: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// How often the spinner turns: smooth to the eye, nothing to the processor.
const SPINNER_INTERVAL: Duration = Duration::from_millis(100);

const RED: &str = "\u{1b}[31m";
const YELLOW: &str = "\u{1b}[33m";
const RESET: &str = "\u{1b}[0m";
/// Cursor home, clear what follows.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Whether standard output shows colours: on a terminal, unless NO_COLOR is set (no-color.org).
pub(crate) fn colour_on_stdout() -> bool {
    io::stdout().is_terminal() && !no_colour()
}

fn colour_on_stderr() -> bool {
    io::stderr().is_terminal() && !no_colour()
}

fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// Whether standard output is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Standard output takes nothing more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrintError {
    /// The reader went away, as `head` does: not a failure. A connection to the control plane can
    /// break with the same error of the operating system, and that is one.
    #[error("the reader of the output is gone")]
    ReaderGone,
    #[error("cannot write the output")]
    Failed(#[source] io::Error),
}

/// Writes text to standard output as it is.
pub(crate) fn print(text: &str) -> Result<(), PrintError> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to standard output as they are.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), PrintError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => PrintError::ReaderGone,
        _ => PrintError::Failed(error),
    })
}

/// Writes one line to standard output.
pub(crate) fn print_line(line: &str) -> Result<(), PrintError> {
    print(&format!("{line}\n"))
}

/// Writes a value to standard output as indented JSON, with the member names of the ECS API.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(print_line(&text)?)
}

/// Clears a terminal before the next picture of a `--watch`.
pub(crate) fn clear() -> Result<(), PrintError> {
    print(CLEAR)
}

/// Tells the user something beside the result, on standard error. A closed standard error takes
/// nothing from the work, so a failure to write is not one of the command.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a container's standard error to ours, as it is.
pub(crate) fn pass_on(bytes: &[u8]) -> io::Result<()> {
    io::stderr().lock().write_all(bytes)
}

/// A warning on standard error.
pub(crate) fn warn(line: &str) {
    if colour_on_stderr() {
        say(&format!("{YELLOW}warning:{RESET} {line}"));
    } else {
        say(&format!("warning: {line}"));
    }
}

/// An error with its causes on standard error. A cause whose text its parent already tells is
/// left out.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    if colour_on_stderr() {
        say(&format!("{RED}error:{RESET} {text}"));
    } else {
        say(&format!("error: {text}"));
    }
}

/// Something that takes a while: a spinner on a terminal, plain lines elsewhere.
pub(crate) struct Progress {
    spinner: Option<ProgressBar>,
    last: String,
}

impl Progress {
    /// Starts with a first message.
    pub(crate) fn start(message: &str) -> Self {
        let spinner = io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(SPINNER_INTERVAL);
            spinner
        });
        let mut progress = Self {
            spinner,
            last: String::new(),
        };
        progress.set(message);
        progress
    }

    /// Shows where it stands. Plain lines appear only when the message changes.
    pub(crate) fn set(&mut self, message: &str) {
        if message == self.last {
            return;
        }
        message.clone_into(&mut self.last);
        match &self.spinner {
            Some(spinner) => spinner.set_message(message.to_owned()),
            None => say(message),
        }
    }

    /// Writes a line that stays, above the spinner.
    pub(crate) fn line(&self, line: &str) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Ends with a line that stays.
    pub(crate) fn done(mut self, message: &str) {
        match self.spinner.take() {
            Some(spinner) => spinner.finish_and_clear(),
            // The plain line stands there already.
            None if message == self.last => return,
            None => {}
        }
        say(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
