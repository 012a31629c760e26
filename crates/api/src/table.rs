//! The one list of all operations of the ECS API.
//!
//! Doors, permissions and coverage read it. A row names the operation and the type that does it,
//! or says `unsupported`; an unsupported operation is answered with UnsupportedFeatureException, to
//! callers who have passed the gate like all others.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use longshore_proto::OperationInfo;
use prost::Message as _;

use crate::auth::Verified;
use crate::context::Ecs;
use crate::door::aws_json;
use crate::error::ApiError;
use crate::ledger::ledger;
use crate::operation::Operation;

/// What an operation answers, encoded.
#[derive(Debug)]
pub struct Answer {
    /// The output, on the wire that was asked.
    pub body: Bytes,
    /// Paths of the input members that were kept without having an effect.
    pub recorded: Vec<String>,
}

/// Runs an operation on an encoded input. It cannot be called without proof of who calls.
pub type Call = fn(Arc<Ecs>, Verified, Bytes) -> BoxFuture<'static, Result<Answer, ApiError>>;

/// A row: one operation, its type erased.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The name in ECS.
    pub name: &'static str,
    calls: Option<Calls>,
}

#[derive(Clone, Copy)]
struct Calls {
    json: Call,
    grpc: Call,
    check: fn(Wire, &[u8]) -> Result<Vec<String>, ApiError>,
}

/// Which encoding a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// AWS JSON 1.1.
    AwsJson,
    /// Protobuf, the framing of gRPC taken off.
    Grpc,
}

impl Entry {
    const fn unsupported(name: &'static str) -> Self {
        Self { name, calls: None }
    }

    const fn of<T: Operation>() -> Self {
        let calls = Calls {
            json: json::<T>,
            grpc: grpc::<T>,
            check: check::<T>,
        };
        Self {
            name: T::NAME,
            calls: Some(calls),
        }
    }

    /// The permission that it needs.
    pub fn permission(&self) -> String {
        format!("ecs:{}", self.name)
    }

    /// Names of the exceptions that the service model declares for it.
    pub fn errors(&self) -> &'static [&'static str] {
        OperationInfo::find(self.name).map_or(&[], |info| info.errors)
    }

    /// Whether it does anything but decline.
    pub fn is_supported(&self) -> bool {
        self.calls.is_some()
    }

    /// Decodes an input and checks it against the field ledger, as [`Entry::call`] does before it
    /// runs anything. Returns the paths of its recorded members, sorted.
    ///
    /// # Errors
    /// As the operation itself would answer; UnsupportedFeatureException for one that only declines.
    pub fn check(&self, wire: Wire, body: &[u8]) -> Result<Vec<String>, ApiError> {
        match self.calls {
            Some(calls) => (calls.check)(wire, body),
            None => Err(self.unsupported_error()),
        }
    }

    fn unsupported_error(&self) -> ApiError {
        ApiError::unsupported(format!(
            "Longshore does not offer the operation {}.",
            self.name
        ))
    }

    /// Decodes, checks the field ledger, runs, encodes.
    pub async fn call(
        &self,
        wire: Wire,
        ecs: Arc<Ecs>,
        verified: Verified,
        body: Bytes,
    ) -> Result<Answer, ApiError> {
        match (self.calls, wire) {
            (Some(calls), Wire::AwsJson) => (calls.json)(ecs, verified, body).await,
            (Some(calls), Wire::Grpc) => (calls.grpc)(ecs, verified, body).await,
            (None, _) => Err(self.unsupported_error()),
        }
    }
}

fn json<T: Operation>(
    ecs: Arc<Ecs>,
    verified: Verified,
    body: Bytes,
) -> BoxFuture<'static, Result<Answer, ApiError>> {
    Box::pin(async move {
        let (input, recorded) = read::<T>(Wire::AwsJson, &body)?;
        drop(body);
        let output = T::run(&ecs, verified.caller(), input).await?;
        let body = serde_json::to_vec(&output).map_err(|error| {
            tracing::error!(operation = T::NAME, %error, "output does not encode");
            ApiError::internal()
        })?;
        Ok(Answer {
            body: body.into(),
            recorded,
        })
    })
}

fn grpc<T: Operation>(
    ecs: Arc<Ecs>,
    verified: Verified,
    body: Bytes,
) -> BoxFuture<'static, Result<Answer, ApiError>> {
    Box::pin(async move {
        let (input, recorded) = read::<T>(Wire::Grpc, &body)?;
        drop(body);
        let output = T::run(&ecs, verified.caller(), input).await?;
        Ok(Answer {
            body: output.encode_to_vec().into(),
            recorded,
        })
    })
}

fn check<T: Operation>(wire: Wire, body: &[u8]) -> Result<Vec<String>, ApiError> {
    read::<T>(wire, body).map(|(_, recorded)| recorded)
}

/// Decodes an input and checks it against the field ledger.
fn read<T: Operation>(wire: Wire, body: &[u8]) -> Result<(T::Input, Vec<String>), ApiError> {
    let input = match wire {
        Wire::AwsJson => aws_json::decode::<T::Input>(body)?,
        Wire::Grpc => {
            T::Input::decode(body).map_err(|error| ApiError::serialization(error.to_string()))?
        }
    };
    let value = serde_json::to_value(&input).map_err(|error| {
        // Only a number that JSON cannot write, sent by gRPC.
        ApiError::serialization(error.to_string())
    })?;
    let recorded = ledger().check(T::NAME, &value)?;
    Ok((input, recorded))
}

/// The row of the operation with this name; names are case-sensitive.
pub fn find(name: &str) -> Option<&'static Entry> {
    let index = TABLE.binary_search_by(|entry| entry.name.cmp(name)).ok()?;
    TABLE.get(index)
}

macro_rules! table {
    ($($name:ident = $($type:ident)::+;)*) => {
        /// All operations, sorted by name.
        pub static TABLE: &[Entry] = &[$(entry!($name, $($type)::+)),*];
    };
}

macro_rules! entry {
    ($name:ident, unsupported) => {
        Entry::unsupported(stringify!($name))
    };
    ($name:ident, $($type:ident)::+) => {
        Entry::of::<crate::ecs::$($type)::+>()
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
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_service_model() {
        let table: Vec<&str> = TABLE.iter().map(|entry| entry.name).collect();
        let model: Vec<&str> = longshore_proto::OPERATIONS
            .iter()
            .map(|operation| operation.name)
            .collect();
        assert_eq!(table, model);
    }

    #[test]
    fn rows_are_found_and_know_what_they_need() {
        for entry in TABLE {
            assert_eq!(find(entry.name).map(|found| found.name), Some(entry.name));
            assert_eq!(entry.permission(), format!("ecs:{}", entry.name));
            assert!(
                entry.errors().contains(&"ServerException"),
                "{}",
                entry.name
            );
        }
        assert!(find("runTask").is_none());
        assert!(find("").is_none());
    }
}
