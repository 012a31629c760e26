//! The one list of all operations of the ECS API.
//!
//! Wires, permissions and coverage read it. A row names the operation and the type that does it,
//! or says `unsupported`; an unsupported operation is answered with UnsupportedFeatureException, to
//! callers who have passed the gate like all others.

use std::sync::LazyLock;

use longshore_door::ErrorKind;
use longshore_door::ledger::Ledger;
use longshore_door::service::{Api, Descriptor, Entry};
use longshore_proto::OperationInfo;

use crate::context::Ecs;
use crate::exception;
use crate::validity::Valid;

/// ECS, as the door serves it.
pub static API: Api<Ecs> = Api {
    descriptor: Descriptor {
        name: "ecs",
        title: "ECS",
        signing_name: "ecs",
        target_prefix: Some("AmazonEC2ContainerServiceV20141113"),
        grpc_service: Some("longshore.ecs.v1.Ecs"),
        shapes: None,
        ledger,
        refusal,
    },
    operations: TABLE,
};

/// What becomes of every input member.
pub fn ledger() -> &'static Ledger {
    static LEDGER: LazyLock<Ledger> = LazyLock::new(|| {
        // A test parses the same files, so this cannot fail in a build that passed.
        Ledger::parse(FIELDS).unwrap_or_else(|error| panic!("part of this program: {error}"))
    });
    &LEDGER
}

const FIELDS: &[&str] = &[
    include_str!("../fields/account_setting.toml"),
    include_str!("../fields/attribute.toml"),
    include_str!("../fields/cluster.toml"),
    include_str!("../fields/instance.toml"),
    include_str!("../fields/service.toml"),
    include_str!("../fields/tag.toml"),
    include_str!("../fields/task.toml"),
    include_str!("../fields/task_definition.toml"),
];

/// The exception for a refused member: UnsupportedFeatureException if the operation declares it,
/// else ClientException for the task definition operations, else InvalidParameterException.
fn refusal(operation: &str) -> ErrorKind {
    let declared = OperationInfo::find(operation)
        .is_some_and(|info| info.errors.contains(&ErrorKind::UNSUPPORTED_FEATURE.name()));
    if declared {
        ErrorKind::UNSUPPORTED_FEATURE
    } else if operation.contains("TaskDefinition") {
        exception::CLIENT
    } else {
        ErrorKind::INVALID_PARAMETER
    }
}

macro_rules! table {
    ($($name:ident = $($type:ident)::+;)*) => {
        /// All operations, sorted by name.
        pub static TABLE: &[Entry<Ecs>] = &[$(entry!($name, $($type)::+)),*];
    };
}

macro_rules! entry {
    ($name:ident, unsupported) => {
        Entry::unsupported(stringify!($name))
    };
    ($name:ident, $($type:ident)::+) => {
        Entry::with_grpc::<Valid<crate::$($type)::+>>()
    };
}

table! {
    AssociateGatewayWithCluster = unsupported;
    ContinueServiceDeployment = unsupported;
    CreateCapacityProvider = unsupported;
    CreateCluster = cluster::CreateCluster;
    CreateDaemon = unsupported;
    CreateExpressGatewayService = unsupported;
    CreateGateway = unsupported;
    CreateService = service::CreateService;
    CreateTaskSet = unsupported;
    DeleteAccountSetting = account_setting::DeleteAccountSetting;
    DeleteAttributes = attribute::DeleteAttributes;
    DeleteCapacityProvider = unsupported;
    DeleteCluster = cluster::DeleteCluster;
    DeleteDaemon = unsupported;
    DeleteDaemonTaskDefinition = unsupported;
    DeleteExpressGatewayService = unsupported;
    DeleteGateway = unsupported;
    DeleteService = service::DeleteService;
    DeleteTaskDefinitions = unsupported;
    DeleteTaskSet = unsupported;
    DeregisterContainerInstance = instance::DeregisterContainerInstance;
    DeregisterTaskDefinition = task_definition::DeregisterTaskDefinition;
    DescribeCapacityProviders = unsupported;
    DescribeClusters = cluster::DescribeClusters;
    DescribeContainerInstances = instance::DescribeContainerInstances;
    DescribeDaemon = unsupported;
    DescribeDaemonDeployments = unsupported;
    DescribeDaemonRevisions = unsupported;
    DescribeDaemonTaskDefinition = unsupported;
    DescribeExpressGatewayService = unsupported;
    DescribeGateway = unsupported;
    DescribeGatewayResources = unsupported;
    DescribeGatewayRoute = unsupported;
    DescribeServiceDeployments = unsupported;
    DescribeServiceRevisions = unsupported;
    DescribeServices = service::DescribeServices;
    DescribeTaskDefinition = task_definition::DescribeTaskDefinition;
    DescribeTaskSets = unsupported;
    DescribeTasks = task::DescribeTasks;
    DisassociateGatewayFromCluster = unsupported;
    DiscoverPollEndpoint = unsupported;
    ExecuteCommand = unsupported;
    GetTaskProtection = unsupported;
    ListAccountSettings = account_setting::ListAccountSettings;
    ListAttributes = attribute::ListAttributes;
    ListClusters = cluster::ListClusters;
    ListContainerInstances = instance::ListContainerInstances;
    ListDaemonDeployments = unsupported;
    ListDaemonTaskDefinitions = unsupported;
    ListDaemons = unsupported;
    ListGatewayClusterAssociations = unsupported;
    ListGatewayRoutes = unsupported;
    ListGateways = unsupported;
    ListServiceDeployments = unsupported;
    ListServices = service::ListServices;
    ListServicesByNamespace = unsupported;
    ListTagsForResource = tag::ListTagsForResource;
    ListTaskDefinitionFamilies = task_definition::ListTaskDefinitionFamilies;
    ListTaskDefinitions = task_definition::ListTaskDefinitions;
    ListTasks = task::ListTasks;
    PutAccountSetting = account_setting::PutAccountSetting;
    PutAccountSettingDefault = account_setting::PutAccountSettingDefault;
    PutAttributes = attribute::PutAttributes;
    PutClusterCapacityProviders = unsupported;
    RegisterContainerInstance = unsupported;
    RegisterDaemonTaskDefinition = unsupported;
    RegisterTaskDefinition = task_definition::RegisterTaskDefinition;
    RunTask = task::RunTask;
    StartTask = task::StartTask;
    StopServiceDeployment = unsupported;
    StopTask = task::StopTask;
    SubmitAttachmentStateChanges = unsupported;
    SubmitContainerStateChange = unsupported;
    SubmitTaskStateChange = unsupported;
    TagResource = tag::TagResource;
    UntagResource = tag::UntagResource;
    UpdateCapacityProvider = unsupported;
    UpdateCluster = unsupported;
    UpdateClusterSettings = unsupported;
    UpdateContainerAgent = unsupported;
    UpdateContainerInstancesState = instance::UpdateContainerInstancesState;
    UpdateDaemon = unsupported;
    UpdateExpressGatewayService = unsupported;
    UpdateGateway = unsupported;
    UpdateService = service::UpdateService;
    UpdateServicePrimaryTaskSet = unsupported;
    UpdateTaskProtection = unsupported;
    UpdateTaskSet = unsupported;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
