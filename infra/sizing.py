"""What the service takes and costs by its number of users: `python -m infra.sizing`.

An estimate for planning from three kinds of numbers, each named and changed in one place: prices,
what was measured, and how people are taken to use it. Taxes, support plans, free tiers, savings
plans and traffic between zones are left out.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import ceil, fsum

HOURS = 730  # a month
SECONDS = HOURS * 3_600
GIB = 2**30
MILLION = 1_000_000


@dataclass(frozen=True)
class Instance:
    """An OpenSearch data node; `heap_gib` is Java's, half of the memory and at most 32."""

    name: str
    usd_an_hour: float
    cores: int
    memory_gib: float
    disk_gib: int

    @property
    def heap_gib(self) -> float:
        return min(self.memory_gib / 2, 32)


@dataclass(frozen=True)
class Prices:
    """USD, us-east-1, on demand: list prices as known in mid-2025, from AWS's pricing pages.

    Check them before you budget. Per million unless the name says otherwise.
    """

    instances: tuple[Instance, ...] = (
        Instance("r7g.large.search", 0.178, 2, 16, 1_000),
        Instance("r7g.xlarge.search", 0.356, 4, 32, 1_500),
        Instance("r7g.2xlarge.search", 0.711, 8, 64, 3_000),
        Instance("r7g.4xlarge.search", 1.423, 16, 128, 6_000),
        Instance("r7g.8xlarge.search", 2.845, 32, 256, 12_000),
    )
    small: Instance = Instance("t3.small.search", 0.036, 2, 2, 100)
    master_an_hour: float = 0.136  # m7g.large.search
    disk_a_gib_month: float = 0.122  # gp3
    lambda_a_gb_second: float = 0.0000133334  # arm64
    lambda_requests: float = 0.20
    api_requests: float = 1.00  # HTTP API
    table_writes: float = 0.625  # of up to 1 KB
    table_reads: float = 0.125  # of up to 4 KB
    table_a_gib_month: float = 0.25
    queue_requests: float = 0.40
    logs_a_gib: float = 0.50
    egress_a_gib: float = 0.09
    endpoint_an_hour: float = 0.01  # an interface endpoint in one zone


@dataclass(frozen=True)
class Measured:
    """Of this project, on two cores, 2026-11-25: `make bench`, and 20,000 memories in one segment.

    Times in seconds; `recall` and `store` are the whole request.
    """

    memory_bytes: int = 2_116  # on disk, with its vector; content of 190 characters
    recall_engine: float = 0.007
    store_engine: float = 0.010
    recall: float = 0.0164
    store: float = 0.0348
    dimensions: int = 384
    links: int = 16  # of the graph, HNSW's m

    @property
    def vector_bytes(self) -> float:
        """What OpenSearch's documentation counts for a vector in a graph, in memory."""
        return 1.1 * (4 * self.dimensions + 8 * self.links)


@dataclass(frozen=True)
class Use:
    """How people are taken to use it: an assistant twice a day, whose memory is of a year or more.

    `peak` is the busiest second against the mean one. `warm` is the share of memories that must
    be in memory: those of the users of a day.
    """

    memories_a_user: int = 500
    recalls_a_user_month: int = 60
    stores_a_user_month: int = 60
    sessions_a_user_month: int = 20
    peak: float = 4
    warm: float = 0.25


@dataclass(frozen=True)
class Assumed:
    """Not measured in an account: read off the code, or a rule of thumb of AWS's."""

    lambda_slowdown: float = 2  # of an arm64 core against the measured one
    function_gb: float = 1_769 / 1_024  # one core
    authorizer_gb_seconds: float = 0.5 * 0.015
    authorizer_share: float = 0.3  # of requests; the others find it cached, for a minute
    recall_reads: float = 1  # of the table: the namespace's names, the key
    store_reads: float = 1.5
    store_writes: float = 5  # the session in its two indexes, the idempotency record twice
    session_writes: float = 8  # of a start and an end
    session_call: float = 0.01  # seconds in the function
    spilled_share: float = 0.001  # of stores, which came while OpenSearch was away
    log_bytes_a_request: int = 1_500
    recall_answer_bytes: int = 6_000
    session_bytes: int = 1_500  # with its copies in the two indexes
    disk_overhead: float = 1.45  # room for merges, the system, and not to be full
    shard_gib: int = 30  # for search OpenSearch recommends 10 to 30
    busy: float = 0.5  # of a data node's cores, at the peak
    zones: int = 3
    serving_zones: int = 2  # the third stands by
    endpoints: int = 1


@dataclass(frozen=True)
class Engine:
    """`usd` is a month's."""

    instance: Instance
    nodes: int
    shards: int
    replicas: int
    primary_gib: float
    usd: float


@dataclass(frozen=True)
class Bill:
    """USD a month, by what is paid for."""

    opensearch: float
    functions: float
    api: float
    table: float
    queue: float
    logs: float
    network: float

    @property
    def total(self) -> float:
        return fsum(asdict(self).values())


PRICES = Prices()
MEASURED = Measured()
USE = Use()
ASSUMED = Assumed()

SMALL = 1_000  # users whom one small node in one zone serves, as stage dev has it
SIZES = (SMALL, MILLION, 100 * MILLION)


def engine_for(users: int) -> Engine:
    """The cheapest domain that holds the memories, keeps the warm ones in memory, and has cores.

    Every zone holds all memories and takes every store; the serving ones share the recalls.
    """
    memories = users * USE.memories_a_user
    primary_gib = memories * MEASURED.memory_bytes / GIB
    shards = max(1, ceil(primary_gib / ASSUMED.shard_gib))
    if users <= SMALL:
        small = PRICES.small
        usd = small.usd_an_hour * HOURS + 10 * PRICES.disk_a_gib_month
        return Engine(small, 1, shards, 0, primary_gib, usd)
    disk_gib = primary_gib * ASSUMED.disk_overhead
    warm_gib = memories * USE.warm * MEASURED.vector_bytes / GIB
    recalls = peak_rate(users, USE.recalls_a_user_month) * MEASURED.recall_engine
    stores = peak_rate(users, USE.stores_a_user_month) * MEASURED.store_engine
    cores = (stores + recalls / ASSUMED.serving_zones) / ASSUMED.busy

    def nodes(instance: Instance) -> int:
        needed = (
            disk_gib / instance.disk_gib,
            warm_gib / (instance.memory_gib - instance.heap_gib),
            cores / instance.cores,
        )
        return ASSUMED.zones * ceil(max(needed))

    chosen = min(PRICES.instances, key=lambda one: (nodes(one) * one.usd_an_hour, nodes(one)))
    usd = (
        nodes(chosen) * chosen.usd_an_hour * HOURS
        + ASSUMED.zones * PRICES.master_an_hour * HOURS
        + ASSUMED.zones * disk_gib * PRICES.disk_a_gib_month
    )
    return Engine(chosen, nodes(chosen), shards, ASSUMED.zones - 1, primary_gib, usd)


def peak_rate(users: int, a_user_month: float) -> float:
    """Requests in the busiest second."""
    return users * a_user_month / SECONDS * USE.peak


def million_recalls() -> Bill:
    """Without OpenSearch, which is paid by the hour."""
    return _requests(
        MILLION,
        function_seconds=MEASURED.recall,
        reads=ASSUMED.recall_reads,
        answer_bytes=ASSUMED.recall_answer_bytes,
    )


def million_stores() -> Bill:
    """Without OpenSearch, which is paid by the hour."""
    return _requests(
        MILLION,
        function_seconds=MEASURED.store,
        reads=ASSUMED.store_reads,
        writes=ASSUMED.store_writes,
        spilled=ASSUMED.spilled_share,
    )


def month(users: int) -> Bill:
    """All that a month costs, with the starts and ends of sessions."""
    recalls = users * USE.recalls_a_user_month / MILLION
    stores = users * USE.stores_a_user_month / MILLION
    sessions = users * USE.sessions_a_user_month
    session_calls = _requests(
        2 * sessions, function_seconds=ASSUMED.session_call, writes=ASSUMED.session_writes / 2
    )
    parts = {
        part.name: recalls * getattr(million_recalls(), part.name)
        + stores * getattr(million_stores(), part.name)
        + getattr(session_calls, part.name)
        for part in fields(Bill)
    }
    kept_gib = 12 * sessions * ASSUMED.session_bytes / GIB
    parts["table"] += kept_gib * PRICES.table_a_gib_month
    parts["opensearch"] = engine_for(users).usd
    if users > SMALL:
        zones_endpoints = ASSUMED.endpoints * ASSUMED.zones
        parts["network"] += zones_endpoints * PRICES.endpoint_an_hour * HOURS
    return Bill(**parts)


def _requests(
    count: float,
    *,
    function_seconds: float,
    reads: float = 0,
    writes: float = 0,
    answer_bytes: int = 500,
    spilled: float = 0,
) -> Bill:
    """What so many requests cost, each with the table's reads and writes given."""
    gb_seconds = (
        function_seconds * ASSUMED.lambda_slowdown * ASSUMED.function_gb
        + ASSUMED.authorizer_share * ASSUMED.authorizer_gb_seconds
    )
    invocations = 1 + ASSUMED.authorizer_share
    return Bill(
        opensearch=0,
        functions=count * gb_seconds * PRICES.lambda_a_gb_second
        + count * invocations * PRICES.lambda_requests / MILLION,
        api=count * PRICES.api_requests / MILLION,
        table=count * (reads * PRICES.table_reads + writes * PRICES.table_writes) / MILLION,
        queue=count * spilled * 3 * PRICES.queue_requests / MILLION,  # sent, received, deleted
        logs=count * ASSUMED.log_bytes_a_request / GIB * PRICES.logs_a_gib,
        network=count * answer_bytes / GIB * PRICES.egress_a_gib,
    )


def what_breaks_first(users: int) -> str:
    rate = peak_rate(users, USE.recalls_a_user_month + USE.stores_a_user_month)
    if users <= SMALL:
        return "the one node: while it is replaced, stores wait in SQS and recalls get 503"
    if rate < 10_000:
        return "the engine's memory: recalls slow down once warm vectors no longer fit"
    return (
        f"API Gateway's 10,000 requests a second of an account and region (here {rate:,.0f}) and"
        " DynamoDB's 40,000 writes a second of a table: have both raised. Then the one domain:"
        " spread tenants over several"
    )


def report(sizes: Sequence[int]) -> str:
    """Two tables in Markdown, and what breaks first at each size."""
    engines = [engine_for(users) for users in sizes]
    bills = [month(users) for users in sizes]
    rows = [
        ["users", *(f"{users:,}" for users in sizes)],
        ["memories", *(f"{users * USE.memories_a_user:,}" for users in sizes)],
        [
            "recalls + stores a second, at the peak",
            *(
                f"{peak_rate(users, USE.recalls_a_user_month + USE.stores_a_user_month):,.1f}"
                for users in sizes
            ),
        ],
        ["primary data, GiB", *(f"{one.primary_gib:,.0f}" for one in engines)],
        ["shards × copies", *(f"{one.shards:,} × {one.replicas + 1}" for one in engines)],
        ["data nodes", *(f"{one.nodes} {one.instance.name}" for one in engines)],
        *(
            [f"{part.name}, USD a month", *(f"{getattr(bill, part.name):,.2f}" for bill in bills)]
            for part in fields(Bill)
        ),
        ["total, USD a month", *(f"{bill.total:,.0f}" for bill in bills)],
        [
            "USD a user and year",
            *(f"{12 * one.total / users:.2f}" for one, users in zip(bills, sizes, strict=True)),
        ],
    ]
    requests = {"recalls": million_recalls(), "stores": million_stores()}
    parts = [part.name for part in fields(Bill) if part.name != "opensearch"]
    per_million = [
        ["USD a million, beside OpenSearch", *parts, "total"],
        *(
            [name, *(f"{getattr(bill, part):.2f}" for part in parts), f"{bill.total:.2f}"]
            for name, bill in requests.items()
        ),
    ]
    breaks = [f"- {users:,} users: {what_breaks_first(users)}." for users in sizes]
    return "\n\n".join([_table(rows), _table(per_million), "\n".join(breaks)])


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report(SIZES))
