"""What differs between deployments: by stage, in one place, and by what `cdk -c` says."""

from dataclasses import dataclass, fields
from typing import Final, Literal, Self

from aws_cdk.aws_logs import RetentionDays
from constructs import Node


class ConfigError(ValueError):
    """The stage or a context value can't be deployed; the message says what would do."""


@dataclass(frozen=True)
class Engine:
    """An OpenSearch domain. A change of `name` (at most 28 characters) makes a new, empty one.

    With a standby zone (`three_zones`) OpenSearch wants dedicated masters, data nodes by threes,
    and each shard three times. `volume_gib` is each data node's.
    """

    name: str
    data_nodes: int
    data_instance: str
    volume_gib: int
    shards: int
    replicas: int
    three_zones: bool = False
    master_instance: str | None = None


@dataclass(frozen=True)
class StageConfig:
    """`retain`: a deletion of the stacks leaves the data. `private`: the engine sits in a VPC.

    `snap_start` restores a function from a snapshot taken after its imports and the model's load,
    instead of repeating them. It costs about 4 USD a month and GB of memory of each function, and
    .14 USD a thousand restores of a GB. Provisioned concurrency, which excludes it, costs about 9
    a GB and *environment*, and the environment after the last provisioned one starts cold all
    the same; that is why it isn't offered.

    `requests_per_second` is what the whole stage lets through, `burst` how many at once; a key's
    own limit is the service's business.

    `reserves` takes an environment out of the account's concurrency for a function that must run
    alone; an account whose quota is still the 10 of a new one cannot spare it.
    """

    name: Literal["dev", "prod"]
    retain: bool
    private: bool
    customer_key: bool
    snap_start: bool
    reserves: bool
    log_retention: RetentionDays
    requests_per_second: int
    burst: int
    engine: Engine

    @property
    def service(self) -> str:
        """What metrics are known by: another stage may have the same account."""
        return f"cross-session-{self.name}"


STAGES: Final = {
    stage.name: stage
    for stage in (
        StageConfig(
            name="dev",
            retain=False,
            private=False,
            customer_key=False,
            snap_start=False,
            reserves=False,
            log_retention=RetentionDays.ONE_WEEK,
            requests_per_second=100,
            burst=200,
            engine=Engine(
                name="cross-session-dev",
                data_nodes=1,
                data_instance="t3.small.search",
                volume_gib=10,
                shards=1,
                replicas=0,
            ),
        ),
        StageConfig(
            name="prod",
            retain=True,
            private=True,
            customer_key=True,
            snap_start=True,
            reserves=True,
            log_retention=RetentionDays.THREE_MONTHS,
            requests_per_second=2_000,
            burst=4_000,
            engine=Engine(
                name="cross-session-prod",
                data_nodes=3,
                data_instance="r7g.large.search",
                volume_gib=100,
                shards=6,  # 50 GiB each before more are needed
                replicas=2,
                three_zones=True,
                master_instance="m7g.large.search",
            ),
        ),
    )
}


@dataclass(frozen=True)
class Context:
    """What an account brings along, each by `cdk -c name=value`.

    `oidc_issuer`, `oidc_audience`: whose tokens are good besides API keys.
    `summary_model`: the foundation model of Bedrock, in the stack's region, that sums up sessions.
    `domain_name`, `certificate_arn`: an address of one's own; with `hosted_zone_id` its DNS too.
    `architecture`, `model_dir`, `opensearch_scheme`: for an emulator, which runs functions on its
    own machine, lays their layers elsewhere than in `/opt`, and has no TLS.
    """

    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    summary_model: str | None = None
    domain_name: str | None = None
    certificate_arn: str | None = None
    hosted_zone_id: str | None = None
    architecture: Literal["arm64", "x86_64"] = "arm64"
    model_dir: str = "/opt/e5-small-v2"
    opensearch_scheme: Literal["https", "http"] = "https"

    @classmethod
    def of(cls, node: Node) -> Self:
        given = {field.name: node.try_get_context(field.name) for field in fields(cls)}
        return cls(**{name: value for name, value in given.items() if value is not None})

    def __post_init__(self) -> None:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ConfigError("oidc_issuer and oidc_audience go together: give both or neither")
        if (self.domain_name is None) != (self.certificate_arn is None):
            raise ConfigError("domain_name and certificate_arn go together: give both or neither")
        if self.hosted_zone_id is not None and self.domain_name is None:
            raise ConfigError("hosted_zone_id needs domain_name: the name to write into the zone")
        if self.architecture not in ("arm64", "x86_64"):
            raise ConfigError(f"architecture is arm64 or x86_64, not {self.architecture!r}")
        if self.opensearch_scheme not in ("https", "http"):
            raise ConfigError(f"opensearch_scheme is https or http, not {self.opensearch_scheme!r}")


def stage_config(name: str | None) -> StageConfig:
    """Raises ConfigError for a stage that there isn't, and for none."""
    if name not in STAGES:
        raise ConfigError(f"choose the stage by -c stage={'|'.join(STAGES)}, not {name!r}")
    return STAGES[name]
