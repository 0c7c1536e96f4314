"""A namespace as a whole, over HTTP: exported, imported, erased; and what the audit tells."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest
from dakera import DakeraClient

from tests.e2e.service import ROOT, LocalService, Service

ODD = 'He said "no",\r\nthen\u2028left\x00 \N{ZERO WIDTH JOINER}'


@pytest.fixture
def stocked(http: httpx.Client, namespace: str) -> str:
    """An ended session of two turns, no summary of it, and a note that expires in a day."""
    start = {"namespace": namespace, "metadata": {"channel": "web"}}
    session = http.post("/v1/sessions/start", json=start).json()["session"]["id"]
    memories: list[dict[str, Any]] = [
        {"content": "Ada: Which database?", "session_id": session, "tags": ["question"]},
        {"content": f"Bob: PostgreSQL. {ODD}", "session_id": session, "importance": 0.1 + 0.2},
        {
            "content": "Decided to use PostgreSQL",
            "metadata": {"type": "decision", "deep": [1, {"x": None}], "big": 2**53 + 1},
            "event_time": "2024-01-01T12:00:00Z",
            "expires_at": int(time.time()) + 86_400,
            "memory_type": "semantic",
        },
    ]
    for memory in memories:
        http.post("/v1/memory/store", json={"namespace": namespace, **memory}).raise_for_status()
    end = {"summary": "Chose a database", "auto_summarize": False}
    http.post(f"/v1/sessions/{session}/end", json=end).raise_for_status()
    return namespace


def export(http: httpx.Client, namespace: str, **query: Any) -> httpx.Response:
    answer = http.get("/v1/export", params={"namespace": namespace, **query})
    assert answer.is_success, answer.text
    return answer


def import_(http: httpx.Client, namespace: str, data: str, **query: Any) -> dict[str, Any]:
    answer = http.post(
        "/v1/import",
        params={"namespace": namespace, **query},
        files={"file": ("memories.txt", data.encode(), "application/octet-stream")},
    )
    done: dict[str, Any] = answer.raise_for_status().json()
    return done


def make_key(service: Service, *, scope: str, namespaces: str) -> str:
    if not isinstance(service, LocalService):
        pytest.skip("keys are made beside the local service")
    made = subprocess.run(
        [sys.executable, "-m", "infra.key", "--scope", scope, "--namespaces", namespaces],
        cwd=ROOT,
        env=os.environ | {"PORT": str(service.port)},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def erase(http: httpx.Client, namespace: str) -> dict[str, Any]:
    while (answer := http.delete(f"/v1/namespaces/{namespace}")).status_code == 202:
        pass
    receipt: dict[str, Any] = answer.raise_for_status().json()
    return receipt


def test_an_erased_namespace_comes_back_from_its_export_as_it_was(
    http: httpx.Client, stocked: str
) -> None:
    file = export(http, stocked).text
    listed = http.get("/v1/sessions", params={"namespace": stocked}).json()

    erase(http, stocked)
    assert export(http, stocked).text == ""
    done = import_(http, stocked, file)

    assert (done["status"], done["imported"], done["errors"]) == ("done", 4, [])
    assert export(http, stocked).text == file
    assert http.get("/v1/sessions", params={"namespace": stocked}).json() == listed


def test_what_is_outdated_and_what_readers_thought_comes_back_too(
    http: httpx.Client, namespace: str
) -> None:
    def store(**fields: Any) -> str:
        body = {"namespace": namespace, "subject": "backend.database", **fields}
        answer = http.post("/v1/memory/store", json=body).raise_for_status()
        id: str = answer.json()["memory"]["id"]
        return id

    store(content="We use MongoDB", event_time="1969-01-01T00:00:00Z")
    id = store(content="We use PostgreSQL", event_time="1969-06-01T00:00:00Z")
    said = {"agent_id": namespace, "signal": "flag"}
    http.post(f"/v1/memories/{id}/feedback", json=said).raise_for_status()
    file = export(http, namespace).text

    erase(http, namespace)
    done = import_(http, namespace, file)

    outdated, current = map(json.loads, file.splitlines())
    assert (outdated["superseded_by"], outdated["superseded_kind"]) == (id, "subject")
    assert (current["feedback"]["flags"], len(current["feedback"]["entries"])) == (1, 1)
    assert done["errors"] == []
    assert export(http, namespace).text == file


@pytest.mark.parametrize(
    "feedback",
    [{"upvotes": 2**31}, {"flags": True}, {"entries": [{"signal": "shout"}]}, {"downvotes": -1}],
    ids=str,
)
def test_feedback_that_nobody_can_have_given_is_not_kept(
    http: httpx.Client, namespace: str, feedback: dict[str, Any]
) -> None:
    done = import_(http, namespace, json.dumps({"content": "x", "feedback": feedback}))

    assert (done["status"], done["imported"]) == ("failed", 0)
    assert done["errors"][0].startswith("line 1: feedback.")


def test_another_namespace_gets_the_same_memories_under_a_session_of_its_own(
    http: httpx.Client, stocked: str, namespace: str
) -> None:
    file = export(http, stocked).text
    copy = f"{namespace}-copy"

    import_(http, copy, file)
    import_(http, copy, file)

    before, after = (
        [json.loads(line) for line in one.splitlines()] for one in (file, export(http, copy).text)
    )
    session, other = before[0].pop("id"), after[0].pop("id")
    assert session != other
    for record in after:
        if record.get("session_id") == other:
            record["session_id"] = session
    assert after == before


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("jsonl", "application/x-ndjson"),
        ("csv", "text/csv; charset=utf-8"),
        ("mem0", "application/json"),
        ("zep", "application/json"),
    ],
)
def test_a_file_of_every_format_comes_back_as_it_went(
    http: httpx.Client, stocked: str, form: str, media_type: str
) -> None:
    answer = export(http, stocked, format=form)
    assert answer.headers["Content-Type"] == media_type
    erase(http, stocked)

    done = import_(http, stocked, answer.text, format=form)

    assert done["errors"] == []
    assert export(http, stocked, format=form).text == answer.text


def test_csv_is_a_table_that_other_programs_read(http: httpx.Client, stocked: str) -> None:
    rows = list(csv.DictReader(io.StringIO(export(http, stocked, format="csv").text, newline="")))

    assert [row["content"] for row in rows][1] == f"Bob: PostgreSQL. {ODD}"
    assert rows[1]["importance"] == str(0.1 + 0.2)
    assert json.loads(rows[2]["metadata"]) == {
        "type": "decision",
        "deep": [1, {"x": None}],
        "big": 2**53 + 1,
    }


def test_a_mem0_export_is_read(http: httpx.Client, namespace: str) -> None:
    exported = {
        "count": 1,
        "results": [
            {
                "id": "ea925981-272f-40dd-b576-be64e4871429",
                "memory": "Dev works at TechCorp",
                "user_id": "dev",
                "hash": "c0ffee",
                "metadata": {"type": "professional"},
                "categories": ["work"],
                "created_at": "2024-09-03T10:16:05.490548-07:00",
                "updated_at": None,
                "expiration_date": "2999-01-01",
            }
        ],
    }

    import_(http, namespace, json.dumps(exported), format="mem0")

    (memory,) = http.get(f"/v1/agents/{namespace}/memories").json()
    assert memory["content"] == "Dev works at TechCorp"
    assert memory["tags"] == ["work"]
    assert memory["created_at"] == memory["event_time"] == 1_725_383_765
    assert memory["expires_at"] == 32_472_230_400  # when that day is over


def test_a_zep_sessions_messages_are_read(http: httpx.Client, namespace: str) -> None:
    message = {
        "uuid": "3e0e4af9-71ff-4541-b206-6133574bbbc7",
        "role": "Ada",
        "role_type": "user",
        "content": "Who were her contemporaries?",
        "created_at": "2023-12-08T22:17:33.185756Z",
        "metadata": None,
        "token_count": 7,
    }

    import_(http, namespace, json.dumps({"messages": [message]}), format="zep")

    (memory,) = http.get(f"/v1/agents/{namespace}/memories").json()
    assert memory["id"] == message["uuid"]
    assert memory["metadata"] == {"actor": "Ada", "role_type": "user"}


def test_a_large_namespace_is_exported_in_pages(http: httpx.Client, stocked: str) -> None:
    whole = export(http, stocked).text

    pages, cursor = [], ""
    while True:
        answer = export(http, stocked, limit=1, cursor=cursor)
        pages.append(answer.text)
        if (cursor := answer.headers.get("X-Next-Cursor", "")) == "":
            break

    assert len(pages) == 4
    assert "".join(pages) == whole


def test_what_is_too_large_for_one_answer_is_refused_not_cut(
    http: httpx.Client, namespace: str
) -> None:
    for batch in range(7):
        body = {
            "namespace": namespace,
            "memories": [{"content": f"{batch}.{number} {'na ' * 33_000}"} for number in range(10)],
        }
        http.post("/v1/memories/store/batch", json=body).raise_for_status()

    refused = http.get("/v1/export", params={"namespace": namespace})
    first = export(http, namespace, limit=1_000)
    second = export(http, namespace, limit=1_000, cursor=first.headers["X-Next-Cursor"])

    assert (refused.status_code, refused.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert "limit=" in refused.json()["detail"]
    assert "X-Next-Cursor" not in second.headers
    assert len((first.text + second.text).splitlines()) == 70


def test_a_cursor_that_we_never_gave_is_refused(http: httpx.Client, namespace: str) -> None:
    for cursor in ("x", "bm8", "W10", "\N{BEAR FACE}", "a" * 600):
        answer = http.get("/v1/export", params={"namespace": namespace, "cursor": cursor})

        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")


def test_lines_that_cannot_be_kept_are_told_by_number_and_the_others_are_kept(
    http: httpx.Client, namespace: str
) -> None:
    lines = [
        '{"content": "good"}',
        '{"content": ""}',
        "",
        "{",
        '{"content": "x", "importance": 2}',
        '{"content": "x", "expires_at": 1}',
        '"text"',
        '{"record": "session", "id": "s"}',
        '{"content": "x", "metadata": {"n": 1e999}}',
    ]

    done = import_(http, namespace, "\n".join(lines))

    assert (done["total"], done["imported"], done["skipped"]) == (8, 1, 7)
    where = [error.partition(":")[0] for error in done["errors"]]
    assert where == [f"line {number}" for number in (2, 4, 5, 6, 7, 8, 9)]
    assert "importance" in done["errors"][2]
    (memory,) = http.get(f"/v1/agents/{namespace}/memories").json()
    assert memory["content"] == "good"


def test_the_status_of_an_import_can_be_asked_for_later(http: httpx.Client, namespace: str) -> None:
    done = import_(http, namespace, '{"content": "good"}')

    assert http.get(f"/v1/import/{done['job_id']}/status").json() == done
    absent = http.get(f"/v1/import/imp_{'0' * 16}_{namespace}/status")
    assert (absent.status_code, absent.json()["code"]) == (404, "JOB_NOT_FOUND")


def test_more_than_an_import_takes_is_refused_with_the_number(
    http: httpx.Client, namespace: str
) -> None:
    answer = http.post(
        "/v1/import",
        json={"data": '{"content": "x"}\n' * 1_001, "agent_id": namespace, "format": "jsonl"},
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert "1,000" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("mem0", "{"),
        ("mem0", '{"memory": "x"}'),
        ("zep", "[" * 10_000),
        ("csv", "id,text\n1,2\n"),
        ("csv", 'content\n"x'),
    ],
)
def test_a_file_of_another_format_is_refused(
    http: httpx.Client, namespace: str, form: str, data: str
) -> None:
    body = {"data": data, "agent_id": namespace, "format": form}

    answer = http.post("/v1/import", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "data")


def test_a_form_without_a_file_is_refused(http: httpx.Client, namespace: str) -> None:
    for content in (b"--b\r\n\r\nx\r\n--b--\r\n", b"", b"\xff", b"--b"):
        answer = http.post(
            "/v1/import",
            params={"namespace": namespace},
            content=content,
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )

        assert answer.status_code == 400


def test_the_public_client_exports_and_imports(
    http: httpx.Client, service: Service, stocked: str, namespace: str
) -> None:
    with DakeraClient(base_url=service.url, api_key=service.key) as client:
        for form in ("jsonl", "csv", "mem0", "zep"):
            exported = client.export_memories(format=form, agent_id=stocked)
            copy = f"{namespace}-{form}"
            done = client.import_memories(exported.raw, format=form, agent_id=copy)

            assert exported.count == 3
            assert (done.status, done.imported_count, done.errors) == ("done", 3, [])
            assert done.job_id is not None
            assert client.import_job_status(done.job_id).imported == 3
            assert len(http.get(f"/v1/agents/{copy}/memories").json()) == 3


def test_the_audit_tells_who_did_what_and_never_what_was_said(
    http: httpx.Client, stocked: str
) -> None:
    http.post("/v1/memory/forget", json={"namespace": stocked, "tags": ["question"]})
    export(http, stocked)
    erase(http, stocked)

    answer = http.get("/v1/audit", params={"namespace": stocked})

    events = answer.json()["events"]
    assert [event["event_type"] for event in events] == [
        "erased",
        "exported",
        "forgotten",
        "session_ended",
        *["stored"] * 3,
        "session_started",
    ]
    assert len({event["actor"] for event in events}) == 1
    assert all(event["memory_id"] for event in events if event["event_type"] == "stored")
    assert "PostgreSQL" not in answer.text
    now_ms = time.time() * 1000
    assert all(now_ms - 60_000 < event["timestamp"] <= now_ms for event in events)


def test_audit_events_come_by_kind_by_time_and_in_pages(http: httpx.Client, stocked: str) -> None:
    def listed(**query: Any) -> dict[str, Any]:
        answer = http.get("/v1/audit", params={"agent_id": stocked, **query})
        page: dict[str, Any] = answer.raise_for_status().json()
        return page

    whole = listed()["events"]
    stored = listed(event_type="stored")["events"]
    first = listed(limit=2)
    rest = listed(limit=1_000, cursor=first["cursor"])
    moment = stored[1]["timestamp"]
    at_moment = listed(**{"from": moment, "to": moment})["events"]

    assert stored == [event for event in whole if event["event_type"] == "stored"]
    assert first["events"] + rest["events"] == whole
    assert rest["cursor"] is None
    assert at_moment == [event for event in whole if event["timestamp"] == moment]


def test_the_audit_of_all_namespaces_is_in_order(http: httpx.Client, stocked: str) -> None:
    events = http.get("/v1/audit", params={"limit": 50}).json()["events"]

    assert stocked in {event["namespace"] for event in events}
    assert [event["id"] for event in events] == sorted(
        (event["id"] for event in events), reverse=True
    )


def test_the_public_client_reads_the_audit(service: Service, stocked: str) -> None:
    with DakeraClient(base_url=service.url, api_key=service.key) as client:
        listed = client.list_audit_events(agent_id=stocked, event_type="stored")
        as_csv = client.export_audit(format="csv", agent_id=stocked)
        as_json = client.export_audit(format="json", agent_id=stocked, limit=2)

    assert listed.total == 3
    assert as_csv.count == 5
    assert as_json.count == 2


def test_the_audit_is_exported_by_a_body_too(http: httpx.Client, stocked: str) -> None:
    by_query = http.get("/v1/audit/export", params={"agent_id": stocked, "limit": 2})
    by_body = http.post(
        "/v1/audit/export", json={"agent_id": stocked, "limit": 2, "to": 10**13 - 1}
    )

    assert by_body.json() == by_query.json()
    assert by_query.headers["X-Next-Cursor"] == by_query.json()["cursor"]


def test_only_an_admin_key_erases_and_reads_the_audit(
    http: httpx.Client, service: Service, stocked: str
) -> None:
    key = make_key(service, scope="write", namespaces=stocked)
    headers = {"Authorization": f"Bearer {key}"}

    answers = [
        http.delete(f"/v1/namespaces/{stocked}", headers=headers),
        http.get("/v1/audit", params={"namespace": stocked}, headers=headers),
        http.get("/v1/audit/export", params={"namespace": stocked}, headers=headers),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert export(http, stocked).text != ""


def test_a_key_reaches_no_other_namespaces_files_erasure_or_audit(
    http: httpx.Client, service: Service, stocked: str
) -> None:
    key = make_key(service, scope="admin", namespaces="somebody-else")
    job = import_(http, stocked, '{"content": "good"}')["job_id"]
    with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {key}"}) as other:
        answers = [
            other.get("/v1/export", params={"namespace": stocked}),
            other.post("/v1/import", json={"data": "", "namespace": stocked}),
            other.get(f"/v1/import/{job}/status"),
            other.delete(f"/v1/namespaces/{stocked}"),
            other.get("/v1/audit", params={"namespace": stocked}),
        ]
        everything = other.get("/v1/audit").json()["events"]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert everything == []
