"""What no client should send: refused with the reason and the field, and nothing is stored."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from infra.routes import ROUTES
from tests.e2e.service import Service

WITH_BODY = [
    route
    for route in ROUTES
    if route.method in ("POST", "PUT")
    and not route.path.endswith(("/touch", "/deactivate", "/restore"))
]
DEEP = 100_000

# Of a store: a field, a value that it can't have, and the field that the answer names.
WRONG: list[tuple[str, Any, str]] = [
    ("content", None, "content"),
    ("content", "", "content"),
    ("content", 7, "content"),
    ("content", True, "content"),
    ("content", ["text"], "content"),
    ("content", {"text": "x"}, "content"),
    ("content", "x" * 100_001, "content"),
    ("content", "\N{BEAR FACE}" * 25_001, "content"),
    ("importance", 1.01, "importance"),
    ("importance", -1e-9, "importance"),
    ("importance", "0.5", "importance"),
    ("importance", True, "importance"),
    ("importance", [0.5], "importance"),
    ("memory_type", "Episodic", "memory_type"),
    ("memory_type", 1, "memory_type"),
    ("metadata", "x", "metadata"),
    ("metadata", [["a", 1]], "metadata"),
    ("metadata", {str(number): 0 for number in range(101)}, "metadata"),
    ("metadata", {"x": "y" * 32_769}, "metadata"),
    ("tags", "decision", "tags"),
    ("tags", {"a": 1}, "tags"),
    ("tags", [1], "tags[0]"),
    ("tags", [""], "tags[0]"),
    ("tags", ["x" * 257], "tags[0]"),
    ("tags", ["x"] * 101, "tags"),
    ("session_id", 5, "session_id"),
    ("session_id", "../sessions", "session_id"),
    ("session_id", "a b", "session_id"),
    ("session_id", "x" * 129, "session_id"),
    ("session_id", "ses\n", "session_id"),
    ("ttl_seconds", 0, "ttl_seconds"),
    ("ttl_seconds", 1.5, "ttl_seconds"),
    ("ttl_seconds", "60", "ttl_seconds"),
    ("ttl_seconds", 10**18, "ttl_seconds"),
    ("expires_at", -1, "expires_at"),
    ("expires_at", 10**30, "expires_at"),
    ("expires_at", True, "expires_at"),
    ("event_time", "yesterday", "event_time"),
    ("event_time", "2026-11-24T09:30:00", "event_time"),
    ("event_time", "2026-13-24T09:30:00Z", "event_time"),
    ("event_time", "1700000000", "event_time"),
    ("event_time", 10**30, "event_time"),
    ("event_time", {"at": 1}, "event_time"),
    ("namespace", "", "namespace"),
    ("namespace", "_hidden", "namespace"),
    ("namespace", "user/bob", "namespace"),
    ("namespace", "user bob", "namespace"),
    ("namespace", "user-b\N{LATIN SMALL LETTER O WITH DIAERESIS}b", "namespace"),
    ("namespace", "x" * 129, "namespace"),
    ("namespace", "user-bob\n", "namespace"),
    ("namespace", ["a"], "namespace"),
    ("namespace", 5, "namespace"),
    ("agent_id", "somebody-else", "agent_id"),
]

ODD_TEXTS = {
    "right to left": "\N{RIGHT-TO-LEFT OVERRIDE}evil\N{POP DIRECTIONAL FORMATTING} שלום عليكم",
    "an emoji of several": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f4\U000e0067",
    "combining marks": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L",
    "composed and decomposed": "\u00e9 e\u0301 \u212b \ufb01",
    "no characters": "\ufffe\uffff\U0010ffff \ufffd",
    "separators": "a\u2028b\u2029c\x85d\x0be\x0cf\rg\nh\r\ni",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f",
    "a NUL": "before\x00after",
    "a byte order mark": "\ufefftext",
    "HTML": "<script>alert(1)</script>&amp;",
    "JSON": '{"content": "\\u0041", \\"quote\\"}',
    "SQL": "'; DROP TABLE memories; --",
    "a template": "${jndi:ldap://x} {{7*7}} %s %n {0}",
}

LUCENE = [
    "*:*",
    "tenant:* OR namespace:*",
    'content:"x" AND NOT _exists_:id',
    "/.*/",
    "(((((",
    "a AND OR NOT",
    "[* TO *]",
    "text^1000 ~5 \\",
    '{"match_all": {}}',
    "?" * 1_000,
    '"unclosed',
]


@pytest.fixture
def untouched(http: httpx.Client, namespace: str) -> Iterator[str]:
    """A namespace that must be empty when the test is over."""
    yield namespace
    assert http.get(f"/v1/agents/{namespace}/memories").json() == []
    assert http.get("/v1/sessions", params={"namespace": namespace}).json()["total"] == 0


def assert_refused(
    answer: httpx.Response, *, field: str | None = None, status: int = 400
) -> dict[str, Any]:
    """The problem, which is of the kind that all are."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["error"] == problem["detail"] != ""
    if field is not None:
        assert field in [one["field"] for one in problem["errors"]]
    return problem


def name_of(route: Any) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", WITH_BODY, ids=name_of)
def test_what_is_not_json_is_refused_on_every_route(
    http: httpx.Client, untouched: str, route: Any
) -> None:
    good = json.dumps({"namespace": untouched, "content": "x"}).encode()
    bad: list[bytes] = [
        b"{",
        b"nul",
        b'{"a": }',
        b"{'namespace': 'x'}",
        good[:-1],
        good + b"x",
        good[:-1] + b",}",
        good.replace(b'"x"', b"NaN"),
        good.replace(b'"x"', b"-Infinity"),
        good.replace(b'"x"', b"1e400"),
        good.replace(b'"x"', b"9" * 5_000),
        good.replace(b'"x"', b'"\n"'),
        good.replace(b'"x"', b'"\\x41"'),
        good.replace(b'"x"', b"[" * DEEP),
        good.replace(b'"x"', b"[" * DEEP + b"]" * DEEP),
        good.replace(b'"x"', b'"\xff"'),
        b"\xef\xbb\xbf" + good,
        good.decode().encode("utf-16"),
    ]
    path = route.path.replace("{session_id}", "ses_1").replace("{memory_id}", "mem_1")

    for body in bad:
        answer = http.request(
            route.method, path, content=body, headers={"Content-Type": "application/json"}
        )

        if path == "/v1/sessions/ses_1/end" and answer.status_code == 404:
            continue  # the session is looked for first
        assert_refused(answer, field="body" if b"[[" not in body else None)


@pytest.mark.parametrize("route", WITH_BODY, ids=name_of)
def test_json_that_is_no_object_is_refused_on_every_route(
    http: httpx.Client, untouched: str, route: Any
) -> None:
    path = route.path.replace("{session_id}", "ses_1").replace("{memory_id}", "mem_1")

    for body in ("[]", '"text"', "7", "true", "[null, null]", "[{}]", f'["{untouched}"]'):
        answer = http.request(
            route.method, path, content=body, headers={"Content-Type": "application/json"}
        )

        assert_refused(answer, field="body")


@pytest.mark.parametrize(
    ("field", "value", "named"),
    WRONG,
    ids=[f"{name}-{str(value)[:12]!a}" for name, value, _ in WRONG],
)
def test_a_store_says_which_field_is_wrong(
    http: httpx.Client, untouched: str, field: str, value: Any, named: str
) -> None:
    memory = {"content": "x", "namespace": untouched, field: value}

    assert_refused(http.post("/v1/memory/store", json=memory), field=named)

    if field not in ("namespace", "agent_id"):
        batch = {
            "namespace": untouched,
            "memories": [{"content": "fine"}, {"content": "x", field: value}],
        }
        answer = http.post("/v1/memories/store/batch", json=batch)
        assert_refused(answer, field=f"memories[1].{named}")


@pytest.mark.parametrize("where", ["content", "tags", "metadata", "metadata key"])
def test_half_a_surrogate_pair_is_no_text(http: httpx.Client, untouched: str, where: str) -> None:
    half = "\\ud83d"
    values = {
        "content": f'"content": "{half}"',
        "tags": f'"content": "x", "tags": ["{half}"]',
        "metadata": f'"content": "x", "metadata": {{"a": ["{half}"]}}',
        "metadata key": f'"content": "x", "metadata": {{"{half}": 1}}',
    }
    body = f'{{"namespace": "{untouched}", {values[where]}}}'

    answer = http.post(
        "/v1/memory/store", content=body, headers={"Content-Type": "application/json"}
    )

    problem = assert_refused(answer)
    assert problem["errors"][0]["field"].startswith(where.split()[0])


@pytest.mark.parametrize("path", ["/v1/memory/recall", "/v1/memory/search", "/v1/context"])
def test_half_a_surrogate_pair_is_no_question(
    http: httpx.Client, untouched: str, path: str
) -> None:
    body = f'{{"namespace": "{untouched}", "query": "who \\udc00 is"}}'

    answer = http.post(path, content=body, headers={"Content-Type": "application/json"})

    assert_refused(answer, field="query")


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_odd_text_is_text_and_comes_back_as_it_went(
    http: httpx.Client, namespace: str, text: str
) -> None:
    memory = {"content": text, "tags": [text], "metadata": {text: [text], "actor": text}}

    stored = http.post("/v1/memory/store", json={"namespace": namespace, **memory}).json()["memory"]

    read = http.get(f"/v1/memory/get/{stored['id']}", params={"namespace": namespace}).json()
    assert {name: read[name] for name in memory} == memory
    recall = {"namespace": namespace, "query": text, "tags": [text], "metadata": {"actor": text}}
    found = http.post("/v1/memory/recall", json=recall).json()["results"]
    assert [one["id"] for one in found] == [stored["id"]]
    session = http.post(
        "/v1/sessions/start", json={"namespace": namespace, "metadata": {text: text}}
    ).json()["session"]
    ended = http.post(f"/v1/sessions/{session['id']}/end", json={"summary": text}).json()["session"]
    assert (ended["metadata"], ended["summary"]) == ({text: text}, text)
    assert http.get(f"/v1/sessions/{session['id']}").json()["summary"] == text


@pytest.mark.parametrize("query", LUCENE)
def test_a_query_languages_words_are_plain_words(
    http: httpx.Client, namespace: str, query: str
) -> None:
    http.post("/v1/memory/store", json={"namespace": namespace, "content": f"typed {query}"})
    elsewhere = {"namespace": f"{namespace}-other", "content": f"typed {query}"}
    http.post("/v1/memory/store", json=elsewhere)

    for routing in ("hybrid", "bm25", "vector"):
        body = {"namespace": namespace, "query": query, "routing": routing}
        answer = http.post("/v1/memory/recall", json=body)

        assert answer.status_code == 200, answer.text
        assert {one["namespace"] for one in answer.json()["results"]} <= {namespace}


@pytest.mark.parametrize(
    "part",
    [
        "..%2f..%2fhealth",
        "%2e%2e%2f",
        "%2e%2e",
        "a%2fb",
        "a%5cb",
        "%00",
        "ses_1%00",
        "%0d%0aX-Injected:%201",
        "%ff%fe",
        "%e2%80%8b",
        "*",
        "%25",
        "x" * 129,
        "x" * 10_000,
        "a%20b",
        "'%20or%201=1",
    ],
)
def test_an_id_with_tricks_is_refused_or_not_found(http: httpx.Client, part: str) -> None:
    requests = [
        ("GET", f"/v1/sessions/{part}"),
        ("POST", f"/v1/sessions/{part}/end"),
        ("GET", f"/v1/sessions/{part}/memories"),
        ("GET", f"/v1/memory/get/{part}"),
        ("GET", f"/v1/agents/{part}/stats"),
        ("GET", f"/v1/import/{part}/status"),
        ("DELETE", f"/v1/namespaces/{part}"),
    ]
    for method, path in requests:
        answer = http.request(method, path)

        # a slash makes it another path, which may be one of what is not built
        is_refused = 400 <= answer.status_code < 500 or answer.json()["code"] == "FEATURE_DISABLED"
        assert is_refused, (method, path, answer.text)
        assert "X-Injected" not in answer.headers


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/sessions?namespace=a&namespace=b", "namespace"),
        ("/v1/sessions?limit=1&limit=2", "limit"),
        ("/v1/sessions?limit=0", "limit"),
        ("/v1/sessions?limit=1e3", "limit"),
        ("/v1/sessions?limit=%D9%A3%00", "limit"),
        ("/v1/sessions?limit=" + "9" * 5_000, "limit"),
        ("/v1/sessions?offset=-1", "offset"),
        ("/v1/sessions?active_only=maybe", "active_only"),
        ("/v1/agents/a/memories?offset=9999&limit=1000", "offset"),
        ("/v1/agents/a/memories?memory_type=all", "memory_type"),
        ("/v1/agents/a/wake-up?min_importance=nan", "min_importance"),
        ("/v1/agents/a/wake-up?top_n=", "top_n"),
        ("/v1/memory/get/mem_1?namespace=..", "namespace"),
        ("/v1/export?namespace=a&format=xml", "format"),
        ("/v1/export?namespace=a&limit=0", "limit"),
        ("/v1/export", "namespace"),
        ("/v1/export?namespace=a&agent_id=b", "agent_id"),
        ("/v1/audit?from=yesterday", "from"),
        ("/v1/audit?cursor=x", "cursor"),
        ("/v1/audit?event_type=DROP", "event_type"),
    ],
)
def test_a_query_parameter_that_does_not_fit_is_named(
    http: httpx.Client, path: str, field: str
) -> None:
    assert_refused(http.get(path), field=field)


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-patch+json",
        "application/jsonp",
        "x",
        "",
    ],
)
def test_a_body_of_another_kind_is_refused(http: httpx.Client, untouched: str, kind: str) -> None:
    body = json.dumps({"namespace": untouched, "content": "x"})

    answer = http.post("/v1/memory/store", content=body, headers={"Content-Type": kind})

    problem = assert_refused(answer, status=415)
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=utf-8"],
)
def test_json_is_known_by_its_name_in_any_spelling(
    http: httpx.Client, namespace: str, kind: str
) -> None:
    body = json.dumps({"namespace": namespace, "content": "x"})

    answer = http.post("/v1/memory/store", content=body, headers={"Content-Type": kind})

    assert answer.status_code == 201


@pytest.mark.parametrize("path", ["/v1/memory/store", "/v1/memories/store/batch", "/v1/import"])
def test_more_than_six_mebibytes_are_too_much(
    http: httpx.Client, untouched: str, path: str
) -> None:
    body = {"namespace": untouched, "content": "x" * (6 * 2**20), "data": ""}

    problem = assert_refused(http.post(path, json=body), status=413)

    assert problem["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize(
    "credential",
    [
        "Bearer",
        "Bearer dk-" + "x" * 8_000,
        "Basic ZGs6",
        "Bearer dk-\xff\xfe",
        "dk-x",
        "Bearer a b c",
        "Bearer KEY#*",
    ],
)
def test_a_credential_of_any_shape_that_is_no_key_is_401(
    service: Service, untouched: str, credential: str
) -> None:
    answer = httpx.post(
        f"{service.url}/v1/memory/store",
        json={"namespace": untouched, "content": "x"},
        headers=[(b"Authorization", credential.encode("latin-1"))],
    )

    assert_refused(answer, status=401)


def test_headers_beyond_measure_are_refused_and_the_service_stays(service: Service) -> None:
    address = urlsplit(service.url)
    for headers in (
        {"X-Large": "x" * 200_000},
        {f"X-{number}": "x" * 100 for number in range(2_000)},
    ):
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
        try:
            connection.request("GET", "/health", headers=headers)
            status = connection.getresponse().status
        except ConnectionError:  # closed on us amid the headers
            status = 431
        connection.close()

        assert 400 <= status < 500

    assert httpx.get(f"{service.url}/health").is_success


def test_what_is_too_long_or_too_many_is_refused_with_the_bound(
    http: httpx.Client, untouched: str
) -> None:
    owner = {"namespace": untouched}
    bounds: list[tuple[str, dict[str, Any], str]] = [
        ("/v1/memory/recall", {"query": "x" * 10_001}, "10,000"),
        ("/v1/memory/recall", {"query": "x", "top_k": 101}, "100"),
        ("/v1/memories/store/batch", {"memories": [{"content": "x"}] * 1_001}, "1000"),
        ("/v1/memories/store/batch", {"memories": []}, "1"),
        ("/v1/memories/recall/batch", {"limit": 1_001}, "1000"),
        ("/v1/memory/forget", {"memory_ids": ["mem_1"] * 1_001}, "1000"),
        ("/v1/sessions/start", {"idle_timeout_secs": 2_592_001}, "2592000"),
        ("/v1/context", {"query": "x", "token_budget": 32_001}, "32000"),
    ]
    for path, body, bound in bounds:
        assert bound in assert_refused(http.post(path, json=owner | body))["detail"]
