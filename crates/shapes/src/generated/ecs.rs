//! Amazon ECS: what is valid in the inputs of operations that are served.
//!
//! Made by scripts/generate-schema from published service models. Do not edit.

use crate::{Constraint, Input};

/// Sorted by operation.
pub static INPUTS: &[Input] = &[
    Input {
        operation: "CreateCluster",
        constraints: &[
            Constraint::one_of("settings[].name", &["containerInsights"]),
            Constraint::one_of(
                "configuration.executeCommandConfiguration.logging",
                &["NONE", "DEFAULT", "OVERRIDE"],
            ),
            Constraint::required("defaultCapacityProviderStrategy[].capacityProvider"),
            Constraint::range("defaultCapacityProviderStrategy[].weight", 0, 1000),
            Constraint::range("defaultCapacityProviderStrategy[].base", 0, 100000),
            Constraint::required("serviceConnectDefaults.namespace"),
        ],
    },
    Input {
        operation: "CreateService",
        constraints: &[
            Constraint::required("serviceName"),
            Constraint::one_of("availabilityZoneRebalancing", &["ENABLED", "DISABLED"]),
            Constraint::one_of(
                "launchType",
                &["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"],
            ),
            Constraint::required("capacityProviderStrategy[].capacityProvider"),
            Constraint::range("capacityProviderStrategy[].weight", 0, 1000),
            Constraint::range("capacityProviderStrategy[].base", 0, 100000),
            Constraint::required("deploymentConfiguration.deploymentCircuitBreaker.enable"),
            Constraint::required("deploymentConfiguration.deploymentCircuitBreaker.rollback"),
            Constraint::required(
                "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.type",
            ),
            Constraint::one_of(
                "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.type",
                &["COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT"],
            ),
            Constraint::required(
                "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.value",
            ),
            Constraint::required_list("deploymentConfiguration.alarms.alarmNames"),
            Constraint::required("deploymentConfiguration.alarms.rollback"),
            Constraint::required("deploymentConfiguration.alarms.enable"),
            Constraint::one_of(
                "deploymentConfiguration.strategy",
                &["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"],
            ),
            Constraint::one_of(
                "deploymentConfiguration.lifecycleHooks[].targetType",
                &["AWS_LAMBDA", "PAUSE"],
            ),
            Constraint::one_of(
                "deploymentConfiguration.lifecycleHooks[].lifecycleStages[]",
                &[
                    "RECONCILE_SERVICE",
                    "PRE_SCALE_UP",
                    "POST_SCALE_UP",
                    "TEST_TRAFFIC_SHIFT",
                    "POST_TEST_TRAFFIC_SHIFT",
                    "PRE_PRODUCTION_TRAFFIC_SHIFT",
                    "PRODUCTION_TRAFFIC_SHIFT",
                    "POST_PRODUCTION_TRAFFIC_SHIFT",
                ],
            ),
            Constraint::range(
                "deploymentConfiguration.lifecycleHooks[].timeoutConfiguration.timeoutInMinutes",
                1,
                20160,
            ),
            Constraint::one_of(
                "deploymentConfiguration.lifecycleHooks[].timeoutConfiguration.action",
                &["ROLLBACK", "CONTINUE"],
            ),
            Constraint::required("deploymentConfiguration.earlySuccessCriteria.enable"),
            Constraint::range(
                "deploymentConfiguration.earlySuccessCriteria.healthyPercent",
                0,
                100,
            ),
            Constraint::one_of(
                "deploymentConfiguration.earlySuccessCriteria.sourceServiceRevisionCleanup",
                &["BLOCKING", "DEFERRED"],
            ),
            Constraint::one_of(
                "placementConstraints[].type",
                &["distinctInstance", "memberOf"],
            ),
            Constraint::one_of("placementStrategy[].type", &["random", "spread", "binpack"]),
            Constraint::required_list("networkConfiguration.awsvpcConfiguration.subnets"),
            Constraint::one_of(
                "networkConfiguration.awsvpcConfiguration.assignPublicIp",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::one_of("schedulingStrategy", &["REPLICA", "DAEMON"]),
            Constraint::required("deploymentController.type"),
            Constraint::one_of(
                "deploymentController.type",
                &["ECS", "CODE_DEPLOY", "EXTERNAL"],
            ),
            Constraint::one_of("propagateTags", &["TASK_DEFINITION", "SERVICE", "NONE"]),
            Constraint::required("serviceConnectConfiguration.enabled"),
            Constraint::required("serviceConnectConfiguration.services[].portName"),
            Constraint::required("serviceConnectConfiguration.services[].clientAliases[].port"),
            Constraint::range(
                "serviceConnectConfiguration.services[].clientAliases[].port",
                0,
                65535,
            ),
            Constraint::required(
                "serviceConnectConfiguration.services[].clientAliases[].testTrafficRules.header",
            ),
            Constraint::required(
                "serviceConnectConfiguration.services[].clientAliases[].testTrafficRules.header.name",
            ),
            Constraint::required(
                "serviceConnectConfiguration.services[].clientAliases[].testTrafficRules.header.value.exact",
            ),
            Constraint::range(
                "serviceConnectConfiguration.services[].ingressPortOverride",
                0,
                65535,
            ),
            Constraint::range(
                "serviceConnectConfiguration.services[].timeout.idleTimeoutSeconds",
                0,
                2147483647,
            ),
            Constraint::range(
                "serviceConnectConfiguration.services[].timeout.perRequestTimeoutSeconds",
                0,
                2147483647,
            ),
            Constraint::required(
                "serviceConnectConfiguration.services[].tls.issuerCertificateAuthority",
            ),
            Constraint::required("serviceConnectConfiguration.logConfiguration.logDriver"),
            Constraint::one_of(
                "serviceConnectConfiguration.logConfiguration.logDriver",
                &[
                    "json-file",
                    "syslog",
                    "journald",
                    "gelf",
                    "fluentd",
                    "awslogs",
                    "splunk",
                    "awsfirelens",
                ],
            ),
            Constraint::required(
                "serviceConnectConfiguration.logConfiguration.secretOptions[].name",
            ),
            Constraint::required(
                "serviceConnectConfiguration.logConfiguration.secretOptions[].valueFrom",
            ),
            Constraint::required("serviceConnectConfiguration.accessLogConfiguration.format"),
            Constraint::one_of(
                "serviceConnectConfiguration.accessLogConfiguration.format",
                &["TEXT", "JSON"],
            ),
            Constraint::one_of(
                "serviceConnectConfiguration.accessLogConfiguration.includeQueryParameters",
                &["DISABLED", "ENABLED"],
            ),
            Constraint::one_of(
                "serviceConnectConfiguration.containerConfigurations[].logLevel",
                &["debug", "info"],
            ),
            Constraint::required("volumeConfigurations[].name"),
            Constraint::required(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].resourceType",
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].resourceType",
                &["volume"],
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].propagateTags",
                &["TASK_DEFINITION", "SERVICE", "NONE"],
            ),
            Constraint::required("volumeConfigurations[].managedEBSVolume.roleArn"),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.filesystemType",
                &["ext3", "ext4", "xfs", "ntfs"],
            ),
            Constraint::required("vpcLatticeConfigurations[].roleArn"),
            Constraint::required("vpcLatticeConfigurations[].targetGroupArn"),
            Constraint::required("vpcLatticeConfigurations[].portName"),
            Constraint::required("gatewayConnectors[].portName"),
            Constraint::one_of(
                "gatewayConnectors[].healthCheck.healthCheckProtocol",
                &["HTTP", "HTTPS"],
            ),
            Constraint::one_of(
                "gatewayConnectors[].filters.accessTypes[]",
                &["PUBLIC", "PRIVATE"],
            ),
            Constraint::range(
                "gatewayConnectors[].deregistrationDelay.timeoutSeconds",
                0,
                3600,
            ),
            Constraint::required_list("monitoring.metricConfigurations[].metricNames"),
            Constraint::required("monitoring.metricConfigurations[].resolutionSeconds"),
            Constraint::range(
                "monitoring.metricConfigurations[].resolutionSeconds",
                20,
                60,
            ),
        ],
    },
    Input {
        operation: "DeleteAccountSetting",
        constraints: &[
            Constraint::required("name"),
            Constraint::one_of(
                "name",
                &[
                    "serviceLongArnFormat",
                    "taskLongArnFormat",
                    "containerInstanceLongArnFormat",
                    "awsvpcTrunking",
                    "containerInsights",
                    "fargateFIPSMode",
                    "tagResourceAuthorization",
                    "fargateTaskRetirementWaitPeriod",
                    "guardDutyActivate",
                    "defaultLogDriverMode",
                    "fargateEventWindows",
                ],
            ),
        ],
    },
    Input {
        operation: "DeleteAttributes",
        constraints: &[
            Constraint::required_list("attributes"),
            Constraint::required("attributes[].name"),
            Constraint::one_of("attributes[].targetType", &["container-instance"]),
        ],
    },
    Input {
        operation: "DeleteCluster",
        constraints: &[Constraint::required("cluster")],
    },
    Input {
        operation: "DeleteService",
        constraints: &[Constraint::required("service")],
    },
    Input {
        operation: "DeregisterContainerInstance",
        constraints: &[Constraint::required("containerInstance")],
    },
    Input {
        operation: "DeregisterTaskDefinition",
        constraints: &[Constraint::required("taskDefinition")],
    },
    Input {
        operation: "DescribeClusters",
        constraints: &[Constraint::one_of(
            "include[]",
            &[
                "ATTACHMENTS",
                "CONFIGURATIONS",
                "SETTINGS",
                "STATISTICS",
                "TAGS",
            ],
        )],
    },
    Input {
        operation: "DescribeContainerInstances",
        constraints: &[
            Constraint::required_list("containerInstances"),
            Constraint::one_of("include[]", &["TAGS", "CONTAINER_INSTANCE_HEALTH"]),
        ],
    },
    Input {
        operation: "DescribeServices",
        constraints: &[
            Constraint::required_list("services"),
            Constraint::one_of("include[]", &["TAGS"]),
        ],
    },
    Input {
        operation: "DescribeTaskDefinition",
        constraints: &[
            Constraint::required("taskDefinition"),
            Constraint::one_of("include[]", &["TAGS"]),
        ],
    },
    Input {
        operation: "DescribeTasks",
        constraints: &[
            Constraint::required_list("tasks"),
            Constraint::one_of("include[]", &["TAGS"]),
        ],
    },
    Input {
        operation: "ListAccountSettings",
        constraints: &[Constraint::one_of(
            "name",
            &[
                "serviceLongArnFormat",
                "taskLongArnFormat",
                "containerInstanceLongArnFormat",
                "awsvpcTrunking",
                "containerInsights",
                "fargateFIPSMode",
                "tagResourceAuthorization",
                "fargateTaskRetirementWaitPeriod",
                "guardDutyActivate",
                "defaultLogDriverMode",
                "fargateEventWindows",
            ],
        )],
    },
    Input {
        operation: "ListAttributes",
        constraints: &[
            Constraint::required("targetType"),
            Constraint::one_of("targetType", &["container-instance"]),
        ],
    },
    Input {
        operation: "ListClusters",
        constraints: &[],
    },
    Input {
        operation: "ListContainerInstances",
        constraints: &[Constraint::one_of(
            "status",
            &[
                "ACTIVE",
                "DRAINING",
                "REGISTERING",
                "DEREGISTERING",
                "REGISTRATION_FAILED",
            ],
        )],
    },
    Input {
        operation: "ListServices",
        constraints: &[
            Constraint::one_of(
                "launchType",
                &["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"],
            ),
            Constraint::one_of("schedulingStrategy", &["REPLICA", "DAEMON"]),
            Constraint::one_of("resourceManagementType", &["CUSTOMER", "ECS"]),
        ],
    },
    Input {
        operation: "ListTagsForResource",
        constraints: &[Constraint::required("resourceArn")],
    },
    Input {
        operation: "ListTaskDefinitionFamilies",
        constraints: &[Constraint::one_of("status", &["ACTIVE", "INACTIVE", "ALL"])],
    },
    Input {
        operation: "ListTaskDefinitions",
        constraints: &[
            Constraint::one_of("status", &["ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"]),
            Constraint::one_of("sort", &["ASC", "DESC"]),
        ],
    },
    Input {
        operation: "ListTasks",
        constraints: &[
            Constraint::one_of("desiredStatus", &["RUNNING", "PENDING", "STOPPED"]),
            Constraint::one_of(
                "launchType",
                &["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"],
            ),
        ],
    },
    Input {
        operation: "PutAccountSetting",
        constraints: &[
            Constraint::required("name"),
            Constraint::one_of(
                "name",
                &[
                    "serviceLongArnFormat",
                    "taskLongArnFormat",
                    "containerInstanceLongArnFormat",
                    "awsvpcTrunking",
                    "containerInsights",
                    "fargateFIPSMode",
                    "tagResourceAuthorization",
                    "fargateTaskRetirementWaitPeriod",
                    "guardDutyActivate",
                    "defaultLogDriverMode",
                    "fargateEventWindows",
                ],
            ),
            Constraint::required("value"),
        ],
    },
    Input {
        operation: "PutAccountSettingDefault",
        constraints: &[
            Constraint::required("name"),
            Constraint::one_of(
                "name",
                &[
                    "serviceLongArnFormat",
                    "taskLongArnFormat",
                    "containerInstanceLongArnFormat",
                    "awsvpcTrunking",
                    "containerInsights",
                    "fargateFIPSMode",
                    "tagResourceAuthorization",
                    "fargateTaskRetirementWaitPeriod",
                    "guardDutyActivate",
                    "defaultLogDriverMode",
                    "fargateEventWindows",
                ],
            ),
            Constraint::required("value"),
        ],
    },
    Input {
        operation: "PutAttributes",
        constraints: &[
            Constraint::required_list("attributes"),
            Constraint::required("attributes[].name"),
            Constraint::one_of("attributes[].targetType", &["container-instance"]),
        ],
    },
    Input {
        operation: "RegisterTaskDefinition",
        constraints: &[
            Constraint::required("family"),
            Constraint::one_of("networkMode", &["bridge", "host", "awsvpc", "none"]),
            Constraint::required_list("containerDefinitions"),
            Constraint::required(
                "containerDefinitions[].repositoryCredentials.credentialsParameter",
            ),
            Constraint::one_of(
                "containerDefinitions[].portMappings[].protocol",
                &["tcp", "udp"],
            ),
            Constraint::one_of(
                "containerDefinitions[].portMappings[].appProtocol",
                &["http", "http2", "grpc"],
            ),
            Constraint::required("containerDefinitions[].restartPolicy.enabled"),
            Constraint::required("containerDefinitions[].environmentFiles[].value"),
            Constraint::required("containerDefinitions[].environmentFiles[].type"),
            Constraint::one_of("containerDefinitions[].environmentFiles[].type", &["s3"]),
            Constraint::required("containerDefinitions[].linuxParameters.devices[].hostPath"),
            Constraint::one_of(
                "containerDefinitions[].linuxParameters.devices[].permissions[]",
                &["read", "write", "mknod"],
            ),
            Constraint::required("containerDefinitions[].linuxParameters.tmpfs[].containerPath"),
            Constraint::required("containerDefinitions[].linuxParameters.tmpfs[].size"),
            Constraint::required("containerDefinitions[].secrets[].name"),
            Constraint::required("containerDefinitions[].secrets[].valueFrom"),
            Constraint::required("containerDefinitions[].dependsOn[].containerName"),
            Constraint::required("containerDefinitions[].dependsOn[].condition"),
            Constraint::one_of(
                "containerDefinitions[].dependsOn[].condition",
                &["START", "COMPLETE", "SUCCESS", "HEALTHY"],
            ),
            Constraint::one_of(
                "containerDefinitions[].versionConsistency",
                &["enabled", "disabled"],
            ),
            Constraint::required("containerDefinitions[].extraHosts[].hostname"),
            Constraint::required("containerDefinitions[].extraHosts[].ipAddress"),
            Constraint::required("containerDefinitions[].ulimits[].name"),
            Constraint::one_of(
                "containerDefinitions[].ulimits[].name",
                &[
                    "core",
                    "cpu",
                    "data",
                    "fsize",
                    "locks",
                    "memlock",
                    "msgqueue",
                    "nice",
                    "nofile",
                    "nproc",
                    "rss",
                    "rtprio",
                    "rttime",
                    "sigpending",
                    "stack",
                ],
            ),
            Constraint::required("containerDefinitions[].ulimits[].softLimit"),
            Constraint::required("containerDefinitions[].ulimits[].hardLimit"),
            Constraint::required("containerDefinitions[].logConfiguration.logDriver"),
            Constraint::one_of(
                "containerDefinitions[].logConfiguration.logDriver",
                &[
                    "json-file",
                    "syslog",
                    "journald",
                    "gelf",
                    "fluentd",
                    "awslogs",
                    "splunk",
                    "awsfirelens",
                ],
            ),
            Constraint::required("containerDefinitions[].logConfiguration.secretOptions[].name"),
            Constraint::required(
                "containerDefinitions[].logConfiguration.secretOptions[].valueFrom",
            ),
            Constraint::required_list("containerDefinitions[].healthCheck.command"),
            Constraint::required("containerDefinitions[].resourceRequirements[].type"),
            Constraint::one_of(
                "containerDefinitions[].resourceRequirements[].type",
                &["GPU", "InferenceAccelerator", "NeuronDevice"],
            ),
            Constraint::required(
                "containerDefinitions[].resourceRequirements[].sharingStrategy.nvidiaMps.memory",
            ),
            Constraint::range(
                "containerDefinitions[].resourceRequirements[].sharingStrategy.nvidiaMps.memory",
                1,
                2147483647,
            ),
            Constraint::range(
                "containerDefinitions[].resourceRequirements[].sharingStrategy.nvidiaMps.maxComputePercent",
                1,
                100,
            ),
            Constraint::required("containerDefinitions[].firelensConfiguration.type"),
            Constraint::one_of(
                "containerDefinitions[].firelensConfiguration.type",
                &["fluentd", "fluentbit"],
            ),
            Constraint::one_of(
                "volumes[].dockerVolumeConfiguration.scope",
                &["task", "shared"],
            ),
            Constraint::required("volumes[].efsVolumeConfiguration.fileSystemId"),
            Constraint::one_of(
                "volumes[].efsVolumeConfiguration.transitEncryption",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::one_of(
                "volumes[].efsVolumeConfiguration.authorizationConfig.iam",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::required("volumes[].s3filesVolumeConfiguration.fileSystemArn"),
            Constraint::required("volumes[].fsxWindowsFileServerVolumeConfiguration.fileSystemId"),
            Constraint::required("volumes[].fsxWindowsFileServerVolumeConfiguration.rootDirectory"),
            Constraint::required(
                "volumes[].fsxWindowsFileServerVolumeConfiguration.authorizationConfig",
            ),
            Constraint::required(
                "volumes[].fsxWindowsFileServerVolumeConfiguration.authorizationConfig.credentialsParameter",
            ),
            Constraint::required(
                "volumes[].fsxWindowsFileServerVolumeConfiguration.authorizationConfig.domain",
            ),
            Constraint::one_of("placementConstraints[].type", &["memberOf"]),
            Constraint::one_of(
                "requiresCompatibilities[]",
                &["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"],
            ),
            Constraint::one_of("pidMode", &["host", "task"]),
            Constraint::one_of("ipcMode", &["host", "task", "none"]),
            Constraint::one_of("proxyConfiguration.type", &["APPMESH"]),
            Constraint::required("proxyConfiguration.containerName"),
            Constraint::required("inferenceAccelerators[].deviceName"),
            Constraint::required("inferenceAccelerators[].deviceType"),
            Constraint::required("ephemeralStorage.sizeInGiB"),
            Constraint::one_of("runtimePlatform.cpuArchitecture", &["X86_64", "ARM64"]),
            Constraint::one_of(
                "runtimePlatform.operatingSystemFamily",
                &[
                    "WINDOWS_SERVER_2019_FULL",
                    "WINDOWS_SERVER_2019_CORE",
                    "WINDOWS_SERVER_2016_FULL",
                    "WINDOWS_SERVER_2004_CORE",
                    "WINDOWS_SERVER_2022_CORE",
                    "WINDOWS_SERVER_2022_FULL",
                    "WINDOWS_SERVER_2025_CORE",
                    "WINDOWS_SERVER_2025_FULL",
                    "WINDOWS_SERVER_20H2_CORE",
                    "LINUX",
                ],
            ),
            Constraint::required("trustedExecutionConfiguration.isolationMode"),
            Constraint::one_of(
                "trustedExecutionConfiguration.isolationMode",
                &["SHARED", "ISOLATED_SANDBOX", "CONFIDENTIAL_SANDBOX"],
            ),
        ],
    },
    Input {
        operation: "RunTask",
        constraints: &[
            Constraint::required("capacityProviderStrategy[].capacityProvider"),
            Constraint::range("capacityProviderStrategy[].weight", 0, 1000),
            Constraint::range("capacityProviderStrategy[].base", 0, 100000),
            Constraint::one_of(
                "launchType",
                &["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"],
            ),
            Constraint::required_list("networkConfiguration.awsvpcConfiguration.subnets"),
            Constraint::one_of(
                "networkConfiguration.awsvpcConfiguration.assignPublicIp",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::required("overrides.containerOverrides[].environmentFiles[].value"),
            Constraint::required("overrides.containerOverrides[].environmentFiles[].type"),
            Constraint::one_of(
                "overrides.containerOverrides[].environmentFiles[].type",
                &["s3"],
            ),
            Constraint::required("overrides.containerOverrides[].resourceRequirements[].type"),
            Constraint::one_of(
                "overrides.containerOverrides[].resourceRequirements[].type",
                &["GPU", "InferenceAccelerator", "NeuronDevice"],
            ),
            Constraint::required(
                "overrides.containerOverrides[].resourceRequirements[].sharingStrategy.nvidiaMps.memory",
            ),
            Constraint::range(
                "overrides.containerOverrides[].resourceRequirements[].sharingStrategy.nvidiaMps.memory",
                1,
                2147483647,
            ),
            Constraint::range(
                "overrides.containerOverrides[].resourceRequirements[].sharingStrategy.nvidiaMps.maxComputePercent",
                1,
                100,
            ),
            Constraint::required("overrides.ephemeralStorage.sizeInGiB"),
            Constraint::one_of(
                "placementConstraints[].type",
                &["distinctInstance", "memberOf"],
            ),
            Constraint::one_of("placementStrategy[].type", &["random", "spread", "binpack"]),
            Constraint::one_of("propagateTags", &["TASK_DEFINITION", "SERVICE", "NONE"]),
            Constraint::required("taskDefinition"),
            Constraint::required("volumeConfigurations[].name"),
            Constraint::required(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].resourceType",
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].resourceType",
                &["volume"],
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].propagateTags",
                &["TASK_DEFINITION", "SERVICE", "NONE"],
            ),
            Constraint::required("volumeConfigurations[].managedEBSVolume.roleArn"),
            Constraint::required(
                "volumeConfigurations[].managedEBSVolume.terminationPolicy.deleteOnTermination",
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.filesystemType",
                &["ext3", "ext4", "xfs", "ntfs"],
            ),
        ],
    },
    Input {
        operation: "StartTask",
        constraints: &[
            Constraint::required_list("containerInstances"),
            Constraint::required_list("networkConfiguration.awsvpcConfiguration.subnets"),
            Constraint::one_of(
                "networkConfiguration.awsvpcConfiguration.assignPublicIp",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::required("overrides.containerOverrides[].environmentFiles[].value"),
            Constraint::required("overrides.containerOverrides[].environmentFiles[].type"),
            Constraint::one_of(
                "overrides.containerOverrides[].environmentFiles[].type",
                &["s3"],
            ),
            Constraint::required("overrides.containerOverrides[].resourceRequirements[].type"),
            Constraint::one_of(
                "overrides.containerOverrides[].resourceRequirements[].type",
                &["GPU", "InferenceAccelerator", "NeuronDevice"],
            ),
            Constraint::required(
                "overrides.containerOverrides[].resourceRequirements[].sharingStrategy.nvidiaMps.memory",
            ),
            Constraint::range(
                "overrides.containerOverrides[].resourceRequirements[].sharingStrategy.nvidiaMps.memory",
                1,
                2147483647,
            ),
            Constraint::range(
                "overrides.containerOverrides[].resourceRequirements[].sharingStrategy.nvidiaMps.maxComputePercent",
                1,
                100,
            ),
            Constraint::required("overrides.ephemeralStorage.sizeInGiB"),
            Constraint::one_of("propagateTags", &["TASK_DEFINITION", "SERVICE", "NONE"]),
            Constraint::required("taskDefinition"),
            Constraint::required("volumeConfigurations[].name"),
            Constraint::required(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].resourceType",
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].resourceType",
                &["volume"],
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].propagateTags",
                &["TASK_DEFINITION", "SERVICE", "NONE"],
            ),
            Constraint::required("volumeConfigurations[].managedEBSVolume.roleArn"),
            Constraint::required(
                "volumeConfigurations[].managedEBSVolume.terminationPolicy.deleteOnTermination",
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.filesystemType",
                &["ext3", "ext4", "xfs", "ntfs"],
            ),
        ],
    },
    Input {
        operation: "StopTask",
        constraints: &[Constraint::required("task")],
    },
    Input {
        operation: "TagResource",
        constraints: &[
            Constraint::required("resourceArn"),
            Constraint::required_list("tags"),
        ],
    },
    Input {
        operation: "UntagResource",
        constraints: &[
            Constraint::required("resourceArn"),
            Constraint::required_list("tagKeys"),
        ],
    },
    Input {
        operation: "UpdateContainerInstancesState",
        constraints: &[
            Constraint::required_list("containerInstances"),
            Constraint::required("status"),
            Constraint::one_of(
                "status",
                &[
                    "ACTIVE",
                    "DRAINING",
                    "REGISTERING",
                    "DEREGISTERING",
                    "REGISTRATION_FAILED",
                ],
            ),
        ],
    },
    Input {
        operation: "UpdateService",
        constraints: &[
            Constraint::required("service"),
            Constraint::required("capacityProviderStrategy[].capacityProvider"),
            Constraint::range("capacityProviderStrategy[].weight", 0, 1000),
            Constraint::range("capacityProviderStrategy[].base", 0, 100000),
            Constraint::required("deploymentConfiguration.deploymentCircuitBreaker.enable"),
            Constraint::required("deploymentConfiguration.deploymentCircuitBreaker.rollback"),
            Constraint::required(
                "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.type",
            ),
            Constraint::one_of(
                "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.type",
                &["COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT"],
            ),
            Constraint::required(
                "deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.value",
            ),
            Constraint::required_list("deploymentConfiguration.alarms.alarmNames"),
            Constraint::required("deploymentConfiguration.alarms.rollback"),
            Constraint::required("deploymentConfiguration.alarms.enable"),
            Constraint::one_of(
                "deploymentConfiguration.strategy",
                &["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"],
            ),
            Constraint::one_of(
                "deploymentConfiguration.lifecycleHooks[].targetType",
                &["AWS_LAMBDA", "PAUSE"],
            ),
            Constraint::one_of(
                "deploymentConfiguration.lifecycleHooks[].lifecycleStages[]",
                &[
                    "RECONCILE_SERVICE",
                    "PRE_SCALE_UP",
                    "POST_SCALE_UP",
                    "TEST_TRAFFIC_SHIFT",
                    "POST_TEST_TRAFFIC_SHIFT",
                    "PRE_PRODUCTION_TRAFFIC_SHIFT",
                    "PRODUCTION_TRAFFIC_SHIFT",
                    "POST_PRODUCTION_TRAFFIC_SHIFT",
                ],
            ),
            Constraint::range(
                "deploymentConfiguration.lifecycleHooks[].timeoutConfiguration.timeoutInMinutes",
                1,
                20160,
            ),
            Constraint::one_of(
                "deploymentConfiguration.lifecycleHooks[].timeoutConfiguration.action",
                &["ROLLBACK", "CONTINUE"],
            ),
            Constraint::required("deploymentConfiguration.earlySuccessCriteria.enable"),
            Constraint::range(
                "deploymentConfiguration.earlySuccessCriteria.healthyPercent",
                0,
                100,
            ),
            Constraint::one_of(
                "deploymentConfiguration.earlySuccessCriteria.sourceServiceRevisionCleanup",
                &["BLOCKING", "DEFERRED"],
            ),
            Constraint::one_of("availabilityZoneRebalancing", &["ENABLED", "DISABLED"]),
            Constraint::required_list("networkConfiguration.awsvpcConfiguration.subnets"),
            Constraint::one_of(
                "networkConfiguration.awsvpcConfiguration.assignPublicIp",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::one_of(
                "placementConstraints[].type",
                &["distinctInstance", "memberOf"],
            ),
            Constraint::one_of("placementStrategy[].type", &["random", "spread", "binpack"]),
            Constraint::required("deploymentController.type"),
            Constraint::one_of(
                "deploymentController.type",
                &["ECS", "CODE_DEPLOY", "EXTERNAL"],
            ),
            Constraint::one_of("propagateTags", &["TASK_DEFINITION", "SERVICE", "NONE"]),
            Constraint::required("serviceConnectConfiguration.enabled"),
            Constraint::required("serviceConnectConfiguration.services[].portName"),
            Constraint::required("serviceConnectConfiguration.services[].clientAliases[].port"),
            Constraint::range(
                "serviceConnectConfiguration.services[].clientAliases[].port",
                0,
                65535,
            ),
            Constraint::required(
                "serviceConnectConfiguration.services[].clientAliases[].testTrafficRules.header",
            ),
            Constraint::required(
                "serviceConnectConfiguration.services[].clientAliases[].testTrafficRules.header.name",
            ),
            Constraint::required(
                "serviceConnectConfiguration.services[].clientAliases[].testTrafficRules.header.value.exact",
            ),
            Constraint::range(
                "serviceConnectConfiguration.services[].ingressPortOverride",
                0,
                65535,
            ),
            Constraint::range(
                "serviceConnectConfiguration.services[].timeout.idleTimeoutSeconds",
                0,
                2147483647,
            ),
            Constraint::range(
                "serviceConnectConfiguration.services[].timeout.perRequestTimeoutSeconds",
                0,
                2147483647,
            ),
            Constraint::required(
                "serviceConnectConfiguration.services[].tls.issuerCertificateAuthority",
            ),
            Constraint::required("serviceConnectConfiguration.logConfiguration.logDriver"),
            Constraint::one_of(
                "serviceConnectConfiguration.logConfiguration.logDriver",
                &[
                    "json-file",
                    "syslog",
                    "journald",
                    "gelf",
                    "fluentd",
                    "awslogs",
                    "splunk",
                    "awsfirelens",
                ],
            ),
            Constraint::required(
                "serviceConnectConfiguration.logConfiguration.secretOptions[].name",
            ),
            Constraint::required(
                "serviceConnectConfiguration.logConfiguration.secretOptions[].valueFrom",
            ),
            Constraint::required("serviceConnectConfiguration.accessLogConfiguration.format"),
            Constraint::one_of(
                "serviceConnectConfiguration.accessLogConfiguration.format",
                &["TEXT", "JSON"],
            ),
            Constraint::one_of(
                "serviceConnectConfiguration.accessLogConfiguration.includeQueryParameters",
                &["DISABLED", "ENABLED"],
            ),
            Constraint::one_of(
                "serviceConnectConfiguration.containerConfigurations[].logLevel",
                &["debug", "info"],
            ),
            Constraint::required("volumeConfigurations[].name"),
            Constraint::required(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].resourceType",
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].resourceType",
                &["volume"],
            ),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.tagSpecifications[].propagateTags",
                &["TASK_DEFINITION", "SERVICE", "NONE"],
            ),
            Constraint::required("volumeConfigurations[].managedEBSVolume.roleArn"),
            Constraint::one_of(
                "volumeConfigurations[].managedEBSVolume.filesystemType",
                &["ext3", "ext4", "xfs", "ntfs"],
            ),
            Constraint::required("vpcLatticeConfigurations[].roleArn"),
            Constraint::required("vpcLatticeConfigurations[].targetGroupArn"),
            Constraint::required("vpcLatticeConfigurations[].portName"),
            Constraint::required("gatewayConnectors[].portName"),
            Constraint::one_of(
                "gatewayConnectors[].healthCheck.healthCheckProtocol",
                &["HTTP", "HTTPS"],
            ),
            Constraint::one_of(
                "gatewayConnectors[].filters.accessTypes[]",
                &["PUBLIC", "PRIVATE"],
            ),
            Constraint::range(
                "gatewayConnectors[].deregistrationDelay.timeoutSeconds",
                0,
                3600,
            ),
            Constraint::required_list("monitoring.metricConfigurations[].metricNames"),
            Constraint::required("monitoring.metricConfigurations[].resolutionSeconds"),
            Constraint::range(
                "monitoring.metricConfigurations[].resolutionSeconds",
                20,
                60,
            ),
        ],
    },
];
