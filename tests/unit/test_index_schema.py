"""The mapping has a version, so that a deployment knows when memories must move."""

import hashlib
import json

from cross_session.adapters.index_schema import VERSION, definition

DIGESTS = {1: "7448041513025234", 2: "ffe927f96ac21c51", 3: "96a51a6244cddb97"}


def test_a_changed_mapping_has_a_version_of_its_own() -> None:
    made = definition(shards=1, replicas=0)
    text = json.dumps(made, sort_keys=True).encode()
    digest = hashlib.sha256(text).hexdigest()[:16]

    assert DIGESTS.get(VERSION) == digest, (
        f"What an index is made of has changed since version {VERSION} was written down. If that"
        " version has been deployed anywhere, add one to VERSION in index_schema.py, so that"
        f" `make migrate` moves the memories; then write {{VERSION: {digest!r}}} into DIGESTS here."
    )
