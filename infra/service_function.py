"""A module of `functions` as a Lambda function: runtime, layers, logs, traces and alias."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import Context, StageConfig
from infra.findings import acknowledge
from infra.network import Network
from infra.routes import Function

RUNTIME = lambda_.Runtime.PYTHON_3_13
METRICS_NAMESPACE = "CrossSession"
NETWORK_INTERFACE_ACTIONS = (
    "AssignPrivateIpAddresses",
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "UnassignPrivateIpAddresses",
)
ARCHITECTURES = {
    "arm64": lambda_.Architecture.ARM_64,
    "x86_64": lambda_.Architecture.X86_64,
}


class ServiceFunction(Construct):
    """Whatever invokes it goes to `alias`: a published version, in which code and layers are
    frozen together. `role` may write the function's log and nothing else until more is granted.

    It has a `name` of its own, by which the Alarms stack watches it: a reference would keep it
    from being removed.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        module: str,
        function: Function,
        config: StageConfig,
        context: Context,
        code: lambda_.Code,
        layers: Sequence[lambda_.ILayerVersion],
        environment: Mapping[str, str],
        role_path: str,
        snap_start: bool,
        network: Network | None,
    ) -> None:
        super().__init__(scope, id)
        self.name = f"{config.service}-{module}"
        log = logs.LogGroup(
            self,
            "Log",
            retention=config.log_retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            path=role_path,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        log.grant_write(self.role)
        if network:
            self.role.add_to_policy(
                iam.PolicyStatement(
                    actions=[f"ec2:{action}" for action in NETWORK_INTERFACE_ACTIONS],
                    resources=["*"],
                )
            )
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=self.name,
            runtime=RUNTIME,
            architecture=ARCHITECTURES[context.architecture],
            handler=f"functions.{module}.handler",
            code=code,
            layers=layers,
            memory_size=function.memory_mb,
            timeout=cdk.Duration.seconds(function.timeout_seconds),
            reserved_concurrent_executions=1 if function.alone and config.reserves else None,
            environment={
                "POWERTOOLS_SERVICE_NAME": config.service,
                "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
                "POWERTOOLS_LOG_LEVEL": "INFO",
                **environment,
            },
            role=self.role,
            log_group=log,
            tracing=lambda_.Tracing.ACTIVE,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if snap_start else None,
            vpc=network.vpc if network else None,
            security_groups=[network.functions] if network else None,
        )
        self.alias = lambda_.Alias(
            self, "Live", alias_name="live", version=self.function.current_version
        )
        if snap_start:
            acknowledge(
                self.function,
                "Annotation::@aws-cdk/aws-lambda:snapStartRequirePublish",
                "The alias is a published version.",
            )
        acknowledge(
            self.role,
            "AwsSolutions::AwsSolutions-IAM5[Resource::*]",
            "X-Ray has no resources to name, nor have the network interfaces that Lambda makes "
            "for a function in a VPC.",
        )
        for rule in ("AwsSolutions::AwsSolutions-L1", "Serverless::Serverless-LambdaLatestVersion"):
            acknowledge(
                self.function,
                rule,
                "The layers hold compiled code for this runtime, and are tested with it.",
            )
        acknowledge(
            self.function,
            "Serverless::Serverless-LambdaDLQ",
            "Requests and queues wait for the answer and know of a failure; what a schedule "
            "starts, its next run does again.",
        )
