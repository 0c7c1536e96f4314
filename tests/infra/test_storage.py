"""What the service keeps can't be lost, read by others, or taken by surprise."""

from typing import Any

import pytest

from infra.routes import FUNCTIONS, QUEUES, Function
from infra.table import TABLE
from tests.infra.conftest import Synthesized, as_list


def the_table(stage: Synthesized) -> dict[str, Any]:
    [table] = stage.resources("Storage", "DynamoDB::Table").values()
    return table


def the_domain(stage: Synthesized) -> dict[str, Any]:
    [domain] = stage.resources("Storage", "OpenSearchService::Domain").values()
    return domain


def test_the_table_can_be_brought_back_to_any_second(stage: Synthesized) -> None:
    table = the_table(stage)["Properties"]

    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_deployed_table_has_the_keys_of_the_local_one(stage: Synthesized) -> None:
    table = the_table(stage)["Properties"]

    assert table["KeySchema"] == TABLE["KeySchema"]
    assert table["GlobalSecondaryIndexes"] == TABLE["GlobalSecondaryIndexes"]
    assert table["BillingMode"] == TABLE["BillingMode"]


def test_items_expire_by_their_ttl(stage: Synthesized) -> None:
    table = the_table(stage)["Properties"]

    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}


def test_prod_keeps_what_it_has_when_its_stacks_are_deleted(prod: Synthesized) -> None:
    kinds = ("DynamoDB::Table", "OpenSearchService::Domain", "SQS::Queue", "KMS::Key")
    kept = [one for kind in kinds for one in prod.resources("Storage", kind).values()]

    assert {one["DeletionPolicy"] for one in kept} == {"Retain"}
    assert {one["UpdateReplacePolicy"] for one in kept} == {"Retain"}
    assert the_table(prod)["Properties"]["DeletionProtectionEnabled"] is True


def test_dev_goes_without_a_trace(dev: Synthesized) -> None:
    kinds = ("DynamoDB::Table", "OpenSearchService::Domain", "SQS::Queue", "Logs::LogGroup")
    stacks = ("Storage", "Api")
    made = [one for s in stacks for kind in kinds for one in dev.resources(s, kind).values()]

    assert {one["DeletionPolicy"] for one in made} == {"Delete"}
    assert not the_table(dev)["Properties"].get("DeletionProtectionEnabled")


def test_all_that_is_kept_is_encrypted(stage: Synthesized) -> None:
    domain = the_domain(stage)["Properties"]
    queues = stage.properties("Storage", "SQS::Queue")

    assert domain["EncryptionAtRestOptions"]["Enabled"] is True
    assert domain["NodeToNodeEncryptionOptions"] == {"Enabled": True}
    assert all(one.get("KmsMasterKeyId") or one["SqsManagedSseEnabled"] for one in queues)


def test_prod_encrypts_with_a_key_of_the_account(prod: Synthesized) -> None:
    [(key, resource)] = prod.resources("Storage", "KMS::Key").items()
    arn = {"Fn::GetAtt": [key, "Arn"]}
    queues = prod.properties("Storage", "SQS::Queue")

    assert resource["Properties"]["EnableKeyRotation"] is True
    assert the_table(prod)["Properties"]["SSESpecification"]["KMSMasterKeyId"] == arn
    assert the_domain(prod)["Properties"]["EncryptionAtRestOptions"]["KmsKeyId"] == {"Ref": key}
    assert all(queue["KmsMasterKeyId"] == arn for queue in queues)


def test_the_engine_speaks_only_tls(stage: Synthesized) -> None:
    options = the_domain(stage)["Properties"]["DomainEndpointOptions"]

    assert options["EnforceHTTPS"] is True
    assert options["TLSSecurityPolicy"].startswith("Policy-Min-TLS-1-2-PFS")


def test_the_engine_lets_in_nobody_but_the_functions_of_its_stage(stage: Synthesized) -> None:
    statements = the_domain(stage)["Properties"]["AccessPolicies"]["Statement"]
    allow, deny = statements
    roles = allow["Condition"]["ArnLike"]["aws:PrincipalArn"]

    assert allow["Effect"] == "Allow"
    assert allow["Principal"]["AWS"] != "*"
    assert roles["Fn::Join"][1][-1] == f":role/cross-session/{stage.stage}/*"
    assert deny["Effect"] == "Deny"
    assert deny["Principal"] == {"AWS": "*"}
    assert deny["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": roles}}
    assert {role["Path"] for role in function_roles(stage)} == {f"/cross-session/{stage.stage}/"}


def function_roles(stage: Synthesized) -> list[dict[str, Any]]:
    return [
        role
        for role in stage.properties("Api", "IAM::Role")
        if "lambda.amazonaws.com" in str(role["AssumeRolePolicyDocument"])
    ]


def test_prod_survives_the_loss_of_a_zone(prod: Synthesized) -> None:
    domain = the_domain(prod)["Properties"]
    cluster = domain["ClusterConfig"]
    copies = 1 + int(prod.function("memories")["Environment"]["Variables"]["OPENSEARCH_REPLICAS"])

    assert cluster["ZoneAwarenessConfig"] == {"AvailabilityZoneCount": 3}
    assert cluster["MultiAZWithStandbyEnabled"] is True
    assert cluster["DedicatedMasterCount"] == 3
    assert cluster["InstanceCount"] % 3 == 0
    assert copies % 3 == 0
    assert len(domain["VPCOptions"]["SubnetIds"]) == 3


def test_prods_engine_is_in_a_network_that_leads_nowhere(prod: Synthesized) -> None:
    assert prod.resources("Storage", "EC2::VPC")
    assert not prod.resources("Storage", "EC2::NatGateway")
    assert not prod.resources("Storage", "EC2::InternetGateway")


def test_only_functions_reach_prods_engine(prod: Synthesized) -> None:
    [group] = the_domain(prod)["Properties"]["VPCOptions"]["SecurityGroupIds"]

    [ingress] = [
        one
        for one in prod.properties("Storage", "EC2::SecurityGroupIngress")
        if one["GroupId"] == group
    ]

    assert (ingress["FromPort"], ingress["ToPort"]) == (443, 443)
    assert "Functions" in ingress["SourceSecurityGroupId"]["Fn::GetAtt"][0]


def test_dev_pays_for_no_network(dev: Synthesized) -> None:
    assert not dev.resources("Storage", "EC2::VPC")
    assert "VPCOptions" not in the_domain(dev)["Properties"]


def test_each_queue_gives_up_into_a_queue_of_its_own_kind(stage: Synthesized) -> None:
    queues = stage.resources("Storage", "SQS::Queue")
    with_dead_letters = {id: one for id, one in queues.items() if redrive(one)}

    assert len(with_dead_letters) == len(QUEUES)
    for queue in with_dead_letters.values():
        dead_letters = queues[redrive(queue)["deadLetterTargetArn"]["Fn::GetAtt"][0]]
        assert dead_letters["Properties"].get("FifoQueue") == queue["Properties"].get("FifoQueue")
        assert dead_letters["Properties"]["MessageRetentionPeriod"] == 14 * 86_400


def redrive(queue: dict[str, Any]) -> dict[str, Any]:
    policy: dict[str, Any] = queue["Properties"].get("RedrivePolicy", {})
    return policy


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_message_stays_hidden_while_its_consumer_may_be_at_work(queue: Any) -> None:
    consumer = FUNCTIONS.get(queue.consumer, Function())

    assert queue.visibility_seconds >= 6 * consumer.timeout_seconds


def test_queues_speak_only_tls(stage: Synthesized) -> None:
    refusals = [
        statement
        for policy in stage.properties("Storage", "SQS::QueuePolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]

    assert len(refusals) == len(stage.resources("Storage", "SQS::Queue"))


def test_an_engine_can_be_replaced_while_functions_use_it(stage: Synthesized) -> None:
    domain = next(iter(stage.resources("Storage", "OpenSearchService::Domain")))
    [endpoint] = stage.properties("Storage", "SSM::Parameter")
    template = stage.template("Storage").to_json()

    exported = [output["Value"] for output in template["Outputs"].values() if "Export" in output]

    assert exported
    assert not [value for value in exported if domain in str(value)]
    assert endpoint["Value"] == {"Fn::GetAtt": [domain, "DomainEndpoint"]}
    assert the_domain(stage)["Properties"]["DomainName"] in endpoint["Name"]


def test_a_deployment_tells_where_things_are(stage: Synthesized) -> None:
    assert {"TableName", "DomainEndpoint", "SpillQueueUrl", "SpillDeadLetterQueueUrl"} <= (
        stage.outputs("Storage")
    )


def test_nothing_runs_behind_the_scenes(stage: Synthesized) -> None:
    """CloudFormation alone deploys it: no custom resource, and no function but ours."""
    for stack in ("Storage", "Api", "Alarms"):
        template = stage.template(stack).to_json()
        types = {resource["Type"] for resource in template["Resources"].values()}
        assert not [one for one in types if one.startswith("Custom::") or "CustomResource" in one]
    handlers = {one["Handler"] for one in stage.properties("Api", "Lambda::Function")}
    assert handlers == {f"functions.{name}.handler" for name in FUNCTIONS}


def test_everything_says_what_it_belongs_to(stage: Synthesized) -> None:
    for resource in (the_table(stage), the_domain(stage)):
        tags = {tag["Key"]: tag["Value"] for tag in as_list(resource["Properties"]["Tags"])}
        assert tags == {"service": "cross-session", "stage": stage.stage}
