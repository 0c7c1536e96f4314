"""Recall quality over HTTP: how much of each question's evidence is among the first k memories.

DATA is JSON in the format of LoCoMo (Maharana et al., ACL 2024): `tests/bench/notes.json`, or
`locomo10.json` from github.com/snap-research/locomo, which is CC BY-NC 4.0 and not kept here.
Each turn is stored as one memory, its text alone; each question is asked in every way of `WAYS`.
`--url` and `--key` take a service that runs, and leave there what was stored; without them one is
started with an engine of its own.
"""

import argparse
import json
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx
from matplotlib.figure import Figure

from tests.bench.report import percentiles, table
from tests.e2e.service import LocalService, Service
from tests.ports import free_ports

TOP_K = 20
CLIENTS = 2
WARM_UP = 20
WAYS: dict[str, dict[str, Any]] = {
    "BM25": {"routing": "bm25"},
    "vector": {"routing": "vector"},
    "hybrid": {"routing": "hybrid", "rerank": False},
    "service": {},  # as a caller gets it who sets nothing
}
COLOURS = {"BM25": "#c2792b", "vector": "#3f8f6b", "hybrid": "#7a8594", "service": "#1f4fa3"}
LOCOMO_CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop"}


@dataclass(frozen=True)
class Question:
    """`evidence` and `outdated` are ids of turns; `now` is when it is asked."""

    namespace: str
    text: str
    category: str
    evidence: frozenset[str]
    outdated: frozenset[str]
    now: datetime


@dataclass(frozen=True)
class Answer:
    """`ranked` are the ids of the recalled turns, best first."""

    question: Question
    ranked: list[str]
    seconds: float

    def recall(self, k: int) -> float:
        found = self.question.evidence.intersection(self.ranked[:k])
        return len(found) / len(self.question.evidence)

    def ndcg(self, k: int) -> float:
        """With a gain of 1 for evidence, 0 for the rest."""
        ideal = min(len(self.question.evidence), k)
        gained = (place for place in self._places() if place <= k)
        return _discounted(gained) / _discounted(range(1, ideal + 1))

    def reciprocal_rank(self) -> float:
        return 1 / min(self._places(), default=math.inf)

    def newest_first(self) -> bool:
        """Whether all evidence was recalled, and before anything outdated."""
        old = (place for place, id in enumerate(self.ranked, 1) if id in self.question.outdated)
        places = self._places()
        complete = len(places) == len(self.question.evidence)
        return complete and max(places) < min(old, default=math.inf)

    def _places(self) -> list[int]:
        return [place for place, id in enumerate(self.ranked, 1) if id in self.question.evidence]


@dataclass
class Measured:
    """`answers` by way, each in the order of the questions."""

    memories: int
    questions: list[Question]
    answers: dict[str, list[Answer]]
    warnings: set[str] = field(default_factory=set)

    def mean(self, way: str, of: Callable[[Answer], float], category: str | None = None) -> float:
        """In percent."""
        return 100 * fmean(
            of(answer)
            for answer in self.answers[way]
            if category in (None, answer.question.category)
        )


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("data", type=Path, metavar="DATA")
    arguments.add_argument("--plot", type=Path, metavar="PATH", help="writes recall at k as a PNG")
    arguments.add_argument("--url")
    arguments.add_argument("--key")
    chosen = arguments.parse_args()
    samples = json.loads(chosen.data.read_text(encoding="utf-8"))
    if chosen.url:
        measured = measure(Service(chosen.url, chosen.key), samples)
    else:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as state:
            service = LocalService.start(Path(state), port=free_ports(3), engine=None)
            try:
                measured = measure(service, samples)
            finally:
                service.stop()
    report(measured, chosen.data.stem)
    if chosen.plot:
        plot(measured, chosen.data.stem, chosen.plot)


def measure(service: Service, samples: Sequence[dict[str, Any]]) -> Measured:
    run = f"bench-{time.time_ns()}"
    headers = {"Authorization": f"Bearer {service.key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=120) as client:
        measured = Measured(0, [], {})
        for number, sample in enumerate(samples, 1):
            namespace = f"{run}-{number}"
            times = store(client, namespace, sample["conversation"], measured.warnings)
            questions = questions_of(sample["qa"], namespace, times)
            measured.memories += len(times)
            measured.questions += questions
            print(
                f"stored {number} of {len(samples)}: {sample['sample_id']},"
                f" {len(times)} memories, {len(questions)} questions",
                flush=True,
            )
        _ask_all(client, measured)
    return measured


def report(measured: Measured, name: str) -> None:
    questions = measured.questions
    print(
        f"\n{name}: {len(questions)} questions, {measured.memories:,} memories, over HTTP; %"
        f" (p50 in ms, {CLIENTS} clients)"
    )
    figures: dict[str, Callable[[Answer], float]] = {
        "R@5": lambda answer: answer.recall(5),
        "R@10": lambda answer: answer.recall(10),
        "R@20": lambda answer: answer.recall(20),
        "nDCG@10": lambda answer: answer.ndcg(10),
        "MRR": Answer.reciprocal_rank,
    }
    rows = [
        [
            way,
            *(f"{measured.mean(way, figure):.1f}" for figure in figures.values()),
            *percentiles([answer.seconds for answer in measured.answers[way]], 50),
        ]
        for way in WAYS
    ]
    print(table(("", *figures, "p50"), rows))

    counts = Counter(question.category for question in questions)
    rows = [
        [
            way,
            *(f"{measured.mean(way, figures['R@10'], category):.1f}" for category in counts),
        ]
        for way in WAYS
    ]
    print("\nR@10 by category")
    print(table(("", *(f"{category} ({n})" for category, n in counts.items())), rows))

    if changed := sum(bool(question.outdated) for question in questions):
        print(f"\nnewest first: all evidence before all that is outdated, of {changed}")
        rows = [
            [
                way,
                str(
                    sum(
                        answer.newest_first()
                        for answer in measured.answers[way]
                        if answer.question.outdated
                    )
                ),
            ]
            for way in WAYS
        ]
        print(table(("", "questions"), rows))
    if measured.warnings:
        print("\nThe service warned:", *sorted(measured.warnings), sep="\n  ")


def plot(measured: Measured, name: str, path: Path) -> None:
    """Recall at 1..`TOP_K` of every way, R@10 marked and in figures, on 900 by 500 pixels."""
    ks = range(1, TOP_K + 1)
    curves = {way: [measured.mean(way, partial(Answer.recall, k=k)) for k in ks] for way in WAYS}
    heights = _apart({way: curve[-1] for way, curve in curves.items()}, gap=5)
    grey = "#4a525c"

    figure = Figure(figsize=(9, 5), dpi=100)
    axes = figure.add_axes((0.06, 0.11, 0.77, 0.73))
    axes.axvline(10, color="#b8bfc8", linewidth=0.8, linestyle=(0, (2, 3)))
    for way, curve in curves.items():
        own = way == "service"
        colour, weight = COLOURS[way], "bold" if own else "normal"
        axes.plot(ks, curve, color=colour, linewidth=2.6 if own else 1.7, clip_on=False)
        axes.plot(10, curve[9], "o", color=colour, markersize=7 if own else 6)
        for x, text in ((TOP_K + 0.4, way), (TOP_K + 2.7, f"{curve[9]:.1f}")):
            axes.text(x, heights[way], text, color=colour, weight=weight, va="center", size=11)
    top = max(heights.values()) + 6
    axes.text(TOP_K + 2.7, top, "R@10", color=grey, va="center", size=9)
    axes.set_xlim(1, TOP_K)
    axes.set_ylim(0, 100)
    axes.set_xticks([1, 5, 10, 15, 20])
    axes.set_xlabel("k", color=grey)
    axes.grid(axis="y", color="#e8ebee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=grey)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#b8bfc8")
    left = 0.025
    figure.text(left, 0.94, "Evidence among the first k memories, %", size=13, weight="bold")
    about = f"{name}: {len(measured.questions)} questions, {measured.memories:,} memories"
    figure.text(left, 0.89, about, size=10, color=grey)
    figure.savefig(path)
    print(f"wrote {path}")


def store(
    client: httpx.Client,
    namespace: str,
    conversation: dict[str, Any],
    warnings: set[str],
    *,
    auto_summarize: bool = False,
) -> dict[str, datetime]:
    """Lives through the sessions in their order; each turn's id and time."""
    times: dict[str, datetime] = {}
    numbers = sorted(
        int(found[1]) for key in conversation if (found := re.fullmatch(r"session_(\d+)", key))
    )
    for session in (f"session_{number}" for number in numbers):
        began = _session_time(conversation[f"{session}_date_time"])
        metadata = conversation.get(f"{session}_metadata", {})
        started = _post(
            client, "/v1/sessions/start", {"namespace": namespace, "metadata": metadata}
        )
        session_id = started["session"]["id"]
        memories = []
        for seconds, turn in enumerate(conversation[session]):
            times[turn["dia_id"]] = moment = began + timedelta(seconds=seconds)
            about = {"actor": turn["speaker"], "dia_id": turn["dia_id"]}
            if "type" in turn:
                about["type"] = turn["type"]
            memory = {
                "content": turn["text"],
                "event_time": moment.isoformat(),
                "session_id": session_id,
                "metadata": about,
            }
            memories.append(
                memory | {key: turn[key] for key in ("importance", "tags") if key in turn}
            )
        stored = _post(
            client, "/v1/memories/store/batch", {"namespace": namespace, "memories": memories}
        )
        warnings.update(stored["warnings"])
        _post(client, f"/v1/sessions/{session_id}/end", {"auto_summarize": auto_summarize})
    return times


def questions_of(
    asked: Sequence[dict[str, Any]], namespace: str, times: dict[str, datetime]
) -> list[Question]:
    """Those with evidence that was stored; of LoCoMo's, without category 5, the adversarial."""
    last = max(times.values())
    questions = []
    for one in asked:
        category = one["category"]
        evidence = _turn_ids(one["evidence"]) & times.keys()
        if not evidence or (isinstance(category, int) and category not in LOCOMO_CATEGORIES):
            continue
        now = last + timedelta(days=1)
        if "now" in one:
            now = datetime.fromisoformat(one["now"])
            now = now if now.tzinfo else now.replace(tzinfo=UTC)
        if now < last:
            raise ValueError(f"asked at {now}, before the last turn at {last}: {one['question']}")
        questions.append(
            Question(
                namespace=namespace,
                text=one["question"],
                category=LOCOMO_CATEGORIES.get(category, str(category)),
                evidence=frozenset(evidence),
                outdated=frozenset(_turn_ids(one.get("outdated", [])) & times.keys()),
                now=now,
            )
        )
    return questions


def _ask_all(client: httpx.Client, measured: Measured) -> None:
    def ask(number: int) -> dict[str, Answer]:
        # Each way is first as often as any other, so that none lives off another's warm caches.
        ways = list(WAYS)
        turned = ways[number % len(ways) :] + ways[: number % len(ways)]
        question = measured.questions[number]
        return {way: _ask(client, question, way, measured.warnings) for way in turned}

    numbers = range(len(measured.questions))
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, numbers[:WARM_UP]))
        answered = []
        for answers in pool.map(ask, numbers):
            answered.append(answers)
            if len(answered) % 100 == 0:
                print(f"asked {len(answered)} of {len(numbers)} questions", flush=True)
    measured.answers = {way: [answers[way] for answers in answered] for way in WAYS}


def _ask(client: httpx.Client, question: Question, way: str, warnings: set[str]) -> Answer:
    body = {
        "namespace": question.namespace,
        "query": question.text,
        "top_k": TOP_K,
        "now": question.now.isoformat(),
        "timezone": "UTC",
        **WAYS[way],
    }
    began = time.perf_counter()
    answer = client.post("/v1/memory/recall", json=body)
    seconds = time.perf_counter() - began
    recalled = answer.raise_for_status().json()
    warnings.update(recalled["warnings"])
    ranked = [result["metadata"]["dia_id"] for result in recalled["results"]]
    return Answer(question, ranked, seconds)


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(path, json=body).raise_for_status().json()


def _turn_ids(evidence: Sequence[str]) -> set[str]:
    """LoCoMo's are sloppy: "D8:6; D9:17" in one, "D" alone."""
    return {id for text in evidence for id in re.findall(r"D\d+:\d+", text)}


def _session_time(text: str) -> datetime:
    """LoCoMo's "1:56 pm on 8 May, 2023", taken as UTC."""
    return datetime.strptime(text, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)


def _discounted(places: Iterable[int]) -> float:
    return sum(1 / math.log2(place + 1) for place in places)


def _apart(heights: dict[str, float], *, gap: float) -> dict[str, float]:
    """The heights, lowered where need be to lie at least `gap` apart."""
    apart: dict[str, float] = {}
    ceiling = math.inf
    for way, height in sorted(heights.items(), key=lambda item: -item[1]):
        apart[way] = min(height, ceiling)
        ceiling = apart[way] - gap
    return apart


if __name__ == "__main__":
    main()
