"""API keys as they are kept: found by their secret, which is not."""

import pytest

from cross_session.adapters import key_table
from cross_session.domain.access import Scope
from cross_session.domain.api_key import ApiKey
from infra.key import make_key
from tests.unit.conftest import stored_items

pytestmark = pytest.mark.usefixtures("table")

KEY = ApiKey(
    id="key_1",
    tenant="acme",
    name="phone",
    scope=Scope.WRITE,
    namespaces=("user-bob", "team-*"),
    created_at=1_800_000_000,
    expires_at=1_900_000_000,
)


def test_a_key_is_found_by_its_secret() -> None:
    key_table.put(KEY, "dk-secret")

    assert key_table.find("dk-secret") == KEY


@pytest.mark.parametrize("secret", ["", "dk-", "dk-Secret", "dk-secret ", "ключ", "x" * 10_000])
def test_an_unknown_secret_finds_nothing(secret: str) -> None:
    key_table.put(KEY, "dk-secret")

    assert key_table.find(secret) is None


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("namespaces", [None, (), ("*",)])
@pytest.mark.parametrize("expires_at", [None, 1_900_000_000])
@pytest.mark.parametrize("active", [True, False])
def test_a_key_is_read_as_it_was_put(
    scope: Scope, namespaces: tuple[str, ...] | None, expires_at: int | None, active: bool
) -> None:
    key = ApiKey(
        id="key_2",
        tenant="acme",
        name="",
        scope=scope,
        namespaces=namespaces,
        created_at=0,
        expires_at=expires_at,
        active=active,
    )

    key_table.put(key, "dk-secret")

    assert key_table.find("dk-secret") == key


def test_a_made_key_opens_what_was_asked_for() -> None:
    secret = make_key(name="phone", scope=Scope.READ, namespaces=("user-*",), tenant="acme")

    key = key_table.find(secret)

    assert key is not None
    assert (key.tenant, key.scope, key.namespaces) == ("acme", Scope.READ, ("user-*",))
    assert key.active
    assert key.expires_at is None


def test_the_table_never_sees_a_secret() -> None:
    secret = make_key(name="phone", scope=Scope.READ)

    items = stored_items()
    assert items
    assert secret.removeprefix("dk-") not in repr(items)
