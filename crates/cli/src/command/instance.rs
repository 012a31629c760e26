//! `longshore instance`.

use clap::{Args, Subcommand};
use longshore_proto::ecs;
use serde_json::json;

use super::{ClusterArgument, Global, Output, status};
use crate::api::{self, Api};
use crate::table::Listing;
use crate::{listing, terminal};

const EXAMPLES: &str = "\
EXAMPLES:
    longshore instance list
    longshore instance put-attribute 0123456789abcdef0123456789abcdef disk=ssd
    longshore instance attributes --name disk";

const LIST_EXAMPLES: &str = "\
EXAMPLES:
    longshore instance list --output json

  Only those that an expression of the cluster query language holds for:
    filter='attribute:disk == ssd and runningTasksCount < 10'
    longshore instance list --filter \"$filter\"";

const ATTRIBUTES_EXAMPLES: &str = "\
EXAMPLES:
    longshore instance attributes --name ecs.availability-zone";

const PUT_EXAMPLES: &str = "\
EXAMPLES:
    longshore instance put-attribute 0123456789abcdef0123456789abcdef disk=ssd gpu";

const DELETE_EXAMPLES: &str = "\
EXAMPLES:
    longshore instance delete-attribute 0123456789abcdef0123456789abcdef disk gpu";

const TARGET_TYPE: &str = "container-instance";

/// List container instances, and put attributes on them for placement
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Instance {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Attributes(Attributes),
    PutAttribute(Put),
    DeleteAttribute(Delete),
}

/// List container instances
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
struct List {
    #[command(flatten)]
    cluster: ClusterArgument,

    /// Only those that this expression of the cluster query language holds for
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
}

/// List the attributes of container instances
#[derive(Debug, Args)]
#[command(after_help = ATTRIBUTES_EXAMPLES)]
struct Attributes {
    #[command(flatten)]
    cluster: ClusterArgument,

    /// Only this one
    #[arg(long)]
    name: Option<String>,
}

/// Put attributes on a container instance
#[derive(Debug, Args)]
#[command(after_help = PUT_EXAMPLES)]
struct Put {
    #[command(flatten)]
    cluster: ClusterArgument,

    /// Id or ARN of the container instance
    instance: String,

    #[arg(required = true, value_name = "NAME[=VALUE]")]
    attributes: Vec<String>,
}

/// Take away attributes that were put on a container instance
#[derive(Debug, Args)]
#[command(after_help = DELETE_EXAMPLES)]
struct Delete {
    #[command(flatten)]
    cluster: ClusterArgument,

    /// Id or ARN of the container instance
    instance: String,

    #[arg(required = true, value_name = "NAME")]
    attributes: Vec<String>,
}

impl Instance {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let mut api = global.connect().await?;
        match self.command {
            Command::List(list) => list.run(global, &api).await,
            Command::Attributes(attributes) => attributes.run(global, &api).await,
            Command::PutAttribute(put) => put.run(global, &mut api).await,
            Command::DeleteAttribute(delete) => delete.run(global, &mut api).await,
        }
    }
}

impl List {
    async fn run(self, global: &Global, api: &Api) -> anyhow::Result<()> {
        let cluster = &self.cluster.cluster;
        let filter = self.filter.as_deref();
        let instances = listing::container_instances(api, cluster, filter).await?;
        match global.output {
            Output::Json => terminal::print_json(&json!({ "containerInstances": instances })),
            Output::Table => {
                let colour = terminal::colour_on_stdout();
                Ok(terminal::print(&status::instances_table(
                    &instances, colour,
                ))?)
            }
        }
    }
}

impl Attributes {
    async fn run(self, global: &Global, api: &Api) -> anyhow::Result<()> {
        let cluster = &self.cluster.cluster;
        let found = listing::attributes(api, cluster, self.name.as_deref()).await?;
        show(global, &found)
    }
}

impl Put {
    async fn run(self, global: &Global, api: &mut Api) -> anyhow::Result<()> {
        let given = self.attributes.iter().map(|text| {
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text.as_str(), None),
            };
            attribute(&self.instance, name, value)
        });
        let request = ecs::PutAttributesRequest {
            cluster: Some(self.cluster.cluster.clone()),
            attributes: given.collect(),
        };
        let response = api::answer(api.ecs.put_attributes(request).await)?;
        show(global, &response.attributes)
    }
}

impl Delete {
    async fn run(self, global: &Global, api: &mut Api) -> anyhow::Result<()> {
        let given = self
            .attributes
            .iter()
            .map(|name| attribute(&self.instance, name, None));
        let request = ecs::DeleteAttributesRequest {
            cluster: Some(self.cluster.cluster.clone()),
            attributes: given.collect(),
        };
        let response = api::answer(api.ecs.delete_attributes(request).await)?;
        show(global, &response.attributes)
    }
}

fn attribute(instance: &str, name: &str, value: Option<&str>) -> ecs::Attribute {
    ecs::Attribute {
        name: Some(name.to_owned()),
        value: value.map(str::to_owned),
        target_type: Some(TARGET_TYPE.to_owned()),
        target_id: Some(instance.to_owned()),
    }
}

fn show(global: &Global, attributes: &[ecs::Attribute]) -> anyhow::Result<()> {
    match global.output {
        Output::Json => terminal::print_json(&json!({ "attributes": attributes })),
        Output::Table => {
            let text = attributes_table(attributes, terminal::colour_on_stdout());
            Ok(terminal::print(&text)?)
        }
    }
}

fn attributes_table(attributes: &[ecs::Attribute], colour: bool) -> String {
    use crate::table::{name_of, text};
    let mut table = Listing::new(&["INSTANCE", "NAME", "VALUE"], colour);
    for attribute in attributes {
        table.row([
            name_of(text(attribute.target_id.as_ref())),
            text(attribute.name.as_ref()),
            text(attribute.value.as_ref()),
        ]);
    }
    table.text("No attributes.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_stand_in_a_table() {
        let attributes = [
            attribute("a:container-instance/default/1f", "disk", Some("ssd")),
            attribute("2e", "gpu", None),
        ];
        assert_eq!(
            attributes_table(&attributes, false),
            "INSTANCE  NAME  VALUE\n1f        disk  ssd\n2e        gpu   -\n"
        );
        assert_eq!(attributes_table(&[], false), "No attributes.\n");
    }
}
