"""A memory index copied into a new one while the service goes on writing to the old.

Each shard numbers its writes. A pass copies a range of these numbers, so the next takes only what
was written since; how far it came stands in the new index. A copy's version is its number, so an
older state never overwrites a newer one, in whatever order they arrive. `_reindex` could do
neither: it knows a document's version, which begins at 1 again after a deletion.

What is copied goes to an alias that only the new index has, and only until it is the one in use:
a pass that lags behind writes nowhere.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError as EngineNotFoundError
from opensearchpy.helpers import streaming_bulk

from cross_session.adapters import index_schema, opensearch
from cross_session.adapters.opensearch import raise_for
from cross_session.errors import EngineUnavailableError
from cross_session.settings import engine_settings

PAGE = 200
LISTED = 1_000  # so many memories or fewer are looked up one by one

_BULK_BYTES = 5 * 2**20  # small instances take requests of up to 10 MiB
_PATIENT = {"request_timeout": 60}
_EVERYTHING = range(2**63 - 1)  # each `sequence` that the field can hold
_PARTS = 16


@dataclass(frozen=True, slots=True)
class Counts:
    old: int
    new: int


def current() -> str | None:
    """The index behind the alias."""
    return _behind(index_schema.ALIAS)


def fits(index: str) -> bool:
    """Whether it has the mapping and the number of shards that new indexes get."""
    wanted = (index_schema.VERSION, engine_settings().shards)
    version, _ = _version_and_generation(index)
    with opensearch.engine() as engine:
        return (version, int(_settings(engine, index)["number_of_shards"])) == wanted


def successor(old: str) -> str:
    """The index that is to take over; it is created if there is none."""
    new = _behind(_next())
    if new is not None:
        return new
    _, generation = _version_and_generation(old)
    new = index_schema.index_name(generation + 1)
    settings = engine_settings()
    body = index_schema.definition(shards=settings.shards, replicas=settings.replicas)
    with opensearch.engine() as engine:
        engine.indices.create(index=new, body=body | {"aliases": {_next(): {}}})
    return new


def copy(old: str, new: str, *, until: float) -> bool:
    """Copies what was written to `old` before the call, unless an earlier one did.

    False where `until`, a time of `monotonic`, came first; the next call goes on from there.
    """
    with opensearch.engine() as engine:
        meta = engine.indices.get_mapping(index=new)[new]["mappings"].get("_meta", {})
        copied: dict[str, int] = meta.get("copied", {})
        settled = {shard: one["global_checkpoint"] for shard, one in _writes(engine, old).items()}
        engine.indices.refresh(index=old, params=_PATIENT)
        for shard, last in settled.items():
            while copied.get(shard, -1) < last and monotonic() < until:
                copied[shard] = _copy_page(engine, old, shard, copied.get(shard, -1), last)
        engine.indices.put_mapping(index=new, body={"_meta": {"copied": copied}})
    return all(copied.get(shard, -1) >= last for shard, last in settled.items())


def remove_deleted(old: str, new: str, *, until: float) -> bool:
    """Removes from `new` what `old` has no more; False where `until` came first.

    Looks where the two hold different numbers of memories, by the time they were stored. That
    finds all once `old` is blocked and copied, since `new` then lacks nothing.
    """
    with opensearch.engine() as engine:
        engine.indices.refresh(index=f"{old},{new}", params=_PATIENT)
        pending = [_EVERYTHING]
        while pending:
            if monotonic() > until:
                return False
            parts = _parts(pending.pop())
            for part, counts in zip(parts, _counts(engine, old, new, parts), strict=True):
                if counts.old == counts.new:
                    continue
                if counts.new <= LISTED or len(part) == 1:
                    _remove_deleted_within(engine, old, new, part)
                else:
                    pending.append(part)
    return True


def block(old: str) -> None:
    """Has `old` take no more writes; those under way are done on return."""
    with opensearch.engine() as engine:
        engine.indices.add_block(index=old, block="write", params=_PATIENT)


def blocked(old: str) -> bool:
    """Whether it takes no more writes, and none that it took can still be lost."""
    with opensearch.engine() as engine:
        return _settings(engine, old).get("blocks", {}).get("write") == "true" and all(
            one["global_checkpoint"] == one["max_seq_no"] for one in _writes(engine, old).values()
        )


def counts(old: str, new: str) -> Counts:
    with opensearch.engine() as engine:
        engine.indices.refresh(index=f"{old},{new}", params=_PATIENT)
        [both] = _counts(engine, old, new, [_EVERYTHING])
    return both


def switch(old: str, new: str) -> None:
    """Puts `new` behind the alias, in one step; `old` stays as it is, taking no writes."""
    alias = index_schema.ALIAS
    actions = [
        {"remove": {"index": old, "alias": alias}},
        {"remove": {"index": new, "alias": _next()}},
        {"add": {"index": new, "alias": alias, "is_write_index": True}},
    ]
    with opensearch.engine() as engine:
        engine.indices.update_aliases(body={"actions": actions})


def drop_others() -> list[str]:
    """Deletes every index but the one behind the alias, which takes writes again.

    Returns their names. Where none is behind the alias, all stay.
    """
    kept = current()
    if kept is None:
        return []
    with opensearch.engine() as engine:
        others = [
            one for one in engine.indices.get(index=f"{index_schema.ALIAS}-v*") if one != kept
        ]
        for one in others:
            engine.indices.delete(index=one, params=_PATIENT)
        engine.indices.put_settings(index=kept, body={"index.blocks.write": None})
    return others


def _next() -> str:
    return f"{index_schema.ALIAS}-next"


def _behind(alias: str) -> str | None:
    try:
        with opensearch.engine() as engine:
            [index] = engine.indices.get_alias(name=alias)
    except EngineNotFoundError:
        return None
    return str(index)


def _version_and_generation(index: str) -> tuple[int, int]:
    named = re.fullmatch(r".+-v(\d+)-(\d+)", index)
    if named is None:
        raise LookupError(f"{index} is no index of ours")
    return int(named[1]), int(named[2])


def _settings(engine: OpenSearch, index: str) -> dict[str, Any]:
    settings: dict[str, Any] = engine.indices.get_settings(index=index)[index]["settings"]["index"]
    return settings


def _writes(engine: OpenSearch, index: str) -> dict[str, dict[str, int]]:
    """Of each shard, how its writes are numbered, as its primary knows it.

    A write up to `global_checkpoint` is on every copy; a later one can be lost with a node, and
    its number given anew.
    """
    shards = engine.indices.stats(index=index, params={"level": "shards"})["indices"][index]
    writes = {
        shard: copy["seq_no"]
        for shard, copies in shards["shards"].items()
        for copy in copies
        if copy["routing"]["primary"]
    }
    if len(writes) < int(_settings(engine, index)["number_of_shards"]):
        raise EngineUnavailableError(f"a shard of {index} is away")
    return writes


def _copy_page(engine: OpenSearch, old: str, shard: str, after: int, last: int) -> int:
    """Copies up to `PAGE` writes that follow `after`; the number up to which all are copied."""
    body = {
        "query": {"range": {"_seq_no": {"gt": after, "lte": last}}},
        "sort": [{"_seq_no": "asc"}],
        "size": PAGE,
        "seq_no_primary_term": True,
    }
    of_shard = {"preference": f"_shards:{shard}|_primary", **_PATIENT}
    hits = engine.search(index=old, body=body, params=of_shard)["hits"]["hits"]
    _write(engine, map(_as_copy, hits))
    return int(hits[-1]["_seq_no"]) if len(hits) == PAGE else last


def _as_copy(hit: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_id": hit["_id"],
        "routing": hit["_routing"],
        "version": hit["_seq_no"],
        "version_type": "external",
        "_source": hit["_source"],
    }


def _remove_deleted_within(engine: OpenSearch, old: str, new: str, stored: range) -> None:
    body = {
        "query": _stored_within(stored),
        "size": LISTED,
        "seq_no_primary_term": True,
        "_source": False,
    }
    hits = engine.search(index=new, body=body, params=_PATIENT)["hits"]["hits"]
    if not hits:
        return
    wanted = [{"_id": hit["_id"], "routing": hit["_routing"], "_source": False} for hit in hits]
    found = engine.mget(index=old, body={"docs": wanted})["docs"]
    _write(
        engine,
        (
            _as_removal(hit)
            for hit, document in zip(hits, found, strict=True)
            if not document["found"]
        ),
    )


def _as_removal(hit: Mapping[str, Any]) -> dict[str, Any]:
    """Names a copy as it was found: one that was written since stays."""
    return {
        "_op_type": "delete",
        "_id": hit["_id"],
        "routing": hit["_routing"],
        "if_seq_no": hit["_seq_no"],
        "if_primary_term": hit["_primary_term"],
    }


def _counts(engine: OpenSearch, old: str, new: str, spans: Sequence[range]) -> list[Counts]:
    """How many memories each of the two holds that were stored in each span."""
    lines: list[dict[str, Any]] = []
    for span in spans:
        body = {"query": _stored_within(span), "size": 0, "track_total_hits": True}
        for index in (old, new):
            lines += [{"index": index, "allow_partial_search_results": False}, body]
    responses = engine.msearch(body=lines, params=_PATIENT)["responses"]
    for response in responses:
        raise_for(response)
    totals = [response["hits"]["total"]["value"] for response in responses]
    return [Counts(*both) for both in zip(totals[::2], totals[1::2], strict=True)]


def _stored_within(span: range) -> dict[str, Any]:
    return {"range": {"sequence": {"gte": span.start, "lt": span.stop}}}


def _parts(span: range) -> list[range]:
    step = -(-len(span) // _PARTS)
    return [
        range(start, min(start + step, span.stop)) for start in range(span.start, span.stop, step)
    ]


def _write(engine: OpenSearch, actions: Iterable[dict[str, Any]]) -> None:
    """Writes to the new index; what is newer there stays."""
    outcomes = streaming_bulk(
        engine,
        actions,
        max_chunk_bytes=_BULK_BYTES,
        raise_on_error=False,
        index=_next(),
        params={"require_alias": "true", **_PATIENT},
    )
    for _, item in outcomes:
        [outcome] = item.values()
        if outcome["status"] != HTTPStatus.CONFLICT:
            raise_for(outcome)
