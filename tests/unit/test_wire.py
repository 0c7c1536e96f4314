"""What requests may say, and where each bound lies."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from cross_session.errors import InvalidRequestError
from cross_session.wire.memories import (
    Consolidate,
    Forget,
    Recall,
    Search,
    SetImportance,
    StoreBatch,
    StoreMemory,
    UpdateMemory,
)
from cross_session.wire.sessions import EndSession, StartSession

NINE_THIRTY = 1_795_512_600  # 2026-11-24T09:30:00Z
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


def store(**fields: Any) -> StoreMemory:
    return StoreMemory.model_validate({"namespace": "user-bob", "content": "x", **fields})


def recall(**fields: Any) -> Recall:
    return Recall.model_validate({"namespace": "user-bob", "query": "x", **fields})


def refused(model: type[BaseModel], fields: dict[str, Any]) -> set[str]:
    """The top fields that a request is refused for."""
    try:
        model.model_validate(fields)
    except InvalidRequestError as refusal:
        return {refusal.field}
    except ValidationError as refusal:
        return {str(error["loc"][0]) for error in refusal.errors()}
    pytest.fail(f"{model.__name__} took it")


def store_refused(**fields: Any) -> set[str]:
    return refused(StoreMemory, {"namespace": "user-bob", "content": "x", **fields})


def recall_refused(**fields: Any) -> set[str]:
    return refused(Recall, {"namespace": "user-bob", "query": "x", **fields})


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_content_may_have_100000_bytes() -> None:
    assert store(content="x" * 100_000).content


def test_content_is_counted_in_bytes_not_in_characters() -> None:
    assert store(content="ü" * 50_000).content
    assert store(content="\N{GRINNING FACE}" * 25_000).content
    assert store_refused(content="ü" * 50_000 + "x") == {"content"}
    assert store_refused(content="\N{GRINNING FACE}" * 25_000 + "x") == {"content"}


def test_content_that_is_too_long_is_told_both_sizes() -> None:
    with pytest.raises(ValidationError, match=r"100,001 bytes; 100,000 are allowed"):
        store(content="x" * 100_001)


def test_content_may_be_one_character() -> None:
    assert store(content="x").content == "x"


@pytest.mark.parametrize("content", ["", None, 7, ["x"], {"text": "x"}, "\ud800"], ids=ascii)
def test_content_must_be_text(content: object) -> None:
    assert store_refused(content=content) == {"content"}


def test_a_query_may_have_10000_bytes_and_not_one_more() -> None:
    assert recall(query="ü" * 5_000).query
    assert recall_refused(query="ü" * 5_000 + "x") == {"query"}
    assert recall_refused(query="") == {"query"}


def test_a_summary_may_have_10000_bytes_and_not_one_more() -> None:
    assert EndSession(summary="ü" * 5_000).summary
    assert refused(EndSession, {"summary": "ü" * 5_000 + "x"}) == {"summary"}


def test_a_memory_may_have_100_tags_and_not_one_more() -> None:
    tags = [f"tag-{number}" for number in range(100)]

    assert store(tags=tags).tags == tags
    assert store_refused(tags=[*tags, "one-more"]) == {"tags"}


def test_a_tag_may_have_256_characters_and_not_one_more() -> None:
    assert store(tags=["x" * 256]).tags
    assert store_refused(tags=["x" * 257]) == {"tags"}


@pytest.mark.parametrize("tags", [[""], [7], [None], "a,b", {"a": 1}, ["\ud800"]], ids=ascii)
def test_tags_must_be_texts(tags: object) -> None:
    assert store_refused(tags=tags) == {"tags"}


def test_a_tag_said_twice_is_one_tag() -> None:
    assert store(tags=["b", "a", "b"]).to_note().tags == ["b", "a"]


def test_metadata_may_have_100_fields_and_not_one_more() -> None:
    fields = {f"field-{number}": number for number in range(100)}

    assert store(metadata=fields).metadata == fields
    assert store_refused(metadata=fields | {"one-more": 1}) == {"metadata"}


def test_metadata_may_have_32768_bytes_of_json_and_not_one_more() -> None:
    frame = len(json.dumps({"text": ""}))

    assert store(metadata={"text": "ü" * ((32_768 - frame) // 2)}).metadata
    assert store(metadata={"text": "x" * (32_768 - frame)}).metadata
    assert store_refused(metadata={"text": "x" * (32_769 - frame)}) == {"metadata"}
    assert store_refused(metadata={"text": "ü" * 16_384}) == {"metadata"}


def test_metadata_may_be_20_levels_deep_and_not_one_more() -> None:
    assert store(metadata=nested(20)).metadata
    assert store_refused(metadata=nested(21)) == {"metadata"}


def test_a_list_in_metadata_is_a_level() -> None:
    assert store(metadata={"a": [nested(18)]}).metadata
    assert store_refused(metadata={"a": [nested(19)]}) == {"metadata"}


@pytest.mark.parametrize("metadata", [{"a": "\ud800"}, {"\ud800": 1}], ids=ascii)
def test_metadata_with_half_a_character_is_refused(metadata: dict[str, Any]) -> None:
    assert store_refused(metadata=metadata) == {"metadata"}


@pytest.mark.parametrize("model", [StartSession, StoreMemory, Recall, UpdateMemory])
def test_metadata_has_the_same_bounds_everywhere(model: type[BaseModel]) -> None:
    fields = {"namespace": "user-bob", "content": "x", "query": "x", "metadata": nested(21)}

    assert refused(model, fields) == {"metadata"}


@pytest.mark.parametrize("top_k", [1, 100])
def test_top_k_lies_in_1_to_100(top_k: int) -> None:
    assert recall(top_k=top_k).top_k == top_k


@pytest.mark.parametrize("top_k", [0, -1, 101, 1.5, "many", 10**30, float("inf")])
def test_top_k_out_of_1_to_100_is_refused_by_name(top_k: object) -> None:
    assert recall_refused(top_k=top_k) == {"top_k"}


def test_recall_answers_5_and_search_10_unless_told_otherwise() -> None:
    query = {"namespace": "user-bob", "query": "x"}

    assert Recall.model_validate(query).top_k == 5
    assert Search.model_validate(query).top_k == 10
    assert Recall.model_validate(query | {"top_k": None}).top_k == 5
    assert Search.model_validate(query | {"top_k": None}).top_k == 10


@pytest.mark.parametrize("importance", [0, 0.0, 0.85, 1, 1.0])
def test_importance_lies_in_0_to_1(importance: float) -> None:
    assert store(importance=importance).importance == importance


@pytest.mark.parametrize("importance", [-0.01, 1.01, "high", float("inf"), float("nan"), []])
def test_importance_out_of_0_to_1_is_refused_by_name(importance: object) -> None:
    assert store_refused(importance=importance) == {"importance"}


@pytest.mark.parametrize("weight", [-0.01, 1.01, "half", float("nan")])
def test_a_vector_weight_out_of_0_to_1_is_refused_by_name(weight: object) -> None:
    assert recall_refused(vector_weight=weight) == {"vector_weight"}


def test_a_batch_may_have_1000_memories_and_not_one_more() -> None:
    memories = [{"content": f"memory {number}"} for number in range(1_000)]

    batch = StoreBatch.model_validate({"namespace": "user-bob", "memories": memories})

    assert len(batch.notes()) == 1_000
    one_more = {"namespace": "user-bob", "memories": [*memories, {"content": "x"}]}
    assert refused(StoreBatch, one_more) == {"memories"}


def test_a_batch_of_nothing_is_refused_by_name() -> None:
    assert refused(StoreBatch, {"namespace": "user-bob", "memories": []}) == {"memories"}
    assert refused(StoreBatch, {"namespace": "user-bob"}) == {"memories"}


def test_a_batch_names_the_memory_that_is_wrong() -> None:
    memories = [{"content": "x"}, {"content": ""}]

    with pytest.raises(ValidationError) as refusal:
        StoreBatch.model_validate({"namespace": "user-bob", "memories": memories})

    assert refusal.value.errors()[0]["loc"] == ("memories", 1, "content")


def test_a_forget_may_name_1000_memories_and_not_one_more() -> None:
    ids = [f"mem_{number}" for number in range(1_000)]

    assert Forget.model_validate({"namespace": "user-bob", "memory_ids": ids})
    too_many = {"namespace": "user-bob", "memory_ids": [*ids, "mem_x"]}
    assert refused(Forget, too_many) == {"memory_ids"}


def test_an_id_may_have_128_characters_and_not_one_more() -> None:
    assert store(session_id="x" * 128).session_id
    assert store_refused(session_id="x" * 129) == {"session_id"}


@pytest.mark.parametrize("id", [" ", "-a", "a b", "a/b", "a\n", "ü", "a#b", 7])
def test_an_id_that_cannot_be_one_is_refused_by_name(id: object) -> None:
    assert store_refused(session_id=id) == {"session_id"}


@pytest.mark.parametrize("absent", [None, ""])
def test_a_session_id_that_is_null_or_empty_is_absent(absent: object) -> None:
    assert store(session_id=absent).session_id is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (NINE_THIRTY, NINE_THIRTY),
        ("2026-11-24T09:30:00Z", NINE_THIRTY),
        ("2026-11-24t09:30:00z", NINE_THIRTY),
        ("2026-11-24 09:30:00Z", NINE_THIRTY),
        ("2026-11-24T09:30:00+00:00", NINE_THIRTY),
        ("2026-11-24T10:30:00+01:00", NINE_THIRTY),
        ("2026-11-24T02:00:00-07:30", NINE_THIRTY),
        ("2026-11-25T00:00:00+14:30", NINE_THIRTY),
        ("2026-11-24T09:30:00.999Z", NINE_THIRTY),
        ("2026-11-24T09:30:00.999999999Z", NINE_THIRTY),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
        ("9999-12-31T23:59:59Z", LAST_SECOND),
        (LAST_SECOND, LAST_SECOND),
    ],
)
def test_a_moment_is_unix_seconds_or_rfc_3339(said: object, seconds: int) -> None:
    assert store(event_time=said).event_time == seconds


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
)
def test_a_moment_is_the_same_in_every_offset(wall: datetime, minutes: int) -> None:
    moment = wall.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))

    seconds = store(event_time=moment.isoformat()).event_time

    assert seconds is not None
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert epoch + timedelta(seconds=seconds) == moment


@pytest.mark.parametrize("naive", ["2026-11-24T09:30:00", "2026-11-24 09:30", "2026-11-24"])
def test_a_moment_without_an_offset_is_refused_by_name(naive: str) -> None:
    assert store_refused(event_time=naive) == {"event_time"}
    assert recall_refused(since=naive, until=naive) == {"since", "until"}


def test_a_moment_without_an_offset_is_told_that_it_lacks_one() -> None:
    with pytest.raises(ValidationError, match="UTC offset"):
        store(event_time="2026-11-24T09:30:00")


@pytest.mark.parametrize(
    "moment",
    [
        "yesterday",
        "",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        LAST_SECOND + 1,
        -62_135_596_801,
        10**30,
        1.5,
        [],
        "\ud800",
    ],
    ids=ascii,
)
def test_a_moment_that_is_none_is_refused_by_name(moment: object) -> None:
    assert store_refused(event_time=moment) == {"event_time"}


def test_recall_takes_what_happened_in_the_second_of_until_itself() -> None:
    within = recall(since="2026-11-24T09:30:00Z", until="2026-11-24T09:30:00Z").selection()

    assert within.since is not None
    assert within.until is not None
    assert within.since <= NINE_THIRTY < within.until
    assert not within.since <= NINE_THIRTY + 1 < within.until


@pytest.mark.parametrize("ttl", [1, 86_400, 100 * 366 * 86_400])
def test_a_ttl_within_100_years_sets_the_expiry(ttl: int) -> None:
    before = int(datetime.now(UTC).timestamp())

    expires_at = store(ttl_seconds=ttl).to_note().expires_at

    assert expires_at is not None
    assert before + ttl <= expires_at <= before + ttl + 5


@pytest.mark.parametrize("ttl", [0, -1, 100 * 366 * 86_400 + 1, "soon"])
def test_a_ttl_out_of_100_years_is_refused_by_name(ttl: object) -> None:
    assert store_refused(ttl_seconds=ttl) == {"ttl_seconds"}


def test_an_expiry_wins_over_a_ttl() -> None:
    assert store(ttl_seconds=60, expires_at=NINE_THIRTY).to_note().expires_at == NINE_THIRTY


@pytest.mark.parametrize("memory_type", ["episodic", "semantic", "procedural", "working"])
def test_a_memory_has_one_of_four_types(memory_type: str) -> None:
    assert store(memory_type=memory_type).memory_type == memory_type


def test_any_other_type_is_refused_by_name() -> None:
    assert store_refused(memory_type="dream") == {"memory_type"}


@pytest.mark.parametrize(
    ("said", "routing"),
    [(None, "hybrid"), ("auto", "hybrid"), ("vector", "vector"), ("bm25", "bm25")],
)
def test_recall_routes_as_it_is_told(said: str | None, routing: str) -> None:
    assert recall(routing=said).routing == routing


def test_a_routing_that_is_none_is_refused_by_name() -> None:
    assert recall_refused(routing="psychic") == {"routing"}


@pytest.mark.parametrize("model", [StartSession, StoreMemory, StoreBatch, Recall, Forget])
def test_whose_memories_are_meant_must_be_said(model: type[BaseModel]) -> None:
    fields = {"content": "x", "query": "x", "memories": [{"content": "x"}]}

    assert refused(model, fields) == {"namespace"}


@pytest.mark.parametrize("word", ["namespace", "agent_id"])
def test_namespace_and_agent_id_say_the_same(word: str) -> None:
    assert Recall.model_validate({word: "user-bob", "query": "x"}).owner == "user-bob"


def test_null_is_absent_in_every_field_that_may_be_left_out() -> None:
    optional = set(StoreMemory.model_fields) - {"namespace", "content"}

    assert store(**dict.fromkeys(optional)) == store()
    left_out = set(Recall.model_fields) - {"namespace", "query"}
    assert recall(**dict.fromkeys(left_out)) == recall()


def test_a_recall_with_empty_filters_selects_all() -> None:
    empty = recall(tags=[], session_id="", metadata={})

    assert not empty.selection()


def test_a_forget_with_every_selector_empty_selects_nothing_to_forget() -> None:
    empty = {"namespace": "user-bob", "memory_ids": [], "tags": [], "session_id": ""}

    assert not Forget.model_validate(empty).selection()


def test_fields_that_a_store_does_not_know_are_named_in_its_warnings() -> None:
    (warning,) = store(colour="blue").warnings()

    assert "colour" in warning


def test_a_batch_says_which_memory_had_the_field_that_is_not_known() -> None:
    batch = StoreBatch.model_validate(
        {"namespace": "user-bob", "memories": [{"content": "a"}, {"content": "b", "colour": 1}]}
    )

    (warning,) = batch.all_warnings()

    assert warning.startswith("memories[1].colour")


def test_a_field_with_half_a_character_in_its_name_can_still_be_answered() -> None:
    try:
        warnings = store(**{"\ud800": 1}).warnings()
    except ValidationError:
        return

    assert all(warning.encode() for warning in warnings)


@pytest.mark.parametrize("lang", [None, "en", "en-GB", "EN"])
def test_english_is_stored_without_a_warning(lang: str | None) -> None:
    assert store(lang=lang).warnings() == []


def test_another_language_is_stored_with_a_warning() -> None:
    (warning,) = store(lang="de").warnings()

    assert warning.startswith("lang")


def test_an_update_changes_only_what_it_names() -> None:
    update = UpdateMemory.model_validate({"namespace": "user-bob", "importance": 0.0, "tags": []})

    assert update.changes() == {"importance": 0.0, "tags": []}


def test_an_update_that_names_nothing_changes_nothing() -> None:
    assert UpdateMemory.model_validate({"agent_id": "user-bob", "content": None}).changes() == {}


def test_an_update_keeps_null_inside_metadata() -> None:
    metadata = {"closed_at": None, "owner": {"name": None}}

    assert UpdateMemory(metadata=metadata).changes() == {"metadata": metadata}


def test_importance_is_set_for_one_memory_or_for_several() -> None:
    one = {"namespace": "user-bob", "importance": 0.5, "memory_id": "mem_1"}
    several = {"namespace": "user-bob", "importance": 0.5, "memory_ids": ["mem_1", "mem_2"]}

    assert SetImportance.model_validate(one).ids == ["mem_1"]
    assert SetImportance.model_validate(several).ids == ["mem_1", "mem_2"]


def test_importance_set_for_no_memory_is_refused_by_name() -> None:
    nothing = SetImportance.model_validate({"namespace": "user-bob", "importance": 0.5})

    with pytest.raises(InvalidRequestError, match="memory_id"):
        _ = nothing.ids


def test_consolidating_one_memory_is_refused_by_name() -> None:
    for ids in (["mem_1"], ["mem_1", "mem_1"]):
        assert refused(Consolidate, {"namespace": "user-bob", "memory_ids": ids}) == {"memory_ids"}


@pytest.mark.parametrize("threshold", [0, 1.01, -0.5])
def test_a_threshold_that_is_no_cosine_to_ask_for_is_refused_by_name(threshold: float) -> None:
    fields = {"namespace": "user-bob", "threshold": threshold}

    assert refused(Consolidate, fields) == {"threshold"}
