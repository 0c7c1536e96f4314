"""End users' tokens (OIDC JWT), checked with the keys that their issuer shows."""

import logging
from collections.abc import Mapping
from functools import cache
from time import monotonic
from typing import Any

import jwt

from cross_session.errors import AuthenticationFailedError, IdentityUnavailableError
from cross_session.settings import OidcSettings

ALGORITHMS = ["RS256", "ES256"]  # of us, never of the token's header
LEEWAY_SECONDS = 30
MAX_TOKEN_LENGTH = 8_192
FETCH_COOLDOWN_SECONDS = 10
KEYS_FRESH_SECONDS = 300

_FETCH_TIMEOUT_SECONDS = 2

logger = logging.getLogger(__name__)


def verified_claims(token: str, settings: OidcSettings) -> dict[str, Any]:
    """What the token says, once its signature, times, issuer and audience are found right.

    Raises AuthenticationFailedError, and IdentityUnavailableError where the issuer's keys
    cannot be had.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise _invalid(f"is longer than {MAX_TOKEN_LENGTH:,} characters")
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise _invalid(f"is not signed with {' or '.join(ALGORITHMS)}")
        key = issuer_keys(settings.issuer).find(header.get("kid"))
        claims = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=settings.issuer,
            leeway=LEEWAY_SECONDS,
            # a Cognito access token has no aud, so the audience is looked at below
            options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError as error:
        raise AuthenticationFailedError("TOKEN_EXPIRED", "this token has expired") from error
    except jwt.ImmatureSignatureError as error:
        raise _invalid("is not valid yet") from error
    except jwt.InvalidIssuerError as error:
        raise _invalid("is of another issuer") from error
    except jwt.MissingRequiredClaimError as error:
        raise _invalid(f"has no {error.claim}") from error
    except (jwt.PyJWTError, RecursionError) as error:
        raise _invalid("is not one that its issuer signed") from error
    if not _audiences(claims) & settings.audiences:
        raise _invalid("is meant for another application")
    if claims.get("token_use", "access") not in ("access", "id"):
        raise _invalid("is neither an access nor an id token")
    return claims


class IssuerKeys:
    """An issuer's public keys, by their id, as known at most `KEYS_FRESH_SECONDS` ago.

    They are asked for again when one is unknown, but not within `FETCH_COOLDOWN_SECONDS` of
    the last time, so that made-up ids cost nothing. Keys once known stay good while the issuer
    is away.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at = self._answered_at = float("-inf")

    def find(self, kid: str | None) -> jwt.PyJWK:
        """Raises AuthenticationFailedError and IdentityUnavailableError."""
        if kid is None:
            raise _invalid("does not name its key")
        now = monotonic()
        stale = now - self._answered_at >= KEYS_FRESH_SECONDS
        if (stale or kid not in self._keys) and now - self._asked_at >= FETCH_COOLDOWN_SECONDS:
            self._asked_at = now
            self._fetch(now)
        if kid in self._keys:
            return self._keys[kid]
        if self._answered_at < self._asked_at:
            raise IdentityUnavailableError("users' tokens cannot be checked now")
        raise _invalid("is signed with a key that its issuer does not show")

    def _fetch(self, now: float) -> None:
        try:
            shown = jwt.PyJWKSet.from_dict(read_json(_jwks_uri(self._issuer))).keys
        except (jwt.PyJWTError, ValueError, OSError) as error:
            logger.warning("%s does not show its keys: %s", self._issuer, error)
            return
        self._keys = {
            key.key_id: key for key in shown if key.key_id and key.public_key_use in ("sig", None)
        }
        self._answered_at = now


@cache
def issuer_keys(issuer: str) -> IssuerKeys:
    return IssuerKeys(issuer)


def read_json(url: str) -> dict[str, Any]:
    """Follows no redirect. Raises PyJWTError, ValueError and OSError."""
    client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=_FETCH_TIMEOUT_SECONDS)
    document: dict[str, Any] = client.fetch_data()
    return document


def _jwks_uri(issuer: str) -> str:
    """As the issuer's discovery document has it (OpenID Connect Discovery 1.0, section 4)."""
    well_known = f"{issuer.rstrip('/')}/.well-known"
    try:
        discovered = read_json(f"{well_known}/openid-configuration")
    except (jwt.PyJWTError, ValueError, OSError):
        return f"{well_known}/jwks.json"  # where Cognito has it
    if discovered.get("issuer") != issuer:
        raise ValueError(f"the discovery document is of {discovered.get('issuer')}")
    return str(discovered["jwks_uri"]) if "jwks_uri" in discovered else f"{well_known}/jwks.json"


def _audiences(claims: Mapping[str, Any]) -> set[str]:
    meant_for = claims.get("aud", claims.get("client_id"))
    return {meant_for} if isinstance(meant_for, str) else set(meant_for or ())


def _invalid(reason: str) -> AuthenticationFailedError:
    return AuthenticationFailedError("INVALID_TOKEN", f"this token {reason}")
