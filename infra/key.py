"""Makes an API key: `python -m infra.key --name phone --scope write --namespaces 'user-*'`.

For the local service on PORT, or for the deployed STAGE with the caller's AWS credentials.
"""

import argparse
import os
import re
import sys
from time import time

from cross_session.adapters import key_table
from cross_session.domain.access import NAMESPACE_GRANT, Scope
from cross_session.domain.api_key import ApiKey, new_id, new_secret
from cross_session.errors import TableUnavailableError
from infra.local import aws
from infra.outputs import NotDeployedError, output

TENANT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")


def make_key(
    *,
    name: str,
    scope: Scope,
    namespaces: tuple[str, ...] | None = None,
    tenant: str = "default",
    expires_at: int | None = None,
    rate_limit_per_minute: int | None = None,
) -> str:
    """Stores a new key's hash and returns its secret, which nothing can show again."""
    secret = new_secret()
    key = ApiKey(
        id=new_id(),
        tenant=tenant,
        name=name,
        scope=scope,
        namespaces=namespaces,
        created_at=int(time()),
        expires_at=expires_at,
        rate_limit_per_minute=rate_limit_per_minute,
    )
    key_table.put(key, secret)
    return secret


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--name", default="unnamed", help="what it is for")
    arguments.add_argument("--scope", default="write", choices=[one.label for one in Scope])
    arguments.add_argument("--namespaces", help="exact names or prefix*, by comma; all if absent")
    arguments.add_argument("--tenant", default="default", help="whose data it opens")
    arguments.add_argument("--expires-in-days", type=int)
    chosen = arguments.parse_args()
    namespaces = tuple(chosen.namespaces.split(",")) if chosen.namespaces else None
    for grant in namespaces or ():
        if not NAMESPACE_GRANT.match(grant):
            arguments.error(f"--namespaces: {grant!r} is neither a namespace nor a prefix*")
    if not TENANT.match(chosen.tenant):
        arguments.error("--tenant: letters, digits, _ and -, at most 64")
    days = chosen.expires_in_days
    stage = os.environ.get("STAGE")
    port = int(os.environ.get("PORT", "3300"))
    try:
        os.environ |= (
            {"TABLE_NAME": output(stage, "TableName")} if stage else aws.environment(port + 1)
        )
    except NotDeployedError as error:
        sys.exit(str(error))
    try:
        secret = make_key(
            name=chosen.name,
            scope=Scope.of(chosen.scope),
            namespaces=namespaces,
            tenant=chosen.tenant,
            expires_at=None if days is None else int(time()) + days * 86_400,
        )
    except TableUnavailableError as error:
        if stage:
            sys.exit(f"stage {stage}: {error}")
        sys.exit(f"no service on port {port}: start it with `make serve`, or set PORT")
    print(secret)


if __name__ == "__main__":
    main()
