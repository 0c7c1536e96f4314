"""What alarms and the dashboard look at, as CloudWatch's embedded metric format on stdout.

Nothing is written where POWERTOOLS_METRICS_NAMESPACE is not set, as on one's own machine.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal

from aws_lambda_powertools.metrics import MetricUnit, single_metric

Count = Literal["AuditFailure", "CircuitOpen", "StoreFailure", "StoreSpilled"]


def count(name: Count, value: int = 1) -> None:
    _emit(name, MetricUnit.Count, value)


@contextmanager
def measured(name: Literal["RecallLatency"]) -> Iterator[None]:
    """The block's wall time, if it comes to its end."""
    started = perf_counter()
    yield
    _emit(name, MetricUnit.Milliseconds, (perf_counter() - started) * 1000)


def _emit(name: str, unit: MetricUnit, value: float) -> None:
    namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE")
    if namespace is None:
        return
    with single_metric(name=name, unit=unit, value=value, namespace=namespace) as metric:
        metric.add_dimension("service", os.environ.get("POWERTOOLS_SERVICE_NAME", "cross-session"))
