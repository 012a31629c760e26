//! Amazon ECS: what is valid in the inputs of its operations.
//!
//! Made by scripts/generate-schema from published service models. Do not edit.

use crate::{Constraint, Input};

/// Sorted by operation.
pub static INPUTS: &[Input] = &[
    Input {
        operation: "AssociateGatewayWithCluster",
        constraints: &[
            Constraint::required("gateway"),
            Constraint::required("cluster"),
        ],
    },
    Input {
        operation: "ContinueServiceDeployment",
        constraints: &[
            Constraint::required("serviceDeploymentArn"),
            Constraint::required("hookId"),
            Constraint::one_of("action", &["ROLLBACK", "CONTINUE"]),
        ],
    },
    Input {
        operation: "CreateCapacityProvider",
        constraints: &[
            Constraint::required("name"),
            Constraint::required("autoScalingGroupProvider.autoScalingGroupArn"),
            Constraint::one_of(
                "autoScalingGroupProvider.managedScaling.status",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::range(
                "autoScalingGroupProvider.managedScaling.targetCapacity",
                1,
                100,
            ),
            Constraint::range(
                "autoScalingGroupProvider.managedScaling.minimumScalingStepSize",
                1,
                10000,
            ),
            Constraint::range(
                "autoScalingGroupProvider.managedScaling.maximumScalingStepSize",
                1,
                10000,
            ),
            Constraint::range(
                "autoScalingGroupProvider.managedScaling.instanceWarmupPeriod",
                0,
                10000,
            ),
            Constraint::one_of(
                "autoScalingGroupProvider.managedTerminationProtection",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::one_of(
                "autoScalingGroupProvider.managedDraining",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::required("managedInstancesProvider.infrastructureRoleArn"),
            Constraint::required("managedInstancesProvider.instanceLaunchTemplate"),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.ec2InstanceProfileArn",
            ),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.networkConfiguration",
            ),
            Constraint::range(
                "managedInstancesProvider.instanceLaunchTemplate.storageConfiguration.storageSizeGiB",
                1,
                2147483647,
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.monitoring",
                &["BASIC", "DETAILED"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.capacityOptionType",
                &["ON_DEMAND", "SPOT", "RESERVED"],
            ),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.vCpuCount",
            ),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.vCpuCount.min",
            ),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.memoryMiB",
            ),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.memoryMiB.min",
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.cpuManufacturers[]",
                &["intel", "amd", "amazon-web-services"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.instanceGenerations[]",
                &["current", "previous"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.bareMetal",
                &["included", "required", "excluded"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.burstablePerformance",
                &["included", "required", "excluded"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.localStorage",
                &["included", "required", "excluded"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.localStorageTypes[]",
                &["hdd", "ssd"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.acceleratorTypes[]",
                &["gpu", "fpga", "inference"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.acceleratorManufacturers[]",
                &["amazon-web-services", "amd", "nvidia", "xilinx", "habana"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.acceleratorNames[]",
                &[
                    "a100",
                    "inferentia",
                    "k520",
                    "k80",
                    "m60",
                    "radeon-pro-v520",
                    "t4",
                    "vu9p",
                    "v100",
                    "a10g",
                    "h100",
                    "t4g",
                    "l40s",
                    "l4",
                ],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.capacityReservations.reservationPreference",
                &[
                    "RESERVATIONS_ONLY",
                    "RESERVATIONS_FIRST",
                    "RESERVATIONS_EXCLUDED",
                ],
            ),
            Constraint::one_of(
                "managedInstancesProvider.propagateTags",
                &["CAPACITY_PROVIDER", "NONE"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.autoRepairConfiguration.actionsStatus",
                &["ENABLED", "DISABLED"],
            ),
        ],
    },
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
        operation: "CreateDaemon",
        constraints: &[
            Constraint::required("daemonName"),
            Constraint::required("daemonTaskDefinitionArn"),
            Constraint::required_list("capacityProviderArns"),
            Constraint::one_of("propagateTags", &["DAEMON", "NONE"]),
        ],
    },
    Input {
        operation: "CreateExpressGatewayService",
        constraints: &[
            Constraint::required("infrastructureRoleArn"),
            Constraint::required("primaryContainer.image"),
            Constraint::required("primaryContainer.awsLogsConfiguration.logGroup"),
            Constraint::required("primaryContainer.awsLogsConfiguration.logStreamPrefix"),
            Constraint::required("primaryContainer.secrets[].name"),
            Constraint::required("primaryContainer.secrets[].valueFrom"),
            Constraint::one_of("cpuArchitecture", &["X86_64", "ARM64"]),
            Constraint::one_of(
                "scalingTarget.autoScalingMetric",
                &["AVERAGE_CPU", "AVERAGE_MEMORY", "REQUEST_COUNT_PER_TARGET"],
            ),
        ],
    },
    Input {
        operation: "CreateGateway",
        constraints: &[
            Constraint::required("name"),
            Constraint::required("infrastructureRoleArn"),
            Constraint::required("configuration"),
            Constraint::one_of(
                "configuration.hostSharedAlb.networkConfiguration.ipAddressType",
                &["ipv4", "dualstack", "dualstack-without-public-ipv4"],
            ),
            Constraint::one_of(
                "configuration.hostSharedAlb.scheme",
                &["internet-facing", "internal"],
            ),
            Constraint::required("configuration.hostSharedAlb.accessLogs.destination.s3.bucket"),
            Constraint::one_of("configuration.hostSharedAlb.protocol", &["HTTP", "HTTPS"]),
            Constraint::one_of(
                "configuration.hostSharedAlb.httpDesync",
                &["monitor", "defensive", "strictest"],
            ),
            Constraint::required("configuration.hostSharedAlb.testTrafficRules.header.name"),
            Constraint::required_list("configuration.hostSharedAlb.testTrafficRules.header.values"),
            Constraint::one_of("propagateTags", &["NONE", "GATEWAY"]),
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
        operation: "CreateTaskSet",
        constraints: &[
            Constraint::required("service"),
            Constraint::required("cluster"),
            Constraint::required("taskDefinition"),
            Constraint::required_list("networkConfiguration.awsvpcConfiguration.subnets"),
            Constraint::one_of(
                "networkConfiguration.awsvpcConfiguration.assignPublicIp",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::one_of(
                "launchType",
                &["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"],
            ),
            Constraint::required("capacityProviderStrategy[].capacityProvider"),
            Constraint::range("capacityProviderStrategy[].weight", 0, 1000),
            Constraint::range("capacityProviderStrategy[].base", 0, 100000),
            Constraint::one_of("scale.unit", &["PERCENT"]),
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
        operation: "DeleteCapacityProvider",
        constraints: &[Constraint::required("capacityProvider")],
    },
    Input {
        operation: "DeleteCluster",
        constraints: &[Constraint::required("cluster")],
    },
    Input {
        operation: "DeleteDaemon",
        constraints: &[Constraint::required("daemonArn")],
    },
    Input {
        operation: "DeleteDaemonTaskDefinition",
        constraints: &[Constraint::required("daemonTaskDefinition")],
    },
    Input {
        operation: "DeleteExpressGatewayService",
        constraints: &[Constraint::required("serviceArn")],
    },
    Input {
        operation: "DeleteGateway",
        constraints: &[Constraint::required("gateway")],
    },
    Input {
        operation: "DeleteService",
        constraints: &[Constraint::required("service")],
    },
    Input {
        operation: "DeleteTaskDefinitions",
        constraints: &[Constraint::required_list("taskDefinitions")],
    },
    Input {
        operation: "DeleteTaskSet",
        constraints: &[
            Constraint::required("cluster"),
            Constraint::required("service"),
            Constraint::required("taskSet"),
        ],
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
        operation: "DescribeCapacityProviders",
        constraints: &[Constraint::one_of("include[]", &["TAGS"])],
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
        operation: "DescribeDaemon",
        constraints: &[Constraint::required("daemonArn")],
    },
    Input {
        operation: "DescribeDaemonDeployments",
        constraints: &[Constraint::required_list("daemonDeploymentArns")],
    },
    Input {
        operation: "DescribeDaemonRevisions",
        constraints: &[Constraint::required_list("daemonRevisionArns")],
    },
    Input {
        operation: "DescribeDaemonTaskDefinition",
        constraints: &[Constraint::required("daemonTaskDefinition")],
    },
    Input {
        operation: "DescribeExpressGatewayService",
        constraints: &[
            Constraint::required("serviceArn"),
            Constraint::one_of("include[]", &["TAGS"]),
        ],
    },
    Input {
        operation: "DescribeGateway",
        constraints: &[Constraint::required("gateway")],
    },
    Input {
        operation: "DescribeGatewayResources",
        constraints: &[Constraint::required("gateway")],
    },
    Input {
        operation: "DescribeGatewayRoute",
        constraints: &[Constraint::required("gatewayRouteArn")],
    },
    Input {
        operation: "DescribeServiceDeployments",
        constraints: &[Constraint::required_list("serviceDeploymentArns")],
    },
    Input {
        operation: "DescribeServiceRevisions",
        constraints: &[Constraint::required_list("serviceRevisionArns")],
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
        operation: "DescribeTaskSets",
        constraints: &[
            Constraint::required("cluster"),
            Constraint::required("service"),
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
        operation: "DisassociateGatewayFromCluster",
        constraints: &[
            Constraint::required("gateway"),
            Constraint::required("cluster"),
        ],
    },
    Input {
        operation: "DiscoverPollEndpoint",
        constraints: &[],
    },
    Input {
        operation: "ExecuteCommand",
        constraints: &[
            Constraint::required("command"),
            Constraint::required("interactive"),
            Constraint::required("task"),
        ],
    },
    Input {
        operation: "GetTaskProtection",
        constraints: &[Constraint::required("cluster")],
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
        operation: "ListDaemonDeployments",
        constraints: &[
            Constraint::required("daemonArn"),
            Constraint::one_of(
                "status[]",
                &[
                    "PENDING",
                    "SUCCESSFUL",
                    "STOPPED",
                    "STOP_REQUESTED",
                    "IN_PROGRESS",
                    "ROLLBACK_IN_PROGRESS",
                    "ROLLBACK_SUCCESSFUL",
                    "ROLLBACK_FAILED",
                ],
            ),
        ],
    },
    Input {
        operation: "ListDaemonTaskDefinitions",
        constraints: &[
            Constraint::one_of("revision", &["LAST_REGISTERED"]),
            Constraint::one_of("status", &["ACTIVE", "DELETE_IN_PROGRESS", "ALL"]),
            Constraint::one_of("sort", &["ASC", "DESC"]),
        ],
    },
    Input {
        operation: "ListDaemons",
        constraints: &[],
    },
    Input {
        operation: "ListGatewayClusterAssociations",
        constraints: &[Constraint::one_of(
            "status[]",
            &["ACTIVE", "DISASSOCIATING", "INACTIVE"],
        )],
    },
    Input {
        operation: "ListGatewayRoutes",
        constraints: &[Constraint::one_of(
            "status[]",
            &[
                "ACTIVE",
                "CREATE_IN_PROGRESS",
                "CREATE_FAILED",
                "UPDATE_IN_PROGRESS",
                "UPDATE_FAILED",
                "DELETE_IN_PROGRESS",
                "DELETE_FAILED",
            ],
        )],
    },
    Input {
        operation: "ListGateways",
        constraints: &[Constraint::one_of(
            "status[]",
            &[
                "ACTIVE",
                "UPDATE_IN_PROGRESS",
                "UPDATE_COMPLETE",
                "UPDATE_FAILED",
                "DELETED",
            ],
        )],
    },
    Input {
        operation: "ListServiceDeployments",
        constraints: &[
            Constraint::required("service"),
            Constraint::one_of(
                "status[]",
                &[
                    "PENDING",
                    "SUCCESSFUL",
                    "STOPPED",
                    "STOP_REQUESTED",
                    "IN_PROGRESS",
                    "ROLLBACK_REQUESTED",
                    "ROLLBACK_IN_PROGRESS",
                    "ROLLBACK_SUCCESSFUL",
                    "ROLLBACK_FAILED",
                ],
            ),
        ],
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
        operation: "ListServicesByNamespace",
        constraints: &[Constraint::required("namespace")],
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
        operation: "PutClusterCapacityProviders",
        constraints: &[
            Constraint::required("cluster"),
            Constraint::required_list("capacityProviders"),
            Constraint::required_list("defaultCapacityProviderStrategy"),
            Constraint::required("defaultCapacityProviderStrategy[].capacityProvider"),
            Constraint::range("defaultCapacityProviderStrategy[].weight", 0, 1000),
            Constraint::range("defaultCapacityProviderStrategy[].base", 0, 100000),
        ],
    },
    Input {
        operation: "RegisterContainerInstance",
        constraints: &[
            Constraint::required("attributes[].name"),
            Constraint::one_of("attributes[].targetType", &["container-instance"]),
            Constraint::required("platformDevices[].id"),
            Constraint::required("platformDevices[].type"),
            Constraint::one_of("platformDevices[].type", &["GPU", "NEURON_DEVICE"]),
        ],
    },
    Input {
        operation: "RegisterDaemonTaskDefinition",
        constraints: &[
            Constraint::required("family"),
            Constraint::required_list("containerDefinitions"),
            Constraint::required("containerDefinitions[].image"),
            Constraint::required(
                "containerDefinitions[].repositoryCredentials.credentialsParameter",
            ),
            Constraint::required_list("containerDefinitions[].healthCheck.command"),
            Constraint::required("containerDefinitions[].environmentFiles[].value"),
            Constraint::required("containerDefinitions[].environmentFiles[].type"),
            Constraint::one_of("containerDefinitions[].environmentFiles[].type", &["s3"]),
            Constraint::required("containerDefinitions[].secrets[].name"),
            Constraint::required("containerDefinitions[].secrets[].valueFrom"),
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
            Constraint::required("containerDefinitions[].firelensConfiguration.type"),
            Constraint::one_of(
                "containerDefinitions[].firelensConfiguration.type",
                &["fluentd", "fluentbit"],
            ),
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
            Constraint::required("containerDefinitions[].linuxParameters.devices[].hostPath"),
            Constraint::one_of(
                "containerDefinitions[].linuxParameters.devices[].permissions[]",
                &["read", "write", "mknod"],
            ),
            Constraint::required("containerDefinitions[].linuxParameters.tmpfs[].containerPath"),
            Constraint::required("containerDefinitions[].linuxParameters.tmpfs[].size"),
            Constraint::required("containerDefinitions[].dependsOn[].containerName"),
            Constraint::required("containerDefinitions[].dependsOn[].condition"),
            Constraint::one_of(
                "containerDefinitions[].dependsOn[].condition",
                &["START", "COMPLETE", "SUCCESS", "HEALTHY"],
            ),
            Constraint::required("containerDefinitions[].restartPolicy.enabled"),
            Constraint::required("volumes[].logDriverVolumeConfiguration.driver"),
            Constraint::one_of(
                "volumes[].logDriverVolumeConfiguration.driver",
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
            Constraint::one_of("pidMode", &["none", "shared"]),
            Constraint::one_of("ipcMode", &["none", "shared"]),
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
        operation: "StopServiceDeployment",
        constraints: &[
            Constraint::required("serviceDeploymentArn"),
            Constraint::one_of("stopType", &["ABORT", "ROLLBACK"]),
        ],
    },
    Input {
        operation: "StopTask",
        constraints: &[Constraint::required("task")],
    },
    Input {
        operation: "SubmitAttachmentStateChanges",
        constraints: &[
            Constraint::required_list("attachments"),
            Constraint::required("attachments[].attachmentArn"),
            Constraint::required("attachments[].status"),
        ],
    },
    Input {
        operation: "SubmitContainerStateChange",
        constraints: &[Constraint::one_of(
            "networkBindings[].protocol",
            &["tcp", "udp"],
        )],
    },
    Input {
        operation: "SubmitTaskStateChange",
        constraints: &[
            Constraint::one_of("containers[].networkBindings[].protocol", &["tcp", "udp"]),
            Constraint::required("attachments[].attachmentArn"),
            Constraint::required("attachments[].status"),
            Constraint::required("managedAgents[].containerName"),
            Constraint::required("managedAgents[].managedAgentName"),
            Constraint::one_of("managedAgents[].managedAgentName", &["ExecuteCommandAgent"]),
            Constraint::required("managedAgents[].status"),
        ],
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
        operation: "UpdateCapacityProvider",
        constraints: &[
            Constraint::required("name"),
            Constraint::one_of(
                "autoScalingGroupProvider.managedScaling.status",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::range(
                "autoScalingGroupProvider.managedScaling.targetCapacity",
                1,
                100,
            ),
            Constraint::range(
                "autoScalingGroupProvider.managedScaling.minimumScalingStepSize",
                1,
                10000,
            ),
            Constraint::range(
                "autoScalingGroupProvider.managedScaling.maximumScalingStepSize",
                1,
                10000,
            ),
            Constraint::range(
                "autoScalingGroupProvider.managedScaling.instanceWarmupPeriod",
                0,
                10000,
            ),
            Constraint::one_of(
                "autoScalingGroupProvider.managedTerminationProtection",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::one_of(
                "autoScalingGroupProvider.managedDraining",
                &["ENABLED", "DISABLED"],
            ),
            Constraint::required("managedInstancesProvider.infrastructureRoleArn"),
            Constraint::required("managedInstancesProvider.instanceLaunchTemplate"),
            Constraint::range(
                "managedInstancesProvider.instanceLaunchTemplate.storageConfiguration.storageSizeGiB",
                1,
                2147483647,
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.monitoring",
                &["BASIC", "DETAILED"],
            ),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.vCpuCount",
            ),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.vCpuCount.min",
            ),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.memoryMiB",
            ),
            Constraint::required(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.memoryMiB.min",
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.cpuManufacturers[]",
                &["intel", "amd", "amazon-web-services"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.instanceGenerations[]",
                &["current", "previous"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.bareMetal",
                &["included", "required", "excluded"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.burstablePerformance",
                &["included", "required", "excluded"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.localStorage",
                &["included", "required", "excluded"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.localStorageTypes[]",
                &["hdd", "ssd"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.acceleratorTypes[]",
                &["gpu", "fpga", "inference"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.acceleratorManufacturers[]",
                &["amazon-web-services", "amd", "nvidia", "xilinx", "habana"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.instanceRequirements.acceleratorNames[]",
                &[
                    "a100",
                    "inferentia",
                    "k520",
                    "k80",
                    "m60",
                    "radeon-pro-v520",
                    "t4",
                    "vu9p",
                    "v100",
                    "a10g",
                    "h100",
                    "t4g",
                    "l40s",
                    "l4",
                ],
            ),
            Constraint::one_of(
                "managedInstancesProvider.instanceLaunchTemplate.capacityReservations.reservationPreference",
                &[
                    "RESERVATIONS_ONLY",
                    "RESERVATIONS_FIRST",
                    "RESERVATIONS_EXCLUDED",
                ],
            ),
            Constraint::one_of(
                "managedInstancesProvider.propagateTags",
                &["CAPACITY_PROVIDER", "NONE"],
            ),
            Constraint::one_of(
                "managedInstancesProvider.autoRepairConfiguration.actionsStatus",
                &["ENABLED", "DISABLED"],
            ),
        ],
    },
    Input {
        operation: "UpdateCluster",
        constraints: &[
            Constraint::required("cluster"),
            Constraint::one_of("settings[].name", &["containerInsights"]),
            Constraint::one_of(
                "configuration.executeCommandConfiguration.logging",
                &["NONE", "DEFAULT", "OVERRIDE"],
            ),
            Constraint::required("serviceConnectDefaults.namespace"),
        ],
    },
    Input {
        operation: "UpdateClusterSettings",
        constraints: &[
            Constraint::required("cluster"),
            Constraint::required_list("settings"),
            Constraint::one_of("settings[].name", &["containerInsights"]),
        ],
    },
    Input {
        operation: "UpdateContainerAgent",
        constraints: &[Constraint::required("containerInstance")],
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
        operation: "UpdateDaemon",
        constraints: &[
            Constraint::required("daemonArn"),
            Constraint::required("daemonTaskDefinitionArn"),
            Constraint::required_list("capacityProviderArns"),
            Constraint::one_of("propagateTags", &["DAEMON", "NONE"]),
        ],
    },
    Input {
        operation: "UpdateExpressGatewayService",
        constraints: &[
            Constraint::required("serviceArn"),
            Constraint::required("primaryContainer.image"),
            Constraint::required("primaryContainer.awsLogsConfiguration.logGroup"),
            Constraint::required("primaryContainer.awsLogsConfiguration.logStreamPrefix"),
            Constraint::required("primaryContainer.secrets[].name"),
            Constraint::required("primaryContainer.secrets[].valueFrom"),
            Constraint::one_of("cpuArchitecture", &["X86_64", "ARM64"]),
            Constraint::one_of(
                "scalingTarget.autoScalingMetric",
                &["AVERAGE_CPU", "AVERAGE_MEMORY", "REQUEST_COUNT_PER_TARGET"],
            ),
        ],
    },
    Input {
        operation: "UpdateGateway",
        constraints: &[
            Constraint::required("gateway"),
            Constraint::required("configuration.hostSharedAlb.accessLogs.destination.s3.bucket"),
            Constraint::one_of(
                "configuration.hostSharedAlb.httpDesync",
                &["monitor", "defensive", "strictest"],
            ),
            Constraint::required("configuration.hostSharedAlb.testTrafficRules.header.name"),
            Constraint::required_list("configuration.hostSharedAlb.testTrafficRules.header.values"),
            Constraint::one_of("propagateTags", &["NONE", "GATEWAY"]),
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
    Input {
        operation: "UpdateServicePrimaryTaskSet",
        constraints: &[
            Constraint::required("cluster"),
            Constraint::required("service"),
            Constraint::required("primaryTaskSet"),
        ],
    },
    Input {
        operation: "UpdateTaskProtection",
        constraints: &[
            Constraint::required("cluster"),
            Constraint::required_list("tasks"),
            Constraint::required("protectionEnabled"),
        ],
    },
    Input {
        operation: "UpdateTaskSet",
        constraints: &[
            Constraint::required("cluster"),
            Constraint::required("service"),
            Constraint::required("taskSet"),
            Constraint::required("scale"),
            Constraint::one_of("scale.unit", &["PERCENT"]),
        ],
    },
];
