"""Which memories a question finds, in which order, and what its filters leave out."""

from typing import Any

import numpy as np
import pytest

from cross_session.adapters.embeddings import embedder
from cross_session.domain.ranking import Ranked
from cross_session.recall import Routing
from cross_session.remember import Note
from tests.engine.owner import Owner, anywhere, around

QUESTION = "Which database did we choose?"
DECISION = "Decided to use PostgreSQL instead of MongoDB for the project"
FIVE_SUBJECTS = [
    DECISION,
    "Her favourite dish is mushroom risotto",
    "The train to Lisbon leaves on Friday at noon",
    "The build server runs in Frankfurt since the move",
    "The database backup runs every night",
]


def test_the_memory_that_answers_comes_first(owner: Owner) -> None:
    owner.remember(*FIVE_SUBJECTS)

    assert owner.recall("PostgreSQL or MongoDB?")[0] == DECISION
    assert owner.recall("What does she like to eat?")[0] == FIVE_SUBJECTS[1]
    assert owner.recall("When does the train leave?")[0] == FIVE_SUBJECTS[2]


def test_weeks_later_a_new_session_finds_what_earlier_sessions_decided(owner: Owner) -> None:
    owner.remember(
        Note(content=DECISION, session_id="s1", importance=0.85),
        Note(content="Bob's birthday is in June", session_id="s2"),
        Note(
            content="API design phase completed. Moving to implementation next week.",
            session_id="s3",
        ),
        Note(content="The gym closes at ten in the evening", session_id="s4"),
    )

    found = owner.recall("How's the backend project going?", limit=2)

    assert sorted(found) == [
        "API design phase completed. Moving to implementation next week.",
        DECISION,
    ]


def test_nothing_is_recalled_where_nothing_was_stored(owner: Owner) -> None:
    assert owner.recall(QUESTION) == []
    assert owner.recall(QUESTION, routing="vector") == []
    assert owner.recall(QUESTION, routing="bm25") == []


def test_scores_fall_from_one_and_never_below_zero(owner: Owner) -> None:
    owner.remember(*FIVE_SUBJECTS)

    scores = [one.score for one in owner.recalled(QUESTION)]

    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_a_cosine_is_that_of_the_question_and_the_text(owner: Owner) -> None:
    for content in FIVE_SUBJECTS:
        owner.remember(content)

    found = owner.recalled(QUESTION, routing="vector")

    asked = np.array(embedder().query(QUESTION))
    for one in found:
        told = np.array(embedder().passages([one.memory.content])[0])
        assert one.candidate.cosine == pytest.approx(float(asked @ told), abs=1e-4)
        assert one.candidate.bm25 is None


def test_limit_cuts_the_answer_after_its_best(owner: Owner) -> None:
    owner.remember(*FIVE_SUBJECTS)

    everything = owner.recall(QUESTION)

    assert len(everything) == 5
    assert [owner.recall(QUESTION, limit=limit) for limit in (1, 3, 5, 6)] == [
        everything[:1],
        everything[:3],
        everything,
        everything,
    ]


# Filters


@pytest.fixture
def filtered(owner: Owner) -> Owner:
    """Five memories, `a` to `e`, that differ in one field after another."""
    owner.remember(
        Note(content="note a", memory_type="semantic", importance=0.9, event_time=100),
        Note(content="note b", importance=0.5, tags=["red", "blue"], event_time=200),
        Note(content="note c", importance=0.49, tags=["green"], session_id="s1", event_time=300),
        Note(content="note d", importance=0.0, tags=["Red"], session_id="s2", event_time=-100),
        Note(content="note e", memory_type="working", importance=1.0, event_time=400),
    )
    return owner


@pytest.mark.parametrize("routing", ["hybrid", "vector", "bm25"])
@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, "abcde"),
        ({"memory_type": "semantic"}, "a"),
        ({"memory_type": "episodic"}, "bcd"),
        ({"memory_type": "procedural"}, ""),
        ({"min_importance": 0.5}, "abe"),
        ({"min_importance": 0.0}, "abcde"),
        ({"min_importance": 1.0}, "e"),
        ({"max_importance": 0.49}, "cd"),
        ({"any_tags": ("red",)}, "b"),
        ({"any_tags": ("red", "green", "absent")}, "bc"),
        ({"all_tags": ("red", "blue")}, "b"),
        ({"all_tags": ("red", "green")}, ""),
        ({"session_id": "s1"}, "c"),
        ({"session_id": "s3"}, ""),
        ({"since": 200}, "bce"),
        ({"until": 200}, "ad"),
        ({"since": 200, "until": 400}, "bc"),
        ({"since": 200, "until": 200}, ""),
        ({"since": -100, "until": 101}, "ad"),
        ({"memory_type": "episodic", "min_importance": 0.4, "since": 250}, "c"),
    ],
    ids=str,
)
def test_a_recall_finds_only_what_fits_every_filter(
    filtered: Owner, routing: Routing, selection: dict[str, Any], expected: str
) -> None:
    found = filtered.recall("note", routing=routing, **selection)

    assert sorted(found) == [f"note {letter}" for letter in expected]
    assert sorted(filtered.contents(**selection)) == sorted(found)


def test_created_after_and_created_before_are_half_open(owner: Owner) -> None:
    owner.place(anywhere(1), ids="old", content="note old", created_at=1_000)
    owner.place(anywhere(1), ids="new", content="note new", created_at=2_000)

    assert owner.contents(created_after=1_000, created_before=2_000) == ["note old"]
    assert owner.contents(created_after=2_000) == ["note new"]
    assert owner.contents(created_before=1_000) == []


METADATA = {
    "channel": "web",
    "count": 5,
    "ratio": 0.25,
    "code": "5",
    "active": True,
    "flag": "true",
    "nothing": None,
    "empty": "",
    "labels": ["x", "y", 7],
    "project": {"name": "atlas", "owner": {"team": "core"}},
    "dotted.key": "here",
    "quote": 'say "hi" = a*b?',
    "Größe": "groß",
}


@pytest.mark.parametrize(
    ("field", "value", "matches"),
    [
        ("channel", "web", True),
        ("channel", "WEB", False),
        ("channel", "we", False),
        ("channel", "*", False),
        ("Channel", "web", False),
        ("count", 5, True),
        ("count", "5", False),
        ("count", 6, False),
        ("ratio", 0.25, True),
        ("code", "5", True),
        ("code", 5, False),
        ("active", True, True),
        ("active", "true", False),
        ("active", 1, False),
        ("flag", "true", True),
        ("flag", True, False),
        ("nothing", None, True),
        ("nothing", "null", False),
        ("nothing", "", False),
        ("absent", None, False),
        ("empty", "", True),
        ("labels", "x", True),
        ("labels", 7, True),
        ("labels", "7", False),
        ("labels", "z", False),
        ("project.name", "atlas", True),
        ("project.owner.team", "core", True),
        ("project.team", "core", False),
        ("name", "atlas", False),
        ("dotted.key", "here", True),
        ("quote", 'say "hi" = a*b?', True),
        ("Größe", "groß", True),
    ],
)
def test_metadata_is_compared_by_field_type_and_value(
    owner: Owner, field: str, value: object, matches: bool
) -> None:
    owner.place(anywhere(1), content="note a", metadata=METADATA)
    owner.place(anywhere(1), ids="other", content="note b", metadata={})

    expected = ["note a"] if matches else []

    assert owner.contents(metadata={field: value}) == expected
    assert owner.recall("note", routing="bm25", metadata={field: value}) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("project", {"name": "atlas", "owner": {"team": "core"}}),
        ("labels", ["x", "y", 7]),
        ("count", 5.0),
    ],
    ids=["an object", "a list", "a number written otherwise"],
)
def test_metadata_equals_what_was_stored_in_whichever_shape(
    owner: Owner, field: str, value: object
) -> None:
    owner.place(anywhere(1), content="note a", metadata=METADATA)

    assert owner.contents(metadata={field: value}) == ["note a"]


def test_every_metadata_field_of_a_filter_must_be_equal(owner: Owner) -> None:
    owner.place(anywhere(1), content="note a", metadata=METADATA)

    assert owner.contents(metadata={"channel": "web", "count": 5}) == ["note a"]
    assert owner.contents(metadata={"channel": "web", "count": 6}) == []


# The two searches and their sum


def scored(found: list[Ranked]) -> list[tuple[str, float]]:
    return [(one.memory.content, round(one.score, 6)) for one in found]


@pytest.mark.parametrize(("weight", "pure"), [(0.0, "bm25"), (1.0, "vector")])
def test_a_vector_weight_at_its_end_answers_as_that_search_alone(
    owner: Owner, weight: float, pure: Routing
) -> None:
    owner.remember(*FIVE_SUBJECTS)
    question = "Which database runs the project?"

    weighted = owner.recalled(question, vector_weight=weight)

    assert scored(weighted) == scored(owner.recalled(question, routing=pure))


def test_words_alone_find_only_memories_that_have_one_of_them(owner: Owner) -> None:
    owner.remember(*FIVE_SUBJECTS)

    found = owner.recalled("risotto, backup or opera", routing="bm25")

    assert {one.memory.content for one in found} == {FIVE_SUBJECTS[1], FIVE_SUBJECTS[4]}
    assert all(one.candidate.cosine is None and one.candidate.bm25 for one in found)


def test_meaning_alone_finds_a_memory_that_shares_no_word(owner: Owner) -> None:
    owner.remember(*FIVE_SUBJECTS)

    assert owner.recall("meal she enjoys", routing="bm25") == []
    assert owner.recall("meal she enjoys", routing="vector", limit=1) == [FIVE_SUBJECTS[1]]


def test_a_rare_word_is_found_where_meaning_does_not_help(owner: Owner) -> None:
    owner.remember(*(f"Invoice number XK{number}Q was paid" for number in range(100, 160)))

    assert owner.recall("XK142Q", limit=1) == ["Invoice number XK142Q was paid"]


@pytest.mark.parametrize(
    ("asked", "stored"),
    [("running", "She can run far"), ("run", "Running is fun"), ("databases", "A DATABASE")],
)
def test_words_match_in_their_other_forms(owner: Owner, asked: str, stored: str) -> None:
    owner.remember(stored, "Something else entirely")

    assert owner.recall(asked, routing="bm25") == [stored]


def test_a_question_of_stop_words_finds_by_meaning_alone(owner: Owner) -> None:
    owner.remember(*FIVE_SUBJECTS)

    assert owner.recall("to be or not to be", routing="bm25") == []
    assert len(owner.recall("to be or not to be")) == 5


@pytest.mark.parametrize(
    "query",
    [
        "foo AND (bar",
        '"',
        "*:*",
        "a/b:c~2^3",
        "tenant:* OR _exists_:content",
        "NOT risotto",
        "-risotto +",
        "ris?tto* [1 TO 2}",
        "\\",
        '{"match_all": {}}',
        "\0",
        "😀",
        "\n",
    ],
)
def test_query_syntax_is_plain_text(owner: Owner, query: str) -> None:
    owner.remember("Her favourite dish is mushroom risotto", "The quick fox")

    by_words = owner.recall(query, routing="bm25")

    expected = ["Her favourite dish is mushroom risotto"] if "risotto" in query else []
    assert by_words == expected
    assert len(owner.recall(query)) == 2


@pytest.mark.parametrize(
    "query",
    [
        " ".join(f"word{number}" for number in range(5_000)),
        "risotto " * 5_000,
        ",".join(f"w{number}" for number in range(1_500)),
        "我们决定使用数据库" * 300,
        "ab-cd-" * 1_600,
        "x" * 10_000,
    ],
    ids=["5,000 words", "one word 5,000 times", "commas", "Chinese", "hyphens", "one long word"],
)
@pytest.mark.parametrize("routing", ["hybrid", "bm25"])
def test_a_very_long_question_is_answered(owner: Owner, query: str, routing: Routing) -> None:
    dish = "Her favourite dish is mushroom risotto"
    owner.remember(dish)

    found = owner.recall(f"risotto {query}", routing=routing)

    assert found == [dish]


# Filters act inside the k-NN search


def test_500_nearer_memories_of_another_namespace_hide_none_of_mine(owner: Owner) -> None:
    vector = embedder().query(QUESTION)
    owner.beside("user-eve").place(around(vector, count=500))
    mine = owner.place(anywhere(3))

    found = owner.recalled(QUESTION, routing="vector")

    assert {one.memory.id for one in found} == {memory.id for memory in mine}
    assert {one.memory.namespace for one in found} == {owner.namespace}


def test_300_nearer_memories_of_another_session_hide_none_of_the_filtered_one(
    owner: Owner,
) -> None:
    vector = embedder().query(QUESTION)
    owner.place(around(vector, count=300), session_id="near")
    owner.place(anywhere(2), session_id="far", ids="far")

    found = owner.recalled(QUESTION, routing="vector", session_id="far")

    assert {one.memory.id for one in found} == {"far_0", "far_1"}


def test_300_nearer_memories_that_expired_or_were_superseded_hide_none_that_counts(
    owner: Owner,
) -> None:
    near = around(embedder().query(QUESTION), count=150)
    owner.place(near, content="near", expires_at=1, ids="expired")
    owner.place(near, content="near", superseded_by="mem_1", ids="superseded")
    owner.place(anywhere(2))

    found = owner.recalled(QUESTION, routing="vector")

    assert {one.memory.id for one in found} == {"mem_0", "mem_1"}


def test_a_hundred_nearest_are_found_among_a_thousand(owner: Owner) -> None:
    vectors = anywhere(1_000)
    owner.place(vectors)
    asked = np.array(embedder().query(QUESTION))

    found = owner.recalled(QUESTION, routing="vector")

    nearest = np.argsort(-(np.array(vectors) @ asked))[:100]
    exact = {f"mem_{index}" for index in nearest}
    assert len(found) == 100
    assert len({one.memory.id for one in found} & exact) >= 95
