"""What a key opens."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cross_session.domain.access import (
    NAMESPACE_GRANT,
    NAMESPACE_PATTERN,
    Principal,
    Scope,
    user_namespace,
)
from cross_session.domain.api_key import ApiKey, new_secret, secret_hash


def principal(*namespaces: str, all_of_them: bool = False) -> Principal:
    return Principal(
        tenant="acme",
        key_id="key_1",
        scope=Scope.WRITE,
        namespaces=None if all_of_them else namespaces,
    )


def test_a_key_for_all_namespaces_touches_any() -> None:
    assert principal(all_of_them=True).may_touch("user-bob")


def test_a_key_for_no_namespace_touches_none() -> None:
    assert not principal().may_touch("user-bob")


@pytest.mark.parametrize(
    ("grant", "namespace", "may"),
    [
        ("user-bob", "user-bob", True),
        ("user-bob", "user-bobby", False),
        ("user-bob", "user-bo", False),
        ("user-bob", "User-Bob", False),
        ("user-*", "user-bob", True),
        ("user-*", "user-", True),
        ("user-*", "user", False),
        ("user-*", "superuser-bob", False),
        ("*", "anything", True),
        ("user.bob", "user-bob", False),
    ],
)
def test_a_grant_is_an_exact_name_or_a_prefix(grant: str, namespace: str, may: bool) -> None:
    assert principal(grant).may_touch(namespace) is may


def test_one_of_several_grants_is_enough() -> None:
    assert principal("team-*", "user-bob").may_touch("user-bob")


def test_each_scope_includes_the_ones_before_it() -> None:
    assert Scope.READ < Scope.WRITE < Scope.ADMIN


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_is_found_by_its_label(scope: Scope) -> None:
    assert Scope.of(scope.label) is scope


def test_a_scope_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError):
        Scope.of("root")


@given(st.from_regex(NAMESPACE_PATTERN.removesuffix("$"), fullmatch=True))
def test_each_namespace_can_be_granted_exactly_or_as_a_prefix(namespace: str) -> None:
    assert NAMESPACE_GRANT.match(namespace)
    assert NAMESPACE_GRANT.match(f"{namespace}*")


@pytest.mark.parametrize("grant", ["", "-bob", "a*b", "**", "a b", "a/b", "a#b", "x" * 129])
def test_a_grant_that_names_no_namespace_is_refused(grant: str) -> None:
    assert not NAMESPACE_GRANT.match(grant)


def test_a_namespace_cannot_contain_what_separates_it_in_the_table() -> None:
    assert not re.match(NAMESPACE_PATTERN, "user#bob")


def test_a_secret_is_recognizable_and_never_the_same_twice() -> None:
    secrets = {new_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert all(re.fullmatch(r"dk-[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_a_stored_hash_does_not_show_its_secret() -> None:
    secret = new_secret()

    assert secret not in secret_hash(secret)
    assert secret_hash(secret) == secret_hash(secret)


@pytest.mark.parametrize(
    ("expires_at", "now", "expired"),
    [(None, 10**11, False), (100, 99, False), (100, 100, True), (100, 101, True)],
)
def test_a_key_has_expired_from_its_expiry_second_on(
    expires_at: int | None, now: int, expired: bool
) -> None:
    key = ApiKey(
        id="key_1",
        tenant="acme",
        name="phone",
        scope=Scope.WRITE,
        namespaces=None,
        created_at=0,
        expires_at=expires_at,
    )

    assert key.expired(now) is expired


@pytest.mark.parametrize(
    ("sub", "namespace"),
    [
        ("ann", "user-ann"),
        ("7.a_b-c", "user-7.a_b-c"),
        ("auth0|42", "user-esc.auth0.7c42"),
        ("*", "user-esc..2a"),
        ("esc.ann", "user-esc.esc.2eann"),
        ("\N{LATIN SMALL LETTER U WITH DIAERESIS}", "user-esc..c3.bc"),
        ("x" * 123, "user-" + "x" * 123),
    ],
)
def test_a_user_has_a_namespace_that_can_be_told_from_the_name(sub: str, namespace: str) -> None:
    assert user_namespace(sub) == namespace


def test_a_user_with_a_very_long_name_has_a_namespace_too() -> None:
    assert re.fullmatch(r"user-sha256\.[0-9a-f]{64}", user_namespace("x" * 124))


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_two_users_share_a_namespace_and_none_has_more_than_one(one: str, other: str) -> None:
    likely = [one, other, user_namespace(one).removeprefix("user-"), f"{one}*"]
    names = {sub: user_namespace(sub) for sub in likely}

    assert len(set(names.values())) == len(names)
    assert all(re.fullmatch(NAMESPACE_PATTERN, name) for name in names.values())
