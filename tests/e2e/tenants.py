"""Keys of tenants of a test's own, made beside a local service."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from infra.local import aws
from tests.e2e.service import ROOT, LocalService

_PROGRAM = """
import json, sys
from cross_session.domain.access import Scope
from infra.key import make_key

def made(scope, namespaces, **fields):
    granted = None if namespaces is None else tuple(namespaces)
    return make_key(scope=Scope.of(scope), namespaces=granted, **fields)

wanted = json.load(sys.stdin)
print(json.dumps({name: made(name=name, **fields) for name, fields in wanted.items()}))
"""


def make_keys(service: LocalService, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Secrets by name. `wanted` has each key's fields as `infra.key.make_key` takes them, the
    scope by its label."""
    fields = {name: {"scope": "admin", "namespaces": None, **one} for name, one in wanted.items()}
    made = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=ROOT,
        env=os.environ | aws.environment(service.port + 1),
        input=json.dumps(fields),
        capture_output=True,
        text=True,
        check=True,
    )
    secrets: dict[str, str] = json.loads(made.stdout)
    return secrets
