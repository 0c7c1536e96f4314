"""What answers: the HTTP API, its functions, and what each of them may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_certificatemanager as certificates
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as route53_targets
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.config import Context, StageConfig
from infra.findings import acknowledge
from infra.routes import (
    AUTHORIZER,
    AUTHORIZER_CACHE_SECONDS,
    DEFAULT_FUNCTION,
    FUNCTIONS,
    PREFLIGHT,
    QUEUES,
    ROUTES,
    SCHEDULES,
    Function,
)
from infra.service_function import ARCHITECTURES, RUNTIME, ServiceFunction
from infra.storage import Storage, construct_id
from infra.table import TABLE

TABLE_READS = ("BatchGetItem", "ConditionCheckItem", "GetItem", "Query")
TABLE_WRITES = ("BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem")

ANSWERING = {AUTHORIZER, DEFAULT_FUNCTION} | {route.function for route in ROUTES}

# What a request leaves in the log. Paths, queries and bodies hold names and memories: not these.
ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latencyMs": "$context.responseLatency",
    "functionMs": "$context.integrationLatency",
    "authorizerMs": "$context.authorizer.latency",
    "responseBytes": "$context.responseLength",
    "error": "$context.error.message",
    "functionError": "$context.integrationErrorMessage",
    "authorizerError": "$context.authorizer.error",
    "tenant": "$context.authorizer.tenant",
    "keyId": "$context.authorizer.key_id",
    "userAgent": "$context.identity.userAgent",
}

EXPOSED_HEADERS = [
    "Idempotency-Replayed",
    "Retry-After",
    "X-Quota-Limit",
    "X-Quota-Used",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
]


@dataclass(frozen=True)
class Assets:
    """The folders that become zips: the functions' code, and each layer by its name."""

    functions: Path
    layers: Mapping[str, Path]


class Api(cdk.Stack):
    """Stateless: deleted and deployed again, it is the same."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        context: Context,
        storage: Storage,
        assets: Assets,
        **options: Any,
    ) -> None:
        super().__init__(scope, id, **options)
        self.add_stack_dependency(storage)
        self._config = config
        self._context = context
        self._storage = storage
        self._layers = {name: self._layer(name, path) for name, path in assets.layers.items()}
        self._code = lambda_.Code.from_asset(str(assets.functions))
        endpoint = ssm.StringParameter.value_for_string_parameter(self, storage.endpoint_parameter)
        self._engine_url = f"{context.opensearch_scheme}://{endpoint}"
        self.functions = {name: self._function(name, FUNCTIONS[name]) for name in FUNCTIONS}
        self._attach_queues()
        self._attach_schedules()
        self.http_api = self._http_api()
        self._attach_routes()
        self._outputs()

    def _layer(self, name: str, path: Path) -> lambda_.LayerVersion:
        """The client's versions stay for ever: users' own functions name them."""
        return lambda_.LayerVersion(
            self,
            f"{construct_id(name)}Layer",
            code=lambda_.Code.from_asset(str(path)),
            compatible_architectures=[ARCHITECTURES[self._context.architecture]],
            compatible_runtimes=[RUNTIME],
            removal_policy=(
                cdk.RemovalPolicy.RETAIN if name == "client" else cdk.RemovalPolicy.DESTROY
            ),
        )

    def _function(self, name: str, function: Function) -> ServiceFunction:
        layers = ["dependencies", "context"]
        if function.model:
            layers += ["inference", "model"]
        built = ServiceFunction(
            self,
            construct_id(name),
            module=name,
            function=function,
            config=self._config,
            context=self._context,
            code=self._code,
            layers=[self._layers[layer] for layer in layers],
            environment=self._environment(name, function),
            role_path=self._storage.role_path,
            # no restart in what nobody waits for is worth a snapshot's price
            snap_start=self._config.snap_start and name in ANSWERING,
            network=self._storage.network if function.engine else None,
        )
        self._grant(built, function)
        return built

    def _environment(self, name: str, function: Function) -> dict[str, str]:
        engine = self._config.engine
        variables: dict[str, str] = {}
        if function.table:
            variables["TABLE_NAME"] = self._storage.table.table_name
        if function.engine:
            variables |= {
                "OPENSEARCH_URL": self._engine_url,
                "OPENSEARCH_SHARDS": str(engine.shards),
                "OPENSEARCH_REPLICAS": str(engine.replicas),
                "OPENSEARCH_SIGNING": "aws",
            }
        if function.model:
            variables |= {"MODEL_DIR": self._context.model_dir, "EMBEDDING_THREADS": "1"}
        if function.summarizes and self._context.summary_model:
            variables["BEDROCK_SUMMARY_MODEL"] = self._context.summary_model
        for queue in QUEUES:
            if queue.name in (*function.sends_to, *function.redrives):
                variables[queue.url_variable] = self._storage.queues[queue.name].queue_url
            if queue.name in function.redrives:
                dead_letters = self._storage.dead_letter_queues[queue.name]
                variables[queue.dead_letters_url_variable] = dead_letters.queue_url
        if name == AUTHORIZER and self._context.oidc_issuer and self._context.oidc_audience:
            variables |= {
                "OIDC_ISSUER": self._context.oidc_issuer,
                "OIDC_AUDIENCE": self._context.oidc_audience,
            }
        return variables

    def _grant(self, built: ServiceFunction, function: Function) -> None:
        """What `function` says, action by action: the constructs' own grants give more."""
        storage, role = self._storage, built.role
        key_actions: set[str] = set()
        if function.table:
            actions = TABLE_READS + (TABLE_WRITES if function.table == "write" else ())
            indexes = [index["IndexName"] for index in TABLE["GlobalSecondaryIndexes"]]
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=[f"dynamodb:{action}" for action in actions],
                    resources=[
                        storage.table.table_arn,
                        *(f"{storage.table.table_arn}/index/{index}" for index in indexes),
                    ],
                )
            )
            key_actions |= {"Decrypt", "DescribeKey"}
            if function.table == "write":
                key_actions |= {"Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"}
        if function.engine:
            self._grant_engine(built, function.engine)
        if function.summarizes and self._context.summary_model:
            model = self.format_arn(
                service="bedrock",
                account="",
                resource="foundation-model",
                resource_name=self._context.summary_model,
            )
            role.add_to_policy(
                iam.PolicyStatement(actions=["bedrock:InvokeModel"], resources=[model])
            )
        for name in (*function.sends_to, *function.redrives):
            storage.queues[name].grant(role, "sqs:SendMessage")
            key_actions |= {"Decrypt", "GenerateDataKey"}
        for name in function.redrives:
            storage.dead_letter_queues[name].grant(
                role,
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            )
        if storage.key and key_actions:
            storage.key.grant(role, *(f"kms:{action}" for action in sorted(key_actions)))

    def _grant_engine(self, built: ServiceFunction, reach: str) -> None:
        methods, paths = {
            "documents": (("Get", "Head", "Post", "Put"), ("memories*", "_msearch")),
            "indices": (("Delete", "Get", "Head", "Post", "Put"), ("*",)),
        }[reach]
        resources = [
            self.format_arn(
                service="es", resource="domain", resource_name=f"{self._config.engine.name}/{path}"
            )
            for path in paths
        ]
        built.role.add_to_policy(
            iam.PolicyStatement(
                actions=[f"es:ESHttp{method}" for method in methods], resources=resources
            )
        )
        widest = f"domain/{self._config.engine.name}/{paths[0]}"
        acknowledge(
            built.role,
            "AwsSolutions::AwsSolutions-IAM5[Resource::"
            f"arn:<AWS::Partition>:es:<AWS::Region>:<AWS::AccountId>:{widest}]",
            "One domain's paths: those of the indices of memories, or all of them for a function "
            "that makes and removes indices.",
        )

    def _attach_queues(self) -> None:
        for queue in QUEUES:
            alias = self.functions[queue.consumer].alias
            alias.add_event_source(
                event_sources.SqsEventSource(
                    self._storage.queues[queue.name],
                    batch_size=queue.batch_size,
                    max_concurrency=queue.max_concurrency,
                    report_batch_item_failures=True,
                )
            )
            acknowledge(
                alias,
                "Serverless::Serverless-LambdaEventSourceMappingDestination",
                "A queue's failures go to its dead-letter queue; Lambda has no other for them.",
            )

    def _attach_schedules(self) -> None:
        for schedule in SCHEDULES:
            scheduler.Schedule(
                self,
                f"{construct_id(schedule.function)}Schedule",
                schedule=scheduler.ScheduleExpression.rate(
                    cdk.Duration.seconds(schedule.every_seconds)
                ),
                # no second try: the next time does what this one could not
                target=scheduler_targets.LambdaInvoke(
                    self.functions[schedule.function].alias, retry_attempts=0
                ),
            )

    def _http_api(self) -> apigateway.HttpApi:
        api = apigateway.HttpApi(
            self,
            "HttpApi",
            api_name=self._config.service,
            create_default_stage=False,
            # Any origin: callers are known by a header that no browser adds by itself.
            cors_preflight=apigateway.CorsPreflightOptions(
                allow_origins=["*"],
                allow_methods=[apigateway.CorsHttpMethod.ANY],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
                expose_headers=EXPOSED_HEADERS,
                max_age=cdk.Duration.hours(2),
            ),
        )
        stage = api.add_stage(
            "Stage",
            auto_deploy=True,
            detailed_metrics_enabled=True,
            throttle=apigateway.ThrottleSettings(
                rate_limit=self._config.requests_per_second, burst_limit=self._config.burst
            ),
            domain_mapping=self._domain_mapping(),
        )
        access_log = logs.LogGroup(
            self,
            "AccessLog",
            retention=self._config.log_retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        resource = cast("apigateway.CfnStage", stage.node.default_child)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=access_log.log_group_arn, format=self.to_json_string(ACCESS_LOG)
        )
        self.url = (
            f"https://{self._context.domain_name}"
            if self._context.domain_name
            else api.api_endpoint
        )
        return api

    def _domain_mapping(self) -> apigateway.DomainMappingOptions | None:
        name, certificate = self._context.domain_name, self._context.certificate_arn
        if name is None or certificate is None:
            return None
        domain = apigateway.DomainName(
            self,
            "DomainName",
            domain_name=name,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
            certificate=certificates.Certificate.from_certificate_arn(
                self, "Certificate", certificate
            ),
        )
        if self._context.hosted_zone_id:
            route53.ARecord(
                self,
                "DomainRecord",
                record_name=f"{name}.",
                zone=route53.HostedZone.from_hosted_zone_id(
                    self, "HostedZone", self._context.hosted_zone_id
                ),
                target=route53.RecordTarget.from_alias(
                    route53_targets.ApiGatewayv2DomainProperties(
                        domain.regional_domain_name, domain.regional_hosted_zone_id
                    )
                ),
            )
        return apigateway.DomainMappingOptions(domain_name=domain)

    def _attach_routes(self) -> None:
        authorizer = authorizers.HttpLambdaAuthorizer(
            "Authorizer",
            self.functions[AUTHORIZER].alias,
            identity_source=["$request.header.Authorization"],
            response_types=[authorizers.HttpLambdaResponseType.SIMPLE],
            results_cache_ttl=cdk.Duration.seconds(AUTHORIZER_CACHE_SECONDS),
        )
        answered_by = {
            name: integrations.HttpLambdaIntegration(
                construct_id(name), self.functions[name].alias, scope_permission_to_route=False
            )
            for name in sorted(ANSWERING - {AUTHORIZER})
        }
        for route in (*ROUTES, PREFLIGHT):
            added = self.http_api.add_routes(
                path=route.path,
                methods=[apigateway.HttpMethod[route.method]],
                integration=answered_by[route.function],
                authorizer=apigateway.HttpNoneAuthorizer() if route.public else authorizer,
            )
            if route.public:
                acknowledge(
                    added[0], "AwsSolutions::AwsSolutions-APIG4", "It tells nothing of anyone."
                )
        apigateway.HttpRoute(
            self,
            "Default",
            http_api=self.http_api,
            route_key=apigateway.HttpRouteKey.DEFAULT,
            integration=answered_by[DEFAULT_FUNCTION],
            authorizer=authorizer,
        )

    def _outputs(self) -> None:
        cdk.CfnOutput(self, "ApiUrl", value=self.url)
        cdk.CfnOutput(self, "ClientLayerArn", value=self._layers["client"].layer_version_arn)
        scheduled = {schedule.function for schedule in SCHEDULES}
        consumers = {queue.consumer for queue in QUEUES}
        for name in sorted(self.functions.keys() - ANSWERING - scheduled - consumers):
            cdk.CfnOutput(
                self,
                f"{construct_id(name)}Function",
                description="To be invoked on demand",
                value=self.functions[name].alias.function_name,
            )
