"""Whether OpenSearch is worth asking, known to all environments through DynamoDB."""

from collections.abc import Callable
from functools import cache
from typing import Literal, NoReturn, TypeVar

from aws_lambda_powertools.utilities.circuit_breaker import (
    CircuitBreakerConfig,
    CircuitInfo,
    CircuitState,
    CircuitTransition,
    circuit_breaker,
)
from aws_lambda_powertools.utilities.circuit_breaker.persistence import (
    CircuitBreakerDynamoDBPersistence,
)

from cross_session import metrics
from cross_session.adapters.table import client
from cross_session.errors import EngineUnavailableError
from cross_session.settings import table_settings

Result = TypeVar("Result")
Call = Callable[[], Result]

Circuit = Literal["recalls", "stores"]

NAME = "opensearch"
_FAILURES_TO_OPEN = 3
_RECOVERY_SECS = 10
_KNOWN_FOR_SECS = 5


def guarded(circuit: Circuit, call: Callable[[], Result]) -> Result:
    """Calls, unless calls of the circuit have kept failing: then it fails at once, for a while.

    Raises EngineUnavailableError for both.
    """
    result: Result = _breaker(circuit)(call)
    return result


@cache
def _breaker(circuit: Circuit) -> Callable[[Call[Result]], Result]:
    breaker: Callable[[Call[Result]], Result] = circuit_breaker(
        name=f"{NAME}-{circuit}",
        persistence_store=CircuitBreakerDynamoDBPersistence(
            table_settings().name,
            key_attr="pk",
            sort_key_attr="sk",
            static_pk_value="CIRCUIT",
            expiry_attr="ttl",
            boto3_client=client(),
        ),
        on_circuit_open=_refuse,
        on_transition=_tell,
        config=CircuitBreakerConfig(
            failure_threshold=_FAILURES_TO_OPEN,
            recovery_timeout=_RECOVERY_SECS,
            success_threshold=1,
            handled_exceptions=EngineUnavailableError,
            local_cache_max_age=_KNOWN_FOR_SECS,
        ),
    )(_call)
    return breaker


def _call(call: Call[Result]) -> Result:
    return call()


def _refuse(_call: Call[Result], *, circuit: CircuitInfo) -> NoReturn:
    raise EngineUnavailableError(f"the memory index is given time to recover ({circuit.state})")


def _tell(transition: CircuitTransition) -> None:
    if transition.to_state is CircuitState.OPEN and transition.from_state is CircuitState.CLOSED:
        metrics.count("CircuitOpen")
