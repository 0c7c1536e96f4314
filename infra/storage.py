"""What the service keeps: the table, the engine, the queues, and the network around the engine."""

from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_opensearchservice as opensearch
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.config import StageConfig
from infra.findings import acknowledge
from infra.network import Network
from infra.routes import QUEUES, Queue
from infra.table import TABLE, TTL_ATTRIBUTE

SQS_LONGEST = cdk.Duration.days(14)


class Storage(cdk.Stack):
    """Stateful. Where the stage retains, no deletion of the stack touches what is in here.

    The Api stack takes the table, the queues, the key and the network by plain references: the
    exports keep CloudFormation from removing what functions use. The engine's endpoint goes
    through a parameter instead, because an engine is replaced now and then (a new name in the
    config), which an export in use would forbid. The parameter's name holds the engine's, so a
    new engine changes the functions' templates, and with them their published versions.
    """

    def __init__(self, scope: Construct, id: str, *, config: StageConfig, **options: Any) -> None:
        super().__init__(scope, id, **options)
        self._config = config
        self.role_path = f"/cross-session/{config.name}/"
        self._removal = cdk.RemovalPolicy.RETAIN if config.retain else cdk.RemovalPolicy.DESTROY
        self.key = self._key() if config.customer_key else None
        self.table = self._table()
        self.dead_letter_queues = {queue.name: self._dead_letter_queue(queue) for queue in QUEUES}
        self.queues = {queue.name: self._queue(queue) for queue in QUEUES}
        self.network = self._network() if config.private else None
        domain = self._domain()
        self.endpoint_parameter = f"/cross-session/{config.name}/{config.engine.name}/endpoint"
        ssm.StringParameter(
            self,
            "Endpoint",
            parameter_name=self.endpoint_parameter,
            string_value=domain.domain_endpoint,
        )
        outputs = {"TableName": self.table.table_name, "DomainEndpoint": domain.domain_endpoint}
        for queue in QUEUES:
            name = construct_id(queue.name)
            outputs[f"{name}QueueUrl"] = self.queues[queue.name].queue_url
            outputs[f"{name}DeadLetterQueueUrl"] = self.dead_letter_queues[queue.name].queue_url
        for name, value in outputs.items():
            cdk.CfnOutput(self, name, value=value)

    def _key(self) -> kms.Key:
        return kms.Key(
            self,
            "Key",
            description="Memories, sessions and queued writes of Cross-Session Context",
            enable_key_rotation=True,
            removal_policy=self._removal,
        )

    def _table(self) -> dynamodb.Table:
        """Not a TableV2: with a key of one's own that wants to know its region at synth."""
        types = {
            one["AttributeName"]: one["AttributeType"] for one in TABLE["AttributeDefinitions"]
        }

        def attribute(name: str) -> dynamodb.Attribute:
            return dynamodb.Attribute(name=name, type=_TYPES[types[name]])

        partition, sort = (key["AttributeName"] for key in TABLE["KeySchema"])
        table = dynamodb.Table(
            self,
            "Table",
            partition_key=attribute(partition),
            sort_key=attribute(sort),
            billing_mode=dynamodb.BillingMode(TABLE["BillingMode"]),
            time_to_live_attribute=TTL_ATTRIBUTE,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=(
                dynamodb.TableEncryption.CUSTOMER_MANAGED
                if self.key
                else dynamodb.TableEncryption.DEFAULT
            ),
            encryption_key=self.key,
            deletion_protection=self._config.retain,
            removal_policy=self._removal,
        )
        for index in TABLE["GlobalSecondaryIndexes"]:
            partition, sort = (key["AttributeName"] for key in index["KeySchema"])
            table.add_global_secondary_index(
                index_name=index["IndexName"],
                partition_key=attribute(partition),
                sort_key=attribute(sort),
            )
        return table

    def _dead_letter_queue(self, queue: Queue) -> sqs.Queue:
        dead_letters = sqs.Queue(
            self,
            f"{construct_id(queue.name)}DeadLetterQueue",
            retention_period=SQS_LONGEST,
            **self._of_every_queue(queue),
        )
        acknowledge(
            dead_letters, "Serverless::Serverless-SQSRedrivePolicy", "It is where dead letters end."
        )
        return dead_letters

    def _queue(self, queue: Queue) -> sqs.Queue:
        return sqs.Queue(
            self,
            f"{construct_id(queue.name)}Queue",
            retention_period=SQS_LONGEST,
            visibility_timeout=cdk.Duration.seconds(queue.visibility_seconds),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letter_queues[queue.name], max_receive_count=queue.max_receives
            ),
            # in order within a group of messages only, which is what lets it be fast
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP if queue.fifo else None,
            fifo_throughput_limit=(
                sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID if queue.fifo else None
            ),
            **self._of_every_queue(queue),
        )

    def _of_every_queue(self, queue: Queue) -> dict[str, Any]:
        return {
            "fifo": True if queue.fifo else None,  # CloudFormation refuses a false
            "encryption": sqs.QueueEncryption.KMS if self.key else sqs.QueueEncryption.SQS_MANAGED,
            "encryption_master_key": self.key,
            "data_key_reuse": cdk.Duration.hours(1) if self.key else None,
            "enforce_ssl": True,
            "removal_policy": self._removal,
        }

    def _network(self) -> Network:
        flow_log = logs.LogGroup(
            self,
            "RejectedTraffic",
            retention=self._config.log_retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        return Network(self, "Network", flow_log=flow_log)

    def _domain(self) -> opensearch.Domain:
        engine = self._config.engine
        domain = opensearch.Domain(
            self,
            "Domain",
            domain_name=engine.name,
            version=opensearch.EngineVersion.OPENSEARCH_3_5,
            capacity=opensearch.CapacityConfig(
                data_nodes=engine.data_nodes,
                data_node_instance_type=engine.data_instance,
                master_nodes=3 if engine.master_instance else None,
                master_node_instance_type=engine.master_instance,
                multi_az_with_standby_enabled=engine.three_zones,
            ),
            zone_awareness=opensearch.ZoneAwarenessConfig(
                enabled=engine.three_zones,
                availability_zone_count=3 if engine.three_zones else None,
            ),
            ebs=opensearch.EbsOptions(
                volume_size=engine.volume_gib, volume_type=ec2.EbsDeviceVolumeType.GP3
            ),
            encryption_at_rest=opensearch.EncryptionAtRestOptions(enabled=True, kms_key=self.key),
            node_to_node_encryption=True,
            enforce_https=True,
            tls_security_policy=opensearch.TLSSecurityPolicy.TLS_1_2_PFS,
            off_peak_window_enabled=True,
            enable_auto_software_update=True,
            enable_version_upgrade=True,  # in place, not by a new and empty domain
            vpc=self.network.vpc if self.network else None,
            vpc_subnets=[ec2.SubnetSelection(subnets=self.network.vpc.isolated_subnets)]
            if self.network
            else None,
            security_groups=[self.network.engine] if self.network else None,
            removal_policy=self._removal,
        )
        # the construct's own access_policies sets them by a Lambda function of its own
        resource = cast("opensearch.CfnDomain", domain.node.default_child)
        resource.access_policies = self._only_functions()
        acknowledge(
            domain,
            "AwsSolutions::AwsSolutions-OS3",
            "Functions have no fixed addresses. Who they are is checked, by their roles.",
        )
        for log in ("INDEX_SLOW_LOGS", "SEARCH_SLOW_LOGS"):
            acknowledge(
                domain,
                f"AwsSolutions::AwsSolutions-OS9[LogExport::{log}]",
                "Slow logs quote documents and queries: memories don't belong into logs.",
            )
        if not self._config.private:
            acknowledge(
                domain,
                "AwsSolutions::AwsSolutions-OS1",
                "Endpoints of a network cost more than this stage's engine; each request is "
                "signed, and only the stage's roles are let in.",
            )
        if not engine.three_zones:
            for rule in ("AwsSolutions::AwsSolutions-OS4", "AwsSolutions::AwsSolutions-OS7"):
                acknowledge(domain, rule, "One small node, whose loss this stage can bear.")
        return domain

    def _only_functions(self) -> iam.PolicyDocument:
        """Lets in the roles below the stage's path, each as far as its own policy goes.

        By path, since the roles are made later, and a policy can't name one that isn't there.
        """
        functions = self.format_arn(
            service="iam", region="", resource="role", resource_name=f"{self.role_path[1:]}*"
        )
        documents = self.format_arn(
            service="es", resource="domain", resource_name=f"{self._config.engine.name}/*"
        )
        return iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(
                    principals=[iam.AccountRootPrincipal()],
                    actions=["es:ESHttp*"],
                    resources=[documents],
                    conditions={"ArnLike": {"aws:PrincipalArn": functions}},
                ),
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["es:ESHttp*"],
                    resources=[documents],
                    conditions={"ArnNotLike": {"aws:PrincipalArn": functions}},
                ),
            ]
        )


def construct_id(name: str) -> str:
    """ended_sessions → EndedSessions"""
    return name.title().replace("_", "")


_TYPES = {"N": dynamodb.AttributeType.NUMBER, "S": dynamodb.AttributeType.STRING}
