//! The commands, one file per noun.

mod completions;
mod down;
mod env;
mod explain;
mod instance;
mod join_token;
mod service;
mod service_plan;
mod status;
mod task;
mod task_definition;
mod token;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::api::Api;
use crate::credentials::{self, Target, Wanted};
use crate::data_dir::DataDir;
use crate::hint;

const EXAMPLES: &str = "\
EXAMPLES:
  Start Longshore on this machine and point the stock aws command at it:
    longshore up --detach
    eval \"$(longshore env)\"
    aws ecs list-container-instances

  Run a task and see what it does:
    longshore task-definition register web.json
    longshore task run web --wait
    longshore status

  Remove everything again:
    longshore down";

/// Amazon ECS that you run yourself.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// How results are shown
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Global options"
    )]
    output: Output,

    /// Where `longshore up` keeps its state [default: $LONGSHORE_DATA_DIR, else
    /// $XDG_DATA_HOME/longshore, else ~/.local/share/longshore]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    data_dir: Option<PathBuf>,

    /// Control plane to speak to, as http://HOST:PORT or https://HOST:PORT [default: that of
    /// --data-dir, else $AWS_ENDPOINT_URL, else that of the default data directory]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    endpoint: Option<String>,

    /// Certificates of the authorities to trust with https, in PEM [default: $AWS_CA_BUNDLE, else
    /// the system's]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    ca_bundle: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// For programs, with the member names of the ECS API
    Json,
}

/// The cluster a command is about.
#[derive(Debug, Args)]
struct ClusterArgument {
    /// Name or ARN of the cluster
    #[arg(long, value_name = "NAME", default_value = "default")]
    cluster: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Down(down::Down),
    Env(env::Env),
    Token(token::Token),
    JoinToken(join_token::JoinToken),
    Status(status::Status),
    TaskDefinition(task_definition::TaskDefinition),
    Task(task::Task),
    Service(service::Service),
    Explain(explain::Explain),
    Instance(instance::Instance),
    Completions(completions::Completions),
}

/// The arguments do not fit together, or not this machine: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let global = &arguments.global;
    hint::set(
        global.data_dir.as_deref(),
        global.endpoint.as_deref(),
        global.ca_bundle.as_deref(),
    );
    match arguments.command {
        Command::Up(up) => up.run(global).await?,
        Command::Down(down) => down.run(global).await?,
        Command::Env(env) => env.run(global)?,
        Command::Token(token) => token.run(global)?,
        Command::JoinToken(token) => token.run(global).await?,
        Command::Status(status) => status.run(global).await?,
        Command::TaskDefinition(definition) => definition.run(global).await?,
        Command::Task(task) => return task.run(global).await,
        Command::Service(service) => service.run(global).await?,
        Command::Explain(explain) => explain.run(global).await?,
        Command::Instance(instance) => instance.run(global).await?,
        Command::Completions(completions) => completions.run()?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Global {
    fn data_dir(&self) -> anyhow::Result<DataDir> {
        DataDir::choose(self.data_dir.as_deref(), variable)
    }

    fn target(&self) -> anyhow::Result<Target> {
        let wanted = Wanted {
            endpoint: self.endpoint.as_deref(),
            data_dir_given: self.data_dir.is_some(),
        };
        credentials::target(wanted, &self.data_dir()?, variable)
    }

    async fn connect(&self) -> anyhow::Result<Api> {
        let ca_bundle = self.ca_bundle.clone().or_else(|| {
            let named = variable("AWS_CA_BUNDLE").filter(|path| !path.is_empty());
            named.map(PathBuf::from)
        });
        Ok(Api::connect(&self.target()?, ca_bundle.as_deref()).await?)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads a length of time such as `90s`, `15m` or `1h 30m`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is not a length of time; write it like 90s, 15m or 1h"))?;
    Duration::try_from(span).map_err(|_| format!("{text:?} is negative"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string);
            assert!(
                help.is_some_and(|help| help.starts_with("EXAMPLES:")),
                "{}",
                command.get_name()
            );
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for below in command.get_subcommands() {
                check(below);
            }
        }
        check(&Arguments::command());
    }

    /// Every line of the examples that calls `longshore` must be a valid command line.
    #[test]
    fn examples_parse() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string);
            for line in help.unwrap_or_default().lines() {
                let Some(line) = line.strip_prefix("    longshore ") else {
                    continue;
                };
                let line = line.split([';', '|', '<', '>']).next().unwrap_or_default();
                let words = std::iter::once("longshore").chain(line.split_whitespace());
                if let Err(error) = Arguments::try_parse_from(words) {
                    panic!("{line}: {error}");
                }
            }
            for below in command.get_subcommands() {
                check(below);
            }
        }
        check(&Arguments::command());
    }

    #[test]
    fn durations() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3600), ("1h 30m", 5400)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "15", "-1m", "soon"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
