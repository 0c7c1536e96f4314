"""What the real model makes of text."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cross_session.adapters.embeddings import MAX_TOKENS, Embedder, embedder
from cross_session.adapters.index_schema import DIMENSIONS

MIXED_LENGTHS = [
    "short",
    "We decided to use PostgreSQL instead of MongoDB for the project.",
    "Ünïcödé: Привет, 東京, مرحبا",
    "The weekly review is on Monday at nine. " * 12,
    "word " * 900,
    "😀",
]


@pytest.fixture(scope="module")
def model(engine: str) -> Embedder:
    assert engine
    return embedder()


def array(vectors: list[list[float]]) -> NDArray[np.float64]:
    return np.array(vectors)


def test_a_vector_has_384_parts_and_unit_length(model: Embedder) -> None:
    vectors = array([*model.passages(MIXED_LENGTHS), model.query("which database?")])

    assert DIMENSIONS == 384
    assert vectors.shape == (len(MIXED_LENGTHS) + 1, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_the_same_text_has_the_same_vector_each_time(model: Embedder) -> None:
    assert model.passages(["the same text"]) == model.passages(["the same text"])
    assert model.query("the same text") == model.query("the same text")


def test_a_text_has_the_same_vector_alone_as_in_a_batch_of_mixed_lengths(model: Embedder) -> None:
    alone = array([model.passages([text])[0] for text in MIXED_LENGTHS])

    together = array(model.passages(MIXED_LENGTHS))

    assert np.abs(together - alone).max() < 1e-4


def test_a_question_and_a_passage_of_the_same_words_have_different_vectors(
    model: Embedder,
) -> None:
    asked, told = model.query("the database"), model.passages(["the database"])[0]

    assert np.abs(np.subtract(asked, told)).max() > 1e-3


def test_vectors_come_in_the_order_of_their_texts_however_many(model: Embedder) -> None:
    subjects = ["database", "breakfast", "train", "guitar", "river"]
    texts = [
        f"{subjects[number % 5]} {number} " + "and so on " * (number * 7 % 11)
        for number in range(150)
    ]

    vectors = array(model.passages(texts))

    alone = array([model.passages([text])[0] for text in texts])
    assert (alone @ vectors.T).argmax(axis=1).tolist() == list(range(150))


def test_no_texts_have_no_vectors(model: Embedder) -> None:
    assert model.passages([]) == []


def test_text_past_the_models_window_is_left_out_and_does_no_harm(model: Embedder) -> None:
    window = "the meeting was long " * 300

    [cut, longer] = model.passages([window, window + "and then about whales " * 4_000])

    assert model.tokens(window) > MAX_TOKENS
    assert cut == pytest.approx(longer, abs=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "\0",
        "a\0b",
        "😀👩‍👩‍👧",
        "שלום עולם",
        "e\u0301\u0301",
        "\U0010ffff",
        "\u202e",
    ],
)
def test_any_text_has_a_vector(model: Embedder, text: str) -> None:
    for vector in (model.query(text), model.passages([text])[0]):
        assert len(vector) == DIMENSIONS
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("question", "answer", "unrelated"),
    [
        (
            "Which database did we choose?",
            "Picked Postgres as the storage engine.",
            "The cat sleeps on the sofa all afternoon.",
        ),
        (
            "What does the user like to eat?",
            "Her favourite dish is mushroom risotto.",
            "The build server was moved to another region.",
        ),
        (
            "When is the trip?",
            "They fly to Lisbon on the third of May.",
            "The function parses YAML files.",
        ),
    ],
)
def test_an_answer_in_other_words_is_closer_than_an_unrelated_text(
    model: Embedder, question: str, answer: str, unrelated: str
) -> None:
    cosines = array(model.passages([answer, unrelated])) @ np.array(model.query(question))

    assert cosines[0] > cosines[1] + 0.02
