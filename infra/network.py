"""The private network of the engine: no way in or out but to AWS's own services."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

HTTPS = ec2.Port.tcp(443)


class Network(Construct):
    """Three zones without NAT. Only functions that talk to the engine are in it."""

    def __init__(self, scope: Construct, id: str, *, flow_log: logs.ILogGroup) -> None:
        super().__init__(scope, id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            # named by position: a lookup would need credentials at synth
            availability_zones=[cdk.Fn.select(zone, cdk.Fn.get_azs()) for zone in range(3)],
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Private", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=20
                )
            ],
            restrict_default_security_group=False,  # takes a function of its own; nothing uses it
        )
        self.vpc.add_flow_log(
            "Rejected",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_log),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        self.functions = self._security_group("Functions", "Functions that talk to the engine")
        # anywhere that routes lead to, which is the endpoints: DynamoDB's has no security group
        self.functions.add_egress_rule(ec2.Peer.any_ipv4(), HTTPS, "The engine and AWS endpoints")
        self.engine = self._security_group("Engine", "The OpenSearch domain")
        endpoints = self._security_group("Endpoints", "Interface endpoints of AWS services")
        for group in (self.engine, endpoints):
            group.add_ingress_rule(self.functions, HTTPS, "From functions")
        self.vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        self.vpc.add_interface_endpoint(
            "Sqs",
            service=ec2.InterfaceVpcEndpointAwsService.SQS,
            security_groups=[endpoints],
            open=False,
        )

    def _security_group(self, id: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, id, vpc=self.vpc, description=description, allow_all_outbound=False
        )
