"""An OpenID Connect issuer: it shows its keys over HTTP and signs what it is told to."""

import json
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT_ID = "phone-app"


class Issuer:
    """Answers on 127.0.0.1. `asked` counts the requests by path."""

    def __init__(self, *, discovery: bool = True) -> None:
        self._discovery = discovery
        self._keys: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {}
        self.asked: Counter[str] = Counter()
        self.away = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/pool"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        self.rotate("first")

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate(self, kid: str, *, curve: bool = False) -> None:
        """From now on shows and signs with this key alone."""
        self._keys = {
            kid: ec.generate_private_key(ec.SECP256R1())
            if curve
            else rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        }

    @property
    def jwks(self) -> dict[str, Any]:
        return {
            "keys": [
                {
                    **(
                        ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
                        if isinstance(key, ec.EllipticCurvePrivateKey)
                        else RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
                    ),
                    "kid": kid,
                    "use": "sig",
                }
                for kid, key in self._keys.items()
            ]
        }

    def public_pem(self) -> bytes:
        (key,) = self._keys.values()
        public = key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(self, sub: str = "bob", *, kid: str | None = None, **claims: Any) -> str:
        """A good access token but for the claims given; one that is None is left out."""
        now = int(time())
        said = {
            "iss": self.url,
            "sub": sub,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 600,
            "token_use": "access",
        } | claims
        ((own, key),) = self._keys.items()
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
        return jwt.encode(
            {name: value for name, value in said.items() if value is not None},
            key,
            algorithm=algorithm,
            headers={"kid": own if kid is None else kid},
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked[self.path] += 1
                shown: dict[str, dict[str, Any]] = {"/pool/keys": issuer.jwks}
                if issuer._discovery:
                    shown["/pool/.well-known/openid-configuration"] = {
                        "issuer": issuer.url,
                        "jwks_uri": f"{issuer.url}/keys",
                    }
                else:
                    shown["/pool/.well-known/jwks.json"] = issuer.jwks
                if issuer.away or self.path not in shown:
                    self.send_error(503 if issuer.away else 404)
                    return
                body = json.dumps(shown[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler
