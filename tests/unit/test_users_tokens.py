"""End users' tokens: whom the authorizer takes for whom, and whom for nobody."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import jwt
import pytest
from moto.server import ThreadedMotoServer

from cross_session.adapters import identity_provider
from cross_session.settings import limit_settings, oidc_settings
from functions import authorizer, sessions
from infra.local.environments import Context
from tests.issuer import CLIENT_ID, Issuer
from tests.ports import free_ports
from tests.unit.conftest import calls

Settings = Callable[..., None]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Sets what the deployment says of users' tokens, and forgets it afterwards."""

    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        forget()

    def forget() -> None:
        oidc_settings.cache_clear()
        limit_settings.cache_clear()
        identity_provider.issuer_keys.cache_clear()

    yield put
    forget()


@pytest.fixture
def issuer(settings: Settings) -> Iterator[Issuer]:
    """The issuer that the service believes, with two applications of ours."""
    issuer = Issuer()
    settings(OIDC_ISSUER=issuer.url, OIDC_AUDIENCE=f"{CLIENT_ID}, web-app")
    yield issuer
    issuer.stop()


@pytest.fixture
def pass_seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for the keys that were fetched."""
    moment = [1_000.0]
    monkeypatch.setattr(identity_provider, "monotonic", lambda: moment[0])

    def wait(seconds: float) -> None:
        moment[0] += seconds

    return wait


def authorize(token: str) -> dict[str, Any]:
    event = {"headers": {"authorization": f"Bearer {token}"}}
    answer = authorizer.handler(event, Context("authorizer"))
    assert answer["isAuthorized"] is True
    context: dict[str, Any] = answer["context"]
    assert all(isinstance(value, str) for value in context.values())
    return context


def refusal(token: str) -> tuple[str, str]:
    who = authorize(token)
    assert set(who) == {"denied", "reason"}
    return who["denied"], who["reason"]


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    head, body = (part(json.dumps(one).encode()) for one in (header, claims))
    return f"{head}.{body}.{part(signature)}"


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_a_user_has_exactly_the_namespace_of_their_name_and_may_write_there(
    issuer: Issuer,
) -> None:
    token = issuer.token("bob")

    who = authorize(token)

    assert who == {
        "tenant": "default",
        "key_id": "user-bob",
        "name": "bob",
        "scope": "write",
        "namespaces": '["user-bob"]',
        "end_user": "true",
        "expires_at": str(claims_of(token)["exp"] + 30),
        "rate_limit_per_minute": "600",
    }


def test_users_have_the_tenant_and_the_limits_that_the_deployment_says(
    issuer: Issuer, settings: Settings
) -> None:
    settings(OIDC_TENANT="acme", USER_RATE_LIMIT_PER_MINUTE="20", USER_DAILY_QUOTA="100")

    who = authorize(issuer.token())

    assert (who["tenant"], who["rate_limit_per_minute"], who["daily_quota"]) == (
        "acme",
        "20",
        "100",
    )


def test_a_token_signed_on_an_elliptic_curve_is_good(issuer: Issuer) -> None:
    issuer.rotate("curve", curve=True)

    assert authorize(issuer.token())["name"] == "bob"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "web-app"},
        {"aud": ["other", "web-app"]},
        {"aud": None, "client_id": CLIENT_ID},
        {"token_use": None},
        {"token_use": "id"},
    ],
    ids=str,
)
def test_a_token_for_one_of_our_applications_is_good(
    issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert authorize(issuer.token(**claims))["name"] == "bob"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "other"}, "another application"),
        ({"aud": ["other"]}, "another application"),
        ({"aud": "other", "client_id": CLIENT_ID}, "another application"),
        ({"aud": None}, "another application"),
        ({"aud": None, "client_id": "other"}, "another application"),
        ({"iss": "https://evil.example/pool"}, "another issuer"),
        ({"iss": None}, "no iss"),
        ({"exp": None}, "no exp"),
        ({"iat": None}, "no iat"),
        ({"sub": None}, "no sub"),
        ({"nbf": 9_999_999_999}, "not valid yet"),
        ({"iat": 9_999_999_999}, "not valid yet"),
        ({"token_use": "refresh"}, "neither an access nor an id token"),
    ],
    ids=str,
)
def test_a_token_that_is_signed_but_not_meant_for_us_is_refused_with_the_reason(
    issuer: Issuer, claims: dict[str, Any], reason: str
) -> None:
    code, said = refusal(issuer.token(**claims))

    assert code == "INVALID_TOKEN"
    assert reason in said


def test_an_expired_token_is_told_so(issuer: Issuer) -> None:
    assert refusal(issuer.token(exp=1_700_000_000, iat=1_600_000_000))[0] == "TOKEN_EXPIRED"


def test_a_user_without_a_name_is_refused(issuer: Issuer) -> None:
    assert refusal(issuer.token("")) == ("INVALID_TOKEN", "this token's sub is empty")


def test_a_user_whose_name_is_no_namespace_has_one_made_of_it(issuer: Issuer) -> None:
    who = authorize(issuer.token("auth0|7"))

    assert json.loads(who["namespaces"]) == ["user-esc.auth0.7c7"]
    assert (who["key_id"], who["name"]) == ("user-esc.auth0.7c7", "auth0|7")


def test_the_longest_name_that_fits_is_good(issuer: Issuer) -> None:
    assert authorize(issuer.token("x" * 123))["key_id"] == "user-" + "x" * 123


def test_an_unsigned_token_is_refused(issuer: Issuer) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        header = {"alg": algorithm, "typ": "JWT", "kid": "first"}
        token = forged(header, claims_of(issuer.token()))

        assert refusal(token)[0] == "INVALID_TOKEN"


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused(issuer: Issuer) -> None:
    unsigned = forged({"alg": "HS256", "kid": "first"}, claims_of(issuer.token())).rstrip(".")
    signature = hmac.digest(issuer.public_pem(), unsigned.encode(), hashlib.sha256)
    token = f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    assert refusal(token)[0] == "INVALID_TOKEN"


def test_a_key_is_not_used_with_an_algorithm_that_it_is_not_for(issuer: Issuer) -> None:
    _, body, signature = issuer.token().split(".")
    header = {"alg": "ES256", "kid": "first"}
    other = forged(header, {}).split(".")[0]

    assert refusal(f"{other}.{body}.{signature}")[0] == "INVALID_TOKEN"


def test_a_token_that_brings_its_own_key_is_refused(issuer: Issuer) -> None:
    evil = Issuer()
    try:
        ((_, key),) = evil._keys.items()
        token = jwt.encode(
            claims_of(issuer.token()),
            key,
            algorithm="RS256",
            headers={"kid": "first", "jwk": evil.jwks["keys"][0], "jku": f"{evil.url}/keys"},
        )

        assert refusal(token)[0] == "INVALID_TOKEN"
        assert not evil.asked
    finally:
        evil.stop()


def test_a_token_whose_words_were_changed_is_refused(issuer: Issuer) -> None:
    head, _, signature = issuer.token("bob").split(".")
    body = forged({}, claims_of(issuer.token("eve"))).split(".")[1]

    assert refusal(f"{head}.{body}.{signature}")[0] == "INVALID_TOKEN"


@pytest.mark.parametrize(
    "token",
    ["a.b.c", "..", "eyJ.eyJ.x", "\N{GRINNING FACE}.a.b", "\x00.\x00.\x00", "null.null.null"],
    ids=ascii,
)
def test_what_only_looks_like_a_token_is_refused(issuer: Issuer, token: str) -> None:
    assert refusal(token)[0] == "INVALID_TOKEN"
    assert not issuer.asked


@pytest.mark.parametrize("header", [{"alg": "RS256", "kid": 7}, {"alg": "RS256"}, [], "x", None])
def test_a_header_that_is_none_is_refused(issuer: Issuer, header: Any) -> None:
    assert refusal(forged(header, claims_of(issuer.token())))[0] == "INVALID_TOKEN"


@pytest.mark.usefixtures("issuer")
def test_a_header_nested_very_deep_is_refused() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 6_000).rstrip(b"=").decode()

    assert refusal(f"{deep}.e30.x")[0] == "INVALID_TOKEN"


def test_a_token_of_enormous_length_is_refused_unread(issuer: Issuer) -> None:
    code, reason = refusal(issuer.token(padding="x" * 10_000))

    assert code == "INVALID_TOKEN"
    assert "8,192" in reason
    assert not issuer.asked


def test_a_reason_never_repeats_the_token(issuer: Issuer) -> None:
    token = issuer.token(aud="other")

    assert not any(part in refusal(token)[1] for part in token.split("."))


def test_the_issuers_keys_are_asked_for_once(issuer: Issuer) -> None:
    for name in ("ann", "bob", "eve"):
        authorize(issuer.token(name))

    assert issuer.asked == {"/pool/.well-known/openid-configuration": 1, "/pool/keys": 1}


def test_a_flood_of_made_up_keys_asks_the_issuer_no_more(issuer: Issuer) -> None:
    authorize(issuer.token())

    codes = {refusal(issuer.token(kid=f"made-up-{number}"))[0] for number in range(50)}

    assert codes == {"INVALID_TOKEN"}
    assert issuer.asked["/pool/keys"] == 1


def test_a_key_that_the_issuer_rotates_to_is_good_after_ten_seconds(
    issuer: Issuer, pass_seconds: Callable[[float], None]
) -> None:
    authorize(issuer.token())
    issuer.rotate("second")
    early = refusal(issuer.token())[0]

    pass_seconds(10)

    assert early == "INVALID_TOKEN"
    assert authorize(issuer.token())["name"] == "bob"


def test_a_key_that_the_issuer_took_back_is_good_for_five_minutes_at_most(
    issuer: Issuer, pass_seconds: Callable[[float], None]
) -> None:
    token = issuer.token()
    authorize(token)
    issuer.rotate("second")

    pass_seconds(300)

    assert refusal(token)[0] == "INVALID_TOKEN"


def test_while_the_issuer_is_away_a_token_is_neither_good_nor_bad(
    issuer: Issuer, pass_seconds: Callable[[float], None]
) -> None:
    issuer.away = True

    assert set(authorize(issuer.token())) == {"unavailable"}
    assert set(authorize(issuer.token())) == {"unavailable"}
    assert sum(issuer.asked.values()) == 2

    issuer.away = False
    pass_seconds(10)
    assert authorize(issuer.token())["name"] == "bob"


def test_while_the_issuer_is_away_the_keys_that_are_known_stay_good(
    issuer: Issuer, pass_seconds: Callable[[float], None]
) -> None:
    authorize(issuer.token())
    issuer.away = True

    pass_seconds(301)

    assert authorize(issuer.token())["name"] == "bob"


def test_a_token_that_could_not_be_checked_is_answered_503_with_when_to_retry(
    issuer: Issuer,
) -> None:
    issuer.away = True
    who = authorize(issuer.token())

    answer = calls(sessions)("GET", "/v1/sessions", who=who)

    assert (answer.status, answer.code) == (503, "SERVICE_UNAVAILABLE")
    assert answer.headers["Retry-After"] == "60"


def test_an_issuer_without_a_discovery_document_shows_its_keys_where_cognito_has_them(
    settings: Settings,
) -> None:
    issuer = Issuer(discovery=False)
    settings(OIDC_ISSUER=issuer.url, OIDC_AUDIENCE=CLIENT_ID)

    try:
        assert authorize(issuer.token())["name"] == "bob"
    finally:
        issuer.stop()


def test_a_discovery_document_of_another_issuer_is_not_believed(
    issuer: Issuer, settings: Settings
) -> None:
    settings(OIDC_ISSUER=f"{issuer.url}/")

    assert set(authorize(issuer.token(iss=f"{issuer.url}/"))) == {"unavailable"}


@pytest.mark.usefixtures("table")
def test_where_no_issuer_is_set_a_token_is_an_unknown_key() -> None:
    assert refusal("a.b.c")[0] == "INVALID_API_KEY"


@pytest.mark.usefixtures("table")
def test_an_unknown_key_stays_one_where_tokens_are_good(issuer: Issuer) -> None:
    assert refusal("dk-a.b.c")[0] == "INVALID_API_KEY"
    assert not issuer.asked


class Pool:
    """A Cognito user pool with one user, by moto over HTTP."""

    def __init__(self, endpoint: str) -> None:
        self._cognito: Any = boto3.client("cognito-idp", endpoint_url=endpoint)
        self.id: str = self._cognito.create_user_pool(PoolName="users")["UserPool"]["Id"]
        self.client_id = self.add_client()
        self._cognito.admin_create_user(UserPoolId=self.id, Username="bob")
        self._cognito.admin_set_user_password(
            UserPoolId=self.id, Username="bob", Password="P4ssw0rd!", Permanent=True
        )

    @property
    def issuer(self) -> str:
        return f"https://cognito-idp.us-east-1.amazonaws.com/{self.id}"

    def add_client(self) -> str:
        client = self._cognito.create_user_pool_client(UserPoolId=self.id, ClientName="app")
        client_id: str = client["UserPoolClient"]["ClientId"]
        return client_id

    def tokens(self, client_id: str) -> dict[str, str]:
        signed_in = self._cognito.admin_initiate_auth(
            UserPoolId=self.id,
            ClientId=client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "bob", "PASSWORD": "P4ssw0rd!"},
        )
        tokens: dict[str, str] = signed_in["AuthenticationResult"]
        return tokens


@pytest.fixture(scope="module")
def cognito() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", free_ports(1), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def pool(cognito: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Pool:
    """The pool that the service believes. What AWS would answer, moto does."""
    read_json = identity_provider.read_json
    monkeypatch.setattr(
        identity_provider,
        "read_json",
        lambda url: read_json(url.replace("https://cognito-idp.us-east-1.amazonaws.com", cognito)),
    )
    pool = Pool(cognito)
    settings(OIDC_ISSUER=pool.issuer, OIDC_AUDIENCE=pool.client_id)
    return pool


@pytest.mark.parametrize("kind", ["AccessToken", "IdToken"])
def test_a_token_from_cognito_is_good(pool: Pool, kind: str) -> None:
    token = pool.tokens(pool.client_id)[kind]

    who = authorize(token)

    assert json.loads(who["namespaces"]) == [f"user-{claims_of(token)['sub']}"]


@pytest.mark.parametrize("kind", ["AccessToken", "IdToken"])
def test_a_cognito_token_for_another_application_of_the_pool_is_refused(
    pool: Pool, kind: str
) -> None:
    token = pool.tokens(pool.add_client())[kind]

    assert "another application" in refusal(token)[1]


@pytest.mark.usefixtures("pool")
def test_a_cognito_token_of_another_pool_is_refused(cognito: str) -> None:
    other = Pool(cognito)  # moto signs for all pools with one key, so the issuer alone tells

    assert "another issuer" in refusal(other.tokens(other.client_id)["AccessToken"])[1]


def test_a_refresh_token_is_refused(pool: Pool) -> None:
    assert refusal(f"{pool.tokens(pool.client_id)['RefreshToken']}.x.y")[0] == "INVALID_TOKEN"
