"""HTTP: API keys and who the caller is.

A key that is deactivated, deleted, rotated or changed is as it was for up to a minute, for
which API Gateway keeps what the authorizer said of it.
"""

from time import time
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path
from aws_lambda_powertools.utilities.typing import LambdaContext

from cross_session import keys
from cross_session.adapters import key_table, table, usage_table
from cross_session.cold_start import load_at_init
from cross_session.domain.access import Principal, Scope, opens
from cross_session.domain.api_key import ApiKey
from cross_session.errors import NotFoundError
from cross_session.http_api import Api
from cross_session.wire.keys import (
    KEY_ID_PATTERN,
    KEYS_NAMESPACE_PATTERN,
    CreateKey,
    CreateNamespaceKey,
    Done,
    KeyCreated,
    KeyOut,
    KeyPage,
    KeyRotated,
    KeyUsage,
    NamespaceKeyCreated,
    NamespaceKeyPage,
    NamespaceKeyUsage,
    RotateKey,
    UpdateKey,
    WhoAmI,
    plain_namespace,
)

app = Api()
load_at_init(table.connect)

KeyId = Annotated[str, Path(pattern=KEY_ID_PATTERN)]
Namespace = Annotated[str, Path(pattern=KEYS_NAMESPACE_PATTERN)]


@app.post("/admin/keys", status_code=201, tags=["keys"])
def create_key(body: CreateKey) -> KeyCreated:
    """Makes a key. Its secret is shown once; it opens nothing that the caller's own key doesn't."""
    key, secret = keys.issue(
        app.authorize(Scope.ADMIN), **body.asked(), namespaces=body.grants(), now=int(time())
    )
    return KeyCreated.of(key, key=secret)


@app.get("/admin/keys", tags=["keys"])
def list_keys() -> KeyPage:
    """Lists the keys that the caller may manage, newest first, without their secrets."""
    found = keys.managed(app.authorize(Scope.ADMIN))
    return KeyPage(keys=[KeyOut.of(key) for key in found], total=len(found))


@app.get("/admin/keys/<key_id>", tags=["keys"])
def get_key(key_id: KeyId) -> KeyOut:
    """Reads a key, without its secret."""
    return KeyOut.of(_managed(key_id)[1])


@app.patch("/admin/keys/<key_id>", tags=["keys"])
def update_key(key_id: KeyId, body: UpdateKey) -> KeyOut:
    """Renames a key, or sets its namespaces or limits. Its scope stays."""
    caller, key = _managed(key_id)
    return KeyOut.of(keys.change(caller, key, body.changes()))


@app.delete("/admin/keys/<key_id>", tags=["keys"])
def delete_key(key_id: KeyId) -> Done:
    """Deletes a key. It stops within a minute."""
    key_table.delete(_managed(key_id)[1])
    return Done(message=f"{key_id} is deleted; it stops within a minute")


@app.post("/admin/keys/<key_id>/deactivate", tags=["keys"])
def deactivate_key(key_id: KeyId) -> Done:
    """Ends a key, and keeps its record. It stops within a minute."""
    keys.deactivate(_managed(key_id)[1])
    return Done(message=f"{key_id} is deactivated; it stops within a minute")


@app.post("/admin/keys/<key_id>/rotate", tags=["keys"])
def rotate_key(key_id: KeyId, body: RotateKey | None = None) -> KeyRotated:
    """Makes a key in the place of another, which ends after `grace_secs`."""
    old = _managed(key_id)[1]
    grace_secs = (body.grace_secs if body else None) or 0
    new, secret, old_expires_at = keys.rotate(old, grace_secs=grace_secs, now=int(time()))
    return KeyRotated(
        key_id=new.id, new_key=secret, old_key_id=old.id, old_key_expires_at=old_expires_at
    )


@app.get("/admin/keys/<key_id>/usage", tags=["keys"])
def key_usage(key_id: KeyId) -> KeyUsage:
    """Counts a key's requests."""
    _, key = _managed(key_id)
    return KeyUsage.of(key.id, usage_table.total(key.tenant, key.id))


@app.post("/v1/namespaces/<namespace>/keys", status_code=201, tags=["keys"])
def create_namespace_key(namespace: Namespace, body: CreateNamespaceKey) -> NamespaceKeyCreated:
    """Makes a key for a namespace. Its secret is shown once."""
    namespace = plain_namespace(namespace)
    caller = app.authorize(Scope.ADMIN, namespace)
    key, secret = keys.issue(
        caller, **body.asked(), namespaces=body.grants(namespace), now=int(time())
    )
    return NamespaceKeyCreated.of(key, key=secret, namespace=namespace)


@app.get("/v1/namespaces/<namespace>/keys", tags=["keys"])
def list_namespace_keys(namespace: Namespace) -> NamespaceKeyPage:
    """Lists the keys that open a namespace and that the caller may manage, newest first."""
    namespace = plain_namespace(namespace)
    caller = app.authorize(Scope.ADMIN, namespace)
    found = [key for key in keys.managed(caller) if _opens(key, namespace)]
    return NamespaceKeyPage(
        namespace=namespace, keys=[KeyOut.of(key) for key in found], total=len(found)
    )


@app.patch("/v1/namespaces/<namespace>/keys/<key_id>", tags=["keys"])
def update_namespace_key(namespace: Namespace, key_id: KeyId, body: UpdateKey) -> KeyOut:
    """Renames a key of a namespace, or sets its namespaces or limits."""
    caller, key = _managed(key_id, namespace)
    return KeyOut.of(keys.change(caller, key, body.changes()))


@app.delete("/v1/namespaces/<namespace>/keys/<key_id>", tags=["keys"])
def delete_namespace_key(namespace: Namespace, key_id: KeyId) -> Done:
    """Deletes a key of a namespace. It stops within a minute."""
    key_table.delete(_managed(key_id, namespace)[1])
    return Done(message=f"{key_id} is deleted; it stops within a minute")


@app.get("/v1/namespaces/<namespace>/keys/<key_id>/usage", tags=["keys"])
def namespace_key_usage(namespace: Namespace, key_id: KeyId) -> NamespaceKeyUsage:
    """Counts the requests of a key of a namespace."""
    _, key = _managed(key_id, namespace)
    usage = usage_table.total(key.tenant, key.id)
    return NamespaceKeyUsage.of(key.id, usage, namespace=plain_namespace(namespace))


@app.get("/v1/auth/whoami", tags=["keys"])
def who_am_i() -> WhoAmI:
    """Tells how the service reads the caller's key or token. Any will do."""
    return WhoAmI.of(app.caller)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.answer(event, context)


def _managed(key_id: str, namespace: str | None = None) -> tuple[Principal, ApiKey]:
    """The caller and a key that it may manage; with a namespace, one that opens it."""
    owner = None if namespace is None else plain_namespace(namespace)
    caller = app.authorize(Scope.ADMIN, owner)
    key = keys.find(caller, key_id)
    if owner is not None and not _opens(key, owner):
        raise NotFoundError(key_table.RESOURCE)
    return caller, key


def _opens(key: ApiKey, namespace: str) -> bool:
    return key.namespaces is None or any(opens(grant, namespace) for grant in key.namespaces)
