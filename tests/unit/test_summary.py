"""Which sentences stand for a session."""

import numpy as np

from cross_session.domain.memory import Memory
from cross_session.domain.summary import (
    Sentence,
    Vectors,
    as_text,
    candidates,
    choose,
    most_telling,
)
from tests.builders import memory

NONE = np.zeros((0, 3), dtype=np.float32)


def unit(*rows: tuple[float, float, float]) -> Vectors:
    array = np.array(rows, dtype=np.float32)
    scaled: Vectors = array / np.linalg.norm(array, axis=1, keepdims=True)
    return scaled


def told(*contents: str, **fields: object) -> list[Sentence]:
    return [
        Sentence(content, memory(f"m{n}", content=content, **fields))
        for n, content in enumerate(contents)
    ]


def test_a_repeat_gives_way_to_something_new() -> None:
    found = told(
        "We use PostgreSQL for the backend now",
        "The backend now is on PostgreSQL",
        "Ines draws all of the screens",
        "Lunch was rather good on Friday",
    )
    vectors = unit((1, 0.1, 0), (1, 0.12, 0), (0.6, 0.8, 0), (0.3, 0, 1))

    chosen = choose(found, vectors, said=(), said_vectors=NONE)

    assert (found[0] in chosen) != (found[1] in chosen)
    assert chosen[1:] == found[2:]


def test_what_the_caller_said_is_not_said_again() -> None:
    found = told(
        "We use PostgreSQL for the backend now",
        "Ines draws all of the screens",
        "The beta opens to fifty people",
    )
    vectors = unit((1, 0, 0), (0.6, 0.8, 0), (0.6, 0, 0.8))

    chosen = choose(found, vectors, said=("PostgreSQL it is.",), said_vectors=unit((1, 0, 0)))

    assert chosen
    assert found[0] not in chosen


def test_the_important_comes_before_the_central() -> None:
    found = told("Nothing much happened in that week", "Nothing happened in the week before")
    marked = Sentence("The launch is on Friday morning", memory("m9", importance=1.0))
    vectors = unit((1, 0, 0), (1, 0.1, 0), (0.8, 0.6, 0))

    chosen = choose([*found, marked], vectors, said=(), said_vectors=NONE)

    assert marked in chosen


def test_sentences_keep_their_order() -> None:
    found = told(*[f"This is sentence number {n} of the talk" for n in range(40)])
    vectors = unit(*[(1, n / 40, (40 - n) / 40) for n in range(40)])

    chosen = choose(found, vectors, said=(), said_vectors=NONE)

    assert [found.index(sentence) for sentence in chosen] == sorted(map(found.index, chosen))
    assert 1 < sum(len(sentence.text.split()) for sentence in chosen) <= 90


def test_one_sentence_is_chosen_however_long_it_is() -> None:
    found = told("word " * 500)

    assert choose(found, unit((1, 0, 0)), said=(), said_vectors=NONE) == found


def test_greetings_and_questions_and_repeats_are_no_candidates() -> None:
    said = [
        memory("a", content="Ada: Hey! The greenhouse roof is fixed. How are you?"),
        memory("b", content="Bob: The greenhouse roof is fixed! Ines lent a ladder to us."),
    ]

    texts = [sentence.text for sentence in candidates(said)]

    assert texts == ["The greenhouse roof is fixed.", "Ines lent a ladder to us."]


def test_a_session_of_greetings_alone_is_summed_up_by_its_last_words() -> None:
    said = [memory("a", content="Hey!"), memory("b", content="Bye!")]

    assert [sentence.text for sentence in candidates(said)] == ["Bye!"]


def test_of_many_memories_the_central_and_important_are_looked_through() -> None:
    many: list[Memory] = [memory(str(n)) for n in range(100)]
    many[3] = memory("3", importance=1.0)
    vectors = unit(*[(1, n / 100, 0) for n in range(100)])

    telling = most_telling(many, vectors)

    assert many[3] in telling
    assert len(telling) == 40
    assert [many.index(one) for one in telling] == sorted(map(many.index, telling))


def test_a_speaker_is_named_where_one_begins() -> None:
    ada, bob = {"actor": "Ada"}, {"actor": "Bob"}
    chosen = [
        Sentence("The roof is fixed.", memory("a", metadata=ada)),
        Sentence("It rained.", memory("b", metadata=ada)),
        Sentence("I lent the ladder.", memory("c", metadata=bob)),
        Sentence("Noted.", memory("d", metadata={"actor": "assistant"})),
    ]

    text = as_text("We met.", chosen)

    assert text == "We met. Ada: The roof is fixed. It rained. Bob: I lent the ladder. Noted."
