"""What wakes somebody up, and the one page to look at then."""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.api import Api
from infra.config import StageConfig
from infra.service_function import METRICS_NAMESPACE
from infra.storage import Storage, construct_id

MINUTE: Final = cdk.Duration.minutes(1)
PERIOD: Final = cdk.Duration.minutes(5)


class Alarms(cdk.Stack):
    """Alarms notify the topic of the `AlarmTopicArn` output: subscribe whoever is on call.

    Each looks at one metric, without arithmetic, which emulators don't know.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: StageConfig,
        storage: Storage,
        api: Api,
        **options: Any,
    ) -> None:
        super().__init__(scope, id, **options)
        self._config = config
        self._storage = storage
        self._api = api
        self._topic = sns.Topic(self, "Topic", enforce_ssl=True)
        self._of_requests()
        self._of_memories()
        self._of_queues()
        self._of_functions_and_table()
        self._of_engine()
        self._dashboard()
        cdk.CfnOutput(self, "AlarmTopicArn", value=self._topic.topic_arn)

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        description: str,
        *,
        periods: int = 1,
        below: bool = False,
    ) -> None:
        """At `threshold` and beyond, `periods` in a row. `description`: meaning, then first aid."""
        alarm = cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            threshold=threshold,
            comparison_operator=(
                cloudwatch.ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD
                if below
                else cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            ),
            evaluation_periods=periods,
            alarm_description=description,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _of_requests(self) -> None:
        api = self._api.http_api
        self._alarm(
            "ServerErrors",
            api.metric_server_error(statistic="Sum", period=PERIOD),
            5,
            "Five requests or more got a 5xx in each of two periods of five minutes. 503s: see the "
            "engine's and the circuit's alarms. 500s: find the traceback by request id in the "
            "functions' logs.",
            periods=2,
        )
        most = self._config.requests_per_second * PERIOD.to_seconds()
        self._alarm(
            "ClientErrors",
            api.metric_client_error(statistic="Sum", period=PERIOD),
            most / 10,
            "For ten minutes 4xx made up a tenth of all that the stage lets through: a client lost "
            "its key, was released with a fault, or tries keys. The access log tells key id, "
            "route and status.",
            periods=2,
        )

    def _of_memories(self) -> None:
        self._alarm(
            "RecallSlow",
            self._metric("RecallLatency", "p95"),
            500,
            "One recall in twenty took 500 ms or more, for fifteen minutes, and people wait for "
            "it. Compare the engine's CPU and search latency on the dashboard: busy nodes want "
            "more or larger ones; if they are idle, look at the memories function's duration and "
            "cold starts.",
            periods=3,
        )
        self._alarm(
            "StoreFailed",
            self._metric("StoreFailure", "Sum"),
            1,
            "A memory could neither be indexed nor put into the spill queue; its caller got a "
            "503 and has to repeat. See the memories function's log, then the engine and SQS.",
        )
        self._alarm(
            "AuditFailed",
            self._metric("AuditFailure", "Sum"),
            1,
            "Something was done that the audit does not tell. The function's log names the route "
            "and who asked; if it goes on, look at the table's throttling.",
        )
        self._alarm(
            "CircuitOpened",
            self._metric("CircuitOpen", "Sum"),
            1,
            "The engine failed several times in a row and is left alone for a while: stores go "
            "to the spill queue, recalls answer 503. Look at the domain's health first; it closes "
            "by itself once the engine answers.",
        )

    def _of_queues(self) -> None:
        for name, queue in self._storage.queues.items():
            self._alarm(
                f"{construct_id(name)}Waiting",
                queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=PERIOD),
                15 * 60,
                f"A message has been in the queue {name} for fifteen minutes: its consumer fails "
                "or is too slow. See the consumer's errors in its log; nothing is lost for 14 "
                "days.",
            )
        for name, queue in self._storage.dead_letter_queues.items():
            self._alarm(
                f"{construct_id(name)}DeadLetters",
                queue.metric_approximate_number_of_messages_visible(
                    statistic="Maximum", period=PERIOD
                ),
                1,
                f"A message of the queue {name} was given up after all its tries. Find the reason "
                "in its consumer's log, mend it, then send the dead letters again; they are kept "
                "for 14 days.",
            )

    def _of_functions_and_table(self) -> None:
        for name, one in self._api.functions.items():
            self._alarm(
                f"{construct_id(name)}Failing",
                self._function("Errors", one.name),
                1,
                f"The function {name} crashed or ran out of time in each of three periods of five "
                "minutes, which no caller's mistake makes it do. Its log has the traceback.",
                periods=3,
            )
        self._alarm(
            "FunctionsThrottled",
            lambda_.Function.metric_all_throttles(statistic="Sum", period=PERIOD),
            1,
            "Lambda turned invocations away: the account's concurrency, which all its functions "
            "share, is used up. Find what uses it, or ask for a higher quota.",
        )
        for event in ("Read", "Write"):
            self._alarm(
                f"Table{event}sThrottled",
                self._storage.table.metric(
                    f"{event}ThrottleEvents", statistic="Sum", period=PERIOD
                ),
                1,
                "DynamoDB turned requests away for three periods of five minutes. It doubles its "
                "capacity by itself within half an hour; if it goes on, one key is too hot: look "
                "at which tenant's traffic rose.",
                periods=3,
            )

    def _of_engine(self) -> None:
        self._alarm(
            "EngineRed",
            self._engine("ClusterStatus.red", "Maximum", MINUTE),
            1,
            "A primary shard is missing: recalls of its namespaces fail. See the domain's nodes "
            "and storage; a snapshot of the last hour can restore the shard.",
        )
        self._alarm(
            "EngineWritesBlocked",
            self._engine("ClusterIndexWritesBlocked", "Maximum", MINUTE),
            1,
            "The engine takes no writes, for want of disk or memory: stores go to the spill "
            "queue. Make the volumes or the nodes larger.",
        )
        self._alarm(
            "EngineDiskLow",
            self._engine("FreeStorageSpace", "Minimum"),
            self._config.engine.volume_gib * 1024 * 0.2,
            "A data node has a fifth of its disk left. Make the volumes larger (volume_gib) "
            "before the engine blocks writes.",
            below=True,
        )
        self._alarm(
            "EngineMemoryTight",
            self._engine("JVMMemoryPressure", "Maximum"),
            92,  # over 75 is normal with G1
            "The engine's heap was 92 % full for fifteen minutes; soon it answers 429. Larger "
            "nodes help, or fewer and larger batches.",
            periods=3,
        )
        if self._config.customer_key:
            for name in ("KMSKeyError", "KMSKeyInaccessible"):
                self._alarm(
                    f"Engine{name}",
                    self._engine(name, "Maximum", MINUTE),
                    1,
                    "The engine can't use its key and stops. Enable the key, or take its deletion "
                    "back, at once: later the domain can't be recovered.",
                )

    def _engine(
        self, name: str, statistic: str, period: cdk.Duration = PERIOD
    ) -> cloudwatch.Metric:
        """By the domain's name and not by a reference, for which see Storage."""
        return cloudwatch.Metric(
            namespace="AWS/ES",
            metric_name=name,
            dimensions_map={"DomainName": self._config.engine.name, "ClientId": self.account},
            statistic=statistic,
            period=period,
        )

    def _function(self, name: str, function: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/Lambda",
            metric_name=name,
            dimensions_map={"FunctionName": function},
            statistic="Sum",
            period=PERIOD,
        )

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        """What the functions of this stage write."""
        return cloudwatch.Metric(
            namespace=METRICS_NAMESPACE,
            metric_name=name,
            dimensions_map={"service": self._config.service},
            statistic=statistic,
            period=PERIOD,
        )

    def _dashboard(self) -> None:
        api, table, engine = self._api.http_api, self._storage.table, self._engine
        functions = [one.name for one in self._api.functions.values()]
        dead_letters = self._storage.dead_letter_queues.values()
        queues = self._storage.queues.values()
        graphs: dict[str, list[cloudwatch.IMetric]] = {
            "Recall latency, ms": [
                self._metric("RecallLatency", statistic) for statistic in ("p50", "p95", "p99")
            ],
            "Stores that failed or were spilled": [
                self._metric("StoreFailure", "Sum"),
                self._metric("StoreSpilled", "Sum"),
            ],
            "Circuit opened": [self._metric("CircuitOpen", "Sum")],
            "Requests, 4xx, 5xx": [
                metric.with_(statistic="Sum")
                for metric in (
                    api.metric_count(),
                    api.metric_client_error(),
                    api.metric_server_error(),
                )
            ],
            "Messages waiting": [
                queue.metric_approximate_number_of_messages_visible() for queue in queues
            ],
            "Dead letters": [
                queue.metric_approximate_number_of_messages_visible() for queue in dead_letters
            ],
            "Engine: CPU and heap, %": [
                engine("CPUUtilization", "Maximum"),
                engine("JVMMemoryPressure", "Maximum"),
            ],
            "Engine: search and indexing latency, ms": [
                engine("SearchLatency", "Average"),
                engine("IndexingLatency", "Average"),
            ],
            "Function errors": [self._function("Errors", name) for name in functions],
            "Cost: function time, ms": [self._function("Duration", name) for name in functions],
            "Cost: table capacity units": [
                table.metric_consumed_read_capacity_units(),
                table.metric_consumed_write_capacity_units(),
            ],
            "Cost: memories, and free disk in MB": [
                engine("SearchableDocuments", "Maximum"),
                engine("FreeStorageSpace", "Minimum"),
            ],
        }
        widgets: list[cloudwatch.IWidget] = [
            cloudwatch.GraphWidget(title=title, left=metrics, width=8)
            for title, metrics in graphs.items()
        ]
        dashboard = cloudwatch.Dashboard(self, "Dashboard")
        for row in range(0, len(widgets), 3):
            dashboard.add_widgets(*widgets[row : row + 3])
