//! `longshore task-definition`.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use longshore_proto::ecs;
use serde_json::json;

use super::{Global, Output};
use crate::table::{self, Listing};
use crate::{api, definition_file, listing, placement, terminal};

const EXAMPLES: &str = "\
EXAMPLES:
    longshore task-definition register web.json
    longshore task-definition list
    longshore task-definition describe web";

const REGISTER_EXAMPLES: &str = "\
EXAMPLES:
    longshore task-definition register web.json

  Bring one over from AWS; what only the answer holds is left out:
    aws ecs describe-task-definition --task-definition web > web.json
    longshore task-definition register web.json

  From a pipe:
    longshore task-definition register - < web.json

  The smallest file:
    {\"family\": \"web\", \"containerDefinitions\": [
      {\"name\": \"app\", \"image\": \"nginx\", \"memory\": 128}]}";

const LIST_EXAMPLES: &str = "\
EXAMPLES:
    longshore task-definition list
    longshore task-definition list --family web";

const DESCRIBE_EXAMPLES: &str = "\
EXAMPLES:
    longshore task-definition describe web
    longshore task-definition describe web:3 --output json";

/// The API takes 64 KiB; room for blanks and for what `describe` adds.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Characters of a command that are shown; JSON has all of it.
const MAX_COMMAND: usize = 60;

/// Register and look at task definitions
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TaskDefinition {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Register(Register),
    List(List),
    Describe(Describe),
}

/// Register a revision from a JSON file; prints FAMILY:REVISION
///
/// The file holds the input of RegisterTaskDefinition or what `aws ecs describe-task-definition`
/// prints. Numbers written as texts and texts written as numbers are mended, and unknown members
/// pointed out, on standard error.
#[derive(Debug, Args)]
#[command(after_help = REGISTER_EXAMPLES)]
struct Register {
    /// The file, or - for standard input
    file: PathBuf,
}

/// List the active revisions
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
struct List {
    /// Of this family only
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
}

/// Show a revision
#[derive(Debug, Args)]
#[command(after_help = DESCRIBE_EXAMPLES)]
struct Describe {
    /// FAMILY for its newest revision, FAMILY:REVISION, or an ARN
    #[arg(value_name = "FAMILY[:REVISION]")]
    name: String,
}

impl TaskDefinition {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self.command {
            Command::Register(register) => register.run(global).await,
            Command::List(list) => list.run(global).await,
            Command::Describe(describe) => describe.run(global).await,
        }
    }
}

impl Register {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let text = read(&self.file)?;
        let file = definition_file::read(&text)
            .with_context(|| format!("{} is not a task definition", self.file.display()))?;
        file.notes.iter().for_each(|note| terminal::say(note));
        file.warnings
            .iter()
            .for_each(|warning| terminal::warn(warning));
        let mut api = global.connect().await?;
        let response = api::answer(api.ecs.register_task_definition(file.request).await)?;
        match global.output {
            Output::Json => terminal::print_json(&response),
            Output::Table => {
                let definition = response.task_definition.unwrap_or_default();
                let arn = table::text(definition.task_definition_arn.as_ref());
                Ok(terminal::print_line(table::name_of(arn))?)
            }
        }
    }
}

/// The text of the file, or of standard input for `-`.
fn read(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let context = || format!("cannot read {}", path.display());
    let mut limited: Box<dyn io::Read> = if path == Path::new("-") {
        Box::new(io::stdin().take(MAX_FILE_BYTES + 1))
    } else {
        let file = std::fs::File::open(path).with_context(context)?;
        Box::new(file.take(MAX_FILE_BYTES + 1))
    };
    limited.read_to_end(&mut bytes).with_context(context)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        bail!("{} has more than {MAX_FILE_BYTES} bytes", path.display());
    }
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8 text", path.display()))
}

impl List {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let api = global.connect().await?;
        let arns = listing::task_definition_arns(&api, self.family.as_deref()).await?;
        match global.output {
            Output::Json => terminal::print_json(&json!({ "taskDefinitionArns": arns })),
            Output::Table => {
                let colour = terminal::colour_on_stdout();
                Ok(terminal::print(&definitions_table(&arns, colour))?)
            }
        }
    }
}

fn definitions_table(arns: &[String], colour: bool) -> String {
    let mut listing = Listing::new(&["FAMILY", "REVISION"], colour).right(1);
    for arn in arns {
        let name = table::name_of(arn);
        let (family, revision) = name.rsplit_once(':').unwrap_or((name, table::NOTHING));
        listing.row([family, revision]);
    }
    listing.text("No task definitions.")
}

impl Describe {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let mut api = global.connect().await?;
        let request = ecs::DescribeTaskDefinitionRequest {
            task_definition: Some(self.name),
            include: vec!["TAGS".to_owned()],
        };
        let response = api::answer(api.ecs.describe_task_definition(request).await)?;
        match global.output {
            Output::Json => terminal::print_json(&response),
            Output::Table => {
                let definition = response.task_definition.unwrap_or_default();
                let text = description(&definition, terminal::colour_on_stdout());
                Ok(terminal::print(&text)?)
            }
        }
    }
}

fn description(definition: &ecs::TaskDefinition, colour: bool) -> String {
    let titles = [
        "TASK DEFINITION",
        "STATUS",
        "NETWORK",
        "CPU",
        "MEMORY",
        "REGISTERED",
    ];
    let mut whole = Listing::new(&titles, colour).right(3).right(4);
    whole.row([
        table::name_of(table::text(definition.task_definition_arn.as_ref())).into(),
        table::status_cell(table::text(definition.status.as_ref())),
        table::text(definition.network_mode.as_ref()).into(),
        table::text(definition.cpu.as_ref()).into(),
        table::text(definition.memory.as_ref()).into(),
        table::moment(definition.registered_at.as_ref()).into(),
    ]);
    let titles = [
        "CONTAINER",
        "IMAGE",
        "CPU",
        "MEMORY",
        "ESSENTIAL",
        "PORTS",
        "COMMAND",
    ];
    let mut containers = Listing::new(&titles, colour).right(2).right(3);
    for container in &definition.container_definitions {
        let number =
            |value: Option<i32>| value.map_or(table::NOTHING.to_owned(), |n| n.to_string());
        let memory = container.memory.or(container.memory_reservation);
        let essential = container.essential != Some(false);
        containers.row([
            table::text(container.name.as_ref()).to_owned(),
            table::text(container.image.as_ref()).to_owned(),
            number(container.cpu),
            number(memory),
            if essential { "yes" } else { "no" }.to_owned(),
            ports(container),
            command(container),
        ]);
    }
    let constraints = definition.placement_constraints.iter();
    let constraints = placement::lines(constraints.map(|c| (&c.r#type, &c.expression)), &[]);
    format!(
        "{}{constraints}\n{}",
        whole.text(""),
        containers.text("No containers.")
    )
}

/// `*->80/tcp`, with a star for a port that the instance chooses.
fn ports(container: &ecs::ContainerDefinition) -> String {
    let ports: Vec<String> = container
        .port_mappings
        .iter()
        .map(|mapping| {
            let protocol = mapping.protocol.as_deref().unwrap_or("tcp");
            let host = match mapping.host_port {
                None | Some(0) => "*".to_owned(),
                Some(port) => port.to_string(),
            };
            match (mapping.container_port, &mapping.container_port_range) {
                (Some(port), _) => format!("{host}->{port}/{protocol}"),
                (None, Some(range)) => format!("{host}->{range}/{protocol}"),
                (None, None) => table::NOTHING.to_owned(),
            }
        })
        .collect();
    if ports.is_empty() {
        return table::NOTHING.to_owned();
    }
    ports.join(", ")
}

/// The entry point and the command in one line, each word quoted where needed, and its beginning
/// when it is long.
fn command(container: &ecs::ContainerDefinition) -> String {
    let words: Vec<String> = container
        .entry_point
        .iter()
        .chain(&container.command)
        .map(|word| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%+@".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("{word:?}")
            }
        })
        .collect();
    let line = words.join(" ");
    if line.is_empty() {
        table::NOTHING.to_owned()
    } else if line.chars().count() > MAX_COMMAND {
        let beginning: String = line.chars().take(MAX_COMMAND - 1).collect();
        format!("{beginning}\u{2026}")
    } else {
        line
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_tables() {
        let arns = ["a:task-definition/web:10", "a:task-definition/batch:1"].map(str::to_owned);
        assert_eq!(
            definitions_table(&arns, false),
            "FAMILY  REVISION\nweb           10\nbatch          1\n"
        );
        let definition: ecs::TaskDefinition = serde_json::from_str(
            r#"{
                "taskDefinitionArn": "a:task-definition/web:3", "status": "ACTIVE",
                "networkMode": "bridge", "cpu": "256", "registeredAt": 1700000000,
                "placementConstraints": [{"type": "memberOf", "expression": "attribute:disk == ssd"}],
                "containerDefinitions": [{
                    "name": "app", "image": "demo", "memory": 128, "essential": true,
                    "portMappings": [{"containerPort": 80}, {"containerPort": 53, "hostPort": 53, "protocol": "udp"}],
                    "entryPoint": ["sh", "-c"], "command": ["echo hello"]
                }]
            }"#,
        )
        .unwrap();
        assert_eq!(
            description(&definition, false),
            "\
TASK DEFINITION  STATUS  NETWORK  CPU  MEMORY  REGISTERED
web:3            ACTIVE  bridge   256       -  2023-11-14T22:13:20Z
Constraint: attribute:disk == ssd

CONTAINER  IMAGE  CPU  MEMORY  ESSENTIAL  PORTS                  COMMAND
app        demo     -     128  yes        *->80/tcp, 53->53/udp  sh -c \"echo hello\"
"
        );
    }

    #[test]
    fn files_are_read_within_bounds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web.json");
        assert!(read(&path).unwrap_err().to_string().contains("web.json"));
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(read(&path).unwrap(), "{}");
        std::fs::write(&path, vec![b' '; 1024 * 1024 + 1]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("more than"));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("UTF-8"));
    }
}
