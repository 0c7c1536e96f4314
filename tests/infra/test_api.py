"""What answers, who may call it, and what it may reach."""

import json
import re
from typing import Any

import pytest

from infra.routes import (
    AUTHORIZER,
    AUTHORIZER_CACHE_SECONDS,
    DEFAULT_FUNCTION,
    FUNCTIONS,
    PREFLIGHT,
    QUEUES,
    ROUTES,
    SCHEDULES,
)
from infra.storage import construct_id
from tests.infra.conftest import Synthesize, Synthesized, as_list

WITHOUT_RESOURCES = {  # AWS knows nothing narrower for these than "*"
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


def routes_of(stage: Synthesized) -> dict[str, dict[str, Any]]:
    return {one["RouteKey"]: one for one in stage.properties("Api", "ApiGatewayV2::Route")}


def variables_of(stage: Synthesized, module: str) -> dict[str, Any]:
    variables: dict[str, Any] = stage.function(module)["Environment"]["Variables"]
    return variables


def layers_of(stage: Synthesized, module: str) -> set[str]:
    """Their logical ids, without the hash at the end."""
    return {layer["Ref"][:-8] for layer in stage.function(module)["Layers"]}


def test_the_api_has_the_routes_of_the_local_server(stage: Synthesized) -> None:
    expected = {f"{route.method} {route.path}" for route in (*ROUTES, PREFLIGHT)}

    assert routes_of(stage).keys() == expected | {"$default"}


def test_a_route_leads_to_its_function(stage: Synthesized) -> None:
    integrations = stage.resources("Api", "ApiGatewayV2::Integration")
    aliases = stage.resources("Api", "Lambda::Alias")
    functions = stage.resources("Api", "Lambda::Function")
    expected = {f"{route.method} {route.path}": route.function for route in (*ROUTES, PREFLIGHT)}

    for key, route in routes_of(stage).items():
        integration = integrations[route["Target"]["Fn::Join"][1][-1]["Ref"]]["Properties"]
        alias = aliases[integration["IntegrationUri"]["Ref"]]["Properties"]
        function = functions[alias["FunctionName"]["Ref"]]["Properties"]
        module = expected.get(key, DEFAULT_FUNCTION)
        assert (alias["Name"], function["Handler"]) == ("live", f"functions.{module}.handler")
        assert integration["PayloadFormatVersion"] == "2.0"


def test_whoever_starts_a_function_starts_its_published_version(dev: Synthesized) -> None:
    aliases = dev.resources("Api", "Lambda::Alias")
    [authorizer] = dev.properties("Api", "ApiGatewayV2::Authorizer")
    schedules = dev.properties("Api", "Scheduler::Schedule")
    queues = dev.properties("Api", "Lambda::EventSourceMapping")

    targets = [
        *(one["IntegrationUri"] for one in dev.properties("Api", "ApiGatewayV2::Integration")),
        authorizer["AuthorizerUri"],
        *(schedule["Target"]["Arn"] for schedule in schedules),
        *(queue["FunctionName"] for queue in queues),
    ]

    assert (len(schedules), len(queues)) == (len(SCHEDULES), len(QUEUES))
    assert all(any(f"'{alias}'" in str(target) for alias in aliases) for target in targets)
    versions = dev.resources("Api", "Lambda::Version")
    for alias in aliases.values():
        assert alias["Properties"]["FunctionVersion"]["Fn::GetAtt"][0] in versions


def test_every_route_that_is_not_public_has_the_authorizer(stage: Synthesized) -> None:
    [authorizer] = stage.resources("Api", "ApiGatewayV2::Authorizer")
    public = {f"{route.method} {route.path}" for route in (*ROUTES, PREFLIGHT) if route.public}

    for key, route in routes_of(stage).items():
        if key in public:
            assert route["AuthorizationType"] == "NONE"
        else:
            assert route["AuthorizationType"] == "CUSTOM"
            assert route["AuthorizerId"] == {"Ref": authorizer}


def test_the_authorizer_is_asked_once_a_minute_and_credential(stage: Synthesized) -> None:
    [authorizer] = stage.properties("Api", "ApiGatewayV2::Authorizer")

    assert authorizer["AuthorizerType"] == "REQUEST"
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    assert authorizer["AuthorizerResultTtlInSeconds"] == AUTHORIZER_CACHE_SECONDS
    assert authorizer["AuthorizerPayloadFormatVersion"] == "2.0"
    assert authorizer["EnableSimpleResponses"] is True


def test_a_browser_may_call_from_any_page_with_a_key_but_without_cookies(
    stage: Synthesized,
) -> None:
    [api] = stage.properties("Api", "ApiGatewayV2::Api")
    cors = api["CorsConfiguration"]

    assert cors["AllowOrigins"] == ["*"]
    assert {"Authorization", "Content-Type", "Idempotency-Key"} <= set(cors["AllowHeaders"])
    assert not cors.get("AllowCredentials")


def test_the_stage_lets_only_so_much_through(stage: Synthesized) -> None:
    [deployed] = stage.properties("Api", "ApiGatewayV2::Stage")
    settings = deployed["DefaultRouteSettings"]

    assert settings["ThrottlingRateLimit"] > 0
    assert settings["ThrottlingBurstLimit"] > 0


def test_the_access_log_holds_nothing_that_users_wrote(stage: Synthesized) -> None:
    [deployed] = stage.properties("Api", "ApiGatewayV2::Stage")
    written = json.loads(deployed["AccessLogSettings"]["Format"]).values()

    assert {"$context.requestId", "$context.routeKey", "$context.status"} <= set(written)
    for variable in written:
        assert "path" not in variable.lower()
        assert "query" not in variable.lower()
        assert "body" not in variable.lower()


def test_logs_end(stage: Synthesized) -> None:
    for stack in ("Storage", "Api"):
        for log in stage.properties(stack, "Logs::LogGroup"):
            assert 0 < log["RetentionInDays"] <= 90


def test_every_function_logs_into_a_group_that_ends(stage: Synthesized) -> None:
    groups = stage.resources("Api", "Logs::LogGroup")

    for function in stage.properties("Api", "Lambda::Function"):
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_functions_run_on_arm_with_traces(stage: Synthesized) -> None:
    for function in stage.properties("Api", "Lambda::Function"):
        assert function["Architectures"] == ["arm64"]
        assert function["Runtime"] == "python3.13"
        assert function["TracingConfig"] == {"Mode": "Active"}


def test_only_functions_that_embed_carry_the_model(stage: Synthesized) -> None:
    for name, function in FUNCTIONS.items():
        expected = {"DependenciesLayer", "ContextLayer"}
        expected |= {"InferenceLayer", "ModelLayer"} if function.model else set()
        assert layers_of(stage, name) == expected


def test_a_change_in_a_layer_alone_is_a_new_version_of_the_functions_that_have_it(
    synthesize: Synthesize, dev: Synthesized
) -> None:
    with_model = {name for name, function in FUNCTIONS.items() if function.model}

    changed = synthesize("dev", changed="model")

    before, after = versions(dev), versions(changed)
    assert {name for name in FUNCTIONS if before[name] != after[name]} == with_model


def versions(stage: Synthesized) -> dict[str, str]:
    """Each function's published version, by logical id: a new id is a new version."""
    functions = stage.resources("Api", "Lambda::Function")
    return {
        functions[version["Properties"]["FunctionName"]["Ref"]]["Properties"]["Handler"].split(".")[
            1
        ]: id
        for id, version in stage.resources("Api", "Lambda::Version").items()
    }


def test_no_role_may_do_everything_or_reach_everything(
    stage: Synthesized,
) -> None:
    for policy in stage.properties("Api", "IAM::Policy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = as_list(statement["Action"])
            assert not [action for action in actions if "*" in action]
            if "*" in as_list(statement["Resource"]):
                assert set(actions) <= WITHOUT_RESOURCES
    for role in stage.properties("Api", "IAM::Role"):
        assert "ManagedPolicyArns" not in role


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_reaches_only_what_it_says(stage: Synthesized, name: str) -> None:
    function = FUNCTIONS[name]
    reads = {"BatchGetItem", "ConditionCheckItem", "GetItem", "Query"}
    writes = {"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"}
    of_table = {None: set(), "read": reads, "write": reads | writes}
    methods = {"ESHttpGet", "ESHttpHead", "ESHttpPost", "ESHttpPut"}
    of_engine = {None: set(), "documents": methods, "indices": methods | {"ESHttpDelete"}}

    assert stage.actions(name, "dynamodb") == of_table[function.table]
    assert stage.actions(name, "es") == of_engine[function.engine]
    assert ("SendMessage" in stage.actions(name, "sqs")) == bool(
        function.sends_to or function.redrives
    )


def test_the_engines_documents_are_reached_below_their_own_paths_only(stage: Synthesized) -> None:
    [statement] = [one for one in stage.statements("memories") if "es:ESHttpPost" in one["Action"]]

    paths = {resource["Fn::Join"][1][-1] for resource in statement["Resource"]}

    domain = f":domain/cross-session-{stage.stage}"
    assert paths == {f"{domain}/memories*", f"{domain}/_msearch"}


def test_only_functions_that_reach_the_engine_are_in_its_network(prod: Synthesized) -> None:
    for name, function in FUNCTIONS.items():
        assert ("VpcConfig" in prod.function(name)) == (function.engine is not None)
        assert ("CreateNetworkInterface" in prod.actions(name, "ec2")) == (
            function.engine is not None
        )


def test_the_authorizer_can_fetch_keys_of_issuers_from_the_internet(prod: Synthesized) -> None:
    assert "VpcConfig" not in prod.function(AUTHORIZER)


def test_functions_are_told_where_things_are(stage: Synthesized) -> None:
    variables = variables_of(stage, "memories")

    assert {
        "EMBEDDING_THREADS",
        "MODEL_DIR",
        "OPENSEARCH_REPLICAS",
        "OPENSEARCH_SHARDS",
        "OPENSEARCH_SIGNING",
        "OPENSEARCH_URL",
        "POWERTOOLS_LOG_LEVEL",
        "POWERTOOLS_METRICS_NAMESPACE",
        "POWERTOOLS_SERVICE_NAME",
        "SPILL_QUEUE_URL",
        "TABLE_NAME",
    } == variables.keys()
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "CrossSession"
    assert variables["OPENSEARCH_URL"]["Fn::Join"][1][0] == "https://"
    assert "OPENSEARCH_URL" not in variables_of(stage, "sessions")
    assert "SPILL_QUEUE_URL" not in variables_of(stage, "sessions")
    assert "ENDED_SESSIONS_QUEUE_URL" in variables_of(stage, "sessions")
    assert "ENDED_SESSIONS_QUEUE_URL" in variables_of(stage, "sweep")
    assert "OIDC_ISSUER" not in variables_of(stage, AUTHORIZER)


def test_prod_restores_what_people_wait_for_from_snapshots(
    prod: Synthesized, dev: Synthesized
) -> None:
    waited_for = {AUTHORIZER, DEFAULT_FUNCTION} | {route.function for route in ROUTES}

    for name in FUNCTIONS:
        assert ("SnapStart" in prod.function(name)) == (name in waited_for)
        assert "SnapStart" not in dev.function(name)


def test_in_prod_no_two_migrations_run_at_a_time(prod: Synthesized, dev: Synthesized) -> None:
    for name, function in FUNCTIONS.items():
        reserved = prod.function(name).get("ReservedConcurrentExecutions")
        assert reserved == (1 if function.alone else None)
        assert "ReservedConcurrentExecutions" not in dev.function(name)
    assert FUNCTIONS["migrate_index"].alone


def fed_by(mapping: dict[str, Any]) -> tuple[str, str]:
    """The logical ids of the queue and of the function, without what surrounds them."""
    queue = re.search(r"GetAtt(\w+Queue)", str(mapping["EventSourceArn"]))
    function = re.search(r"'Ref': '(\w+)Live", str(mapping["FunctionName"]))
    assert queue
    assert function
    return queue[1], function[1]


def test_a_function_can_be_removed_although_alarms_watch_it(stage: Synthesized) -> None:
    functions = stage.resources("Api", "Lambda::Function")
    outputs = stage.template("Api").to_json()["Outputs"].values()

    exported = [str(output["Value"]) for output in outputs if "Export" in output]

    assert not [value for value in exported if any(f"'{id}'" in value for id in functions)]


def test_what_starts_a_function_and_what_it_may_do_follow_from_its_entry(dev: Synthesized) -> None:
    queues = dev.properties("Api", "Lambda::EventSourceMapping")
    redriven = variables_of(dev, "redrive")

    assert dev.findings == []
    assert all(queue["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for queue in queues)
    assert sorted(fed_by(queue) for queue in queues) == sorted(
        (f"{construct_id(queue.name)}Queue", construct_id(queue.consumer)) for queue in QUEUES
    )
    assert {"MigrateIndexFunction", "RedriveFunction"} <= dev.outputs("Api")
    assert {
        variable
        for queue in QUEUES
        for variable in (queue.url_variable, queue.dead_letters_url_variable)
    } <= redriven.keys()
    assert dev.actions("redrive", "sqs") == {
        "DeleteMessage",
        "GetQueueAttributes",
        "ReceiveMessage",
        "SendMessage",
    }
    assert "ESHttpDelete" in dev.actions("migrate_index", "es")
    assert "ChangeMessageVisibility" in dev.actions("index_memories", "sqs")


def test_the_client_layer_stays_for_functions_of_others(stage: Synthesized) -> None:
    [client] = [
        layer
        for id, layer in stage.resources("Api", "Lambda::LayerVersion").items()
        if id.startswith("Client")
    ]

    assert client["DeletionPolicy"] == "Retain"
    assert {"ApiUrl", "ClientLayerArn"} <= stage.outputs("Api")


@pytest.fixture(scope="module")
def chosen(synthesize: Synthesize) -> Synthesized:
    """A stage with everything that the command line can say."""
    return synthesize(
        "dev",
        oidc_issuer="https://login.example.com/",
        oidc_audience="app-1,app-2",
        summary_model="amazon.nova-micro-v1:0",
        domain_name="memory.example.com",
        certificate_arn="arn:aws:acm:eu-west-1:111122223333:certificate/1",
        hosted_zone_id="Z1",
        architecture="x86_64",
        model_dir="/somewhere/e5-small-v2",
        opensearch_scheme="http",
    )


def test_an_issuers_tokens_are_good_where_it_is_named(chosen: Synthesized) -> None:
    variables = variables_of(chosen, AUTHORIZER)

    assert variables["OIDC_ISSUER"] == "https://login.example.com/"
    assert variables["OIDC_AUDIENCE"] == "app-1,app-2"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_model_that_is_named_can_be_asked_by_functions_that_sum_up(
    chosen: Synthesized, stage: Synthesized, name: str
) -> None:
    summarizes = FUNCTIONS[name].summarizes

    assert chosen.actions(name, "bedrock") == ({"InvokeModel"} if summarizes else set())
    assert ("BEDROCK_SUMMARY_MODEL" in variables_of(chosen, name)) == summarizes
    assert stage.actions(name, "bedrock") == set()


def test_the_api_can_have_an_address_of_ones_own(chosen: Synthesized) -> None:
    [domain] = chosen.properties("Api", "ApiGatewayV2::DomainName")
    [record] = chosen.properties("Api", "Route53::RecordSet")
    url = chosen.template("Api").to_json()["Outputs"]["ApiUrl"]["Value"]

    assert domain["DomainName"] == "memory.example.com"
    assert domain["DomainNameConfigurations"][0]["SecurityPolicy"] == "TLS_1_2"
    assert (record["Name"], record["Type"]) == ("memory.example.com.", "A")
    assert url == "https://memory.example.com"
    assert len(chosen.resources("Api", "ApiGatewayV2::ApiMapping")) == 1


def test_an_emulator_gets_what_is_otherwise_there(chosen: Synthesized) -> None:
    variables = variables_of(chosen, "memories")

    assert chosen.function("memories")["Architectures"] == ["x86_64"]
    assert variables["MODEL_DIR"] == "/somewhere/e5-small-v2"
    assert variables["OPENSEARCH_URL"]["Fn::Join"][1][0] == "http://"
