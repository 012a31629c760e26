//! The input of every operation of the API, by the operation's name.

use longshore_proto::ecs;

/// An input, its type erased.
pub(crate) struct Input {
    /// Of which operation.
    pub(crate) operation: &'static str,
    /// Decodes it as the AWS JSON door does, and checks what holds of what was decoded. Whether it
    /// could be decoded.
    pub(crate) json: fn(&[u8]) -> bool,
    /// The same for gRPC.
    pub(crate) grpc: fn(&[u8]) -> bool,
}

/// The input that a name means; one of the others for a name that means none, so that no run is
/// wasted.
pub(crate) fn input(name: &[u8]) -> &'static Input {
    let known = INPUTS.binary_search_by(|input| input.operation.as_bytes().cmp(name));
    let place = known.unwrap_or_else(|_| {
        let sum: usize = name.iter().map(|byte| usize::from(*byte)).sum();
        sum % INPUTS.len()
    });
    &INPUTS[place]
}

macro_rules! inputs {
    ($($operation:ident = $message:ident;)*) => {
        /// All of them, sorted by name.
        pub(crate) static INPUTS: &[Input] = &[$(Input {
            operation: stringify!($operation),
            json: crate::request::json::<ecs::$message>,
            grpc: crate::request::grpc::<ecs::$message>,
        }),*];
    };
}

inputs! {
    AssociateGatewayWithCluster = AssociateGatewayWithClusterRequest;
    ContinueServiceDeployment = ContinueServiceDeploymentRequest;
    CreateCapacityProvider = CreateCapacityProviderRequest;
    CreateCluster = CreateClusterRequest;
    CreateDaemon = CreateDaemonRequest;
    CreateExpressGatewayService = CreateExpressGatewayServiceRequest;
    CreateGateway = CreateGatewayRequest;
    CreateService = CreateServiceRequest;
    CreateTaskSet = CreateTaskSetRequest;
    DeleteAccountSetting = DeleteAccountSettingRequest;
    DeleteAttributes = DeleteAttributesRequest;
    DeleteCapacityProvider = DeleteCapacityProviderRequest;
    DeleteCluster = DeleteClusterRequest;
    DeleteDaemon = DeleteDaemonRequest;
    DeleteDaemonTaskDefinition = DeleteDaemonTaskDefinitionRequest;
    DeleteExpressGatewayService = DeleteExpressGatewayServiceRequest;
    DeleteGateway = DeleteGatewayRequest;
    DeleteService = DeleteServiceRequest;
    DeleteTaskDefinitions = DeleteTaskDefinitionsRequest;
    DeleteTaskSet = DeleteTaskSetRequest;
    DeregisterContainerInstance = DeregisterContainerInstanceRequest;
    DeregisterTaskDefinition = DeregisterTaskDefinitionRequest;
    DescribeCapacityProviders = DescribeCapacityProvidersRequest;
    DescribeClusters = DescribeClustersRequest;
    DescribeContainerInstances = DescribeContainerInstancesRequest;
    DescribeDaemon = DescribeDaemonRequest;
    DescribeDaemonDeployments = DescribeDaemonDeploymentsRequest;
    DescribeDaemonRevisions = DescribeDaemonRevisionsRequest;
    DescribeDaemonTaskDefinition = DescribeDaemonTaskDefinitionRequest;
    DescribeExpressGatewayService = DescribeExpressGatewayServiceRequest;
    DescribeGateway = DescribeGatewayRequest;
    DescribeGatewayResources = DescribeGatewayResourcesRequest;
    DescribeGatewayRoute = DescribeGatewayRouteRequest;
    DescribeServiceDeployments = DescribeServiceDeploymentsRequest;
    DescribeServiceRevisions = DescribeServiceRevisionsRequest;
    DescribeServices = DescribeServicesRequest;
    DescribeTaskDefinition = DescribeTaskDefinitionRequest;
    DescribeTaskSets = DescribeTaskSetsRequest;
    DescribeTasks = DescribeTasksRequest;
    DisassociateGatewayFromCluster = DisassociateGatewayFromClusterRequest;
    DiscoverPollEndpoint = DiscoverPollEndpointRequest;
    ExecuteCommand = ExecuteCommandRequest;
    GetTaskProtection = GetTaskProtectionRequest;
    ListAccountSettings = ListAccountSettingsRequest;
    ListAttributes = ListAttributesRequest;
    ListClusters = ListClustersRequest;
    ListContainerInstances = ListContainerInstancesRequest;
    ListDaemonDeployments = ListDaemonDeploymentsRequest;
    ListDaemonTaskDefinitions = ListDaemonTaskDefinitionsRequest;
    ListDaemons = ListDaemonsRequest;
    ListGatewayClusterAssociations = ListGatewayClusterAssociationsRequest;
    ListGatewayRoutes = ListGatewayRoutesRequest;
    ListGateways = ListGatewaysRequest;
    ListServiceDeployments = ListServiceDeploymentsRequest;
    ListServices = ListServicesRequest;
    ListServicesByNamespace = ListServicesByNamespaceRequest;
    ListTagsForResource = ListTagsForResourceRequest;
    ListTaskDefinitionFamilies = ListTaskDefinitionFamiliesRequest;
    ListTaskDefinitions = ListTaskDefinitionsRequest;
    ListTasks = ListTasksRequest;
    PutAccountSetting = PutAccountSettingRequest;
    PutAccountSettingDefault = PutAccountSettingDefaultRequest;
    PutAttributes = PutAttributesRequest;
    PutClusterCapacityProviders = PutClusterCapacityProvidersRequest;
    RegisterContainerInstance = RegisterContainerInstanceRequest;
    RegisterDaemonTaskDefinition = RegisterDaemonTaskDefinitionRequest;
    RegisterTaskDefinition = RegisterTaskDefinitionRequest;
    RunTask = RunTaskRequest;
    StartTask = StartTaskRequest;
    StopServiceDeployment = StopServiceDeploymentRequest;
    StopTask = StopTaskRequest;
    SubmitAttachmentStateChanges = SubmitAttachmentStateChangesRequest;
    SubmitContainerStateChange = SubmitContainerStateChangeRequest;
    SubmitTaskStateChange = SubmitTaskStateChangeRequest;
    TagResource = TagResourceRequest;
    UntagResource = UntagResourceRequest;
    UpdateCapacityProvider = UpdateCapacityProviderRequest;
    UpdateCluster = UpdateClusterRequest;
    UpdateClusterSettings = UpdateClusterSettingsRequest;
    UpdateContainerAgent = UpdateContainerAgentRequest;
    UpdateContainerInstancesState = UpdateContainerInstancesStateRequest;
    UpdateDaemon = UpdateDaemonRequest;
    UpdateExpressGatewayService = UpdateExpressGatewayServiceRequest;
    UpdateGateway = UpdateGatewayRequest;
    UpdateService = UpdateServiceRequest;
    UpdateServicePrimaryTaskSet = UpdateServicePrimaryTaskSetRequest;
    UpdateTaskProtection = UpdateTaskProtectionRequest;
    UpdateTaskSet = UpdateTaskSetRequest;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_there() {
        let ours = INPUTS.iter().map(|input| input.operation);
        let all = longshore_proto::OPERATIONS.iter().map(|info| info.name);
        assert!(
            ours.eq(all),
            "operation.rs lacks an operation, or has one too many"
        );
    }
}
