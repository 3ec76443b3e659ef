"""Basic and Digest authentication (RFC 7617, RFC 7616) for HTTP and RTSP cameras."""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable

_SCHEME = re.compile(r"\s*(basic|digest)\b", re.IGNORECASE)
_PARAMETER = re.compile(r'([a-z-]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))', re.IGNORECASE)
_ALGORITHMS = {"md5": "md5", "sha-256": "sha256"}


class Login:
    """User and password of one camera, and its last challenge."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._digest: dict[str, str] | None = None
        self._basic = False
        self._count = 0

    def take(self, challenges: Iterable[str]) -> bool:
        """Read the WWW-Authenticate headers of a 401; return whether they can be answered.

        Digest is preferred. A repeated challenge after an answer means that user or password are wrong.
        """
        if not self._user:
            return False
        before = self._digest, self._basic
        self._digest, self._basic = None, False
        for challenge in challenges:
            # One header may contain two challenges.
            begins = [found.start() for found in re.finditer(r"(?:^|,)\s*(?:basic|digest)\s", challenge, re.IGNORECASE)]
            for begin, end in zip(begins, [*begins[1:], len(challenge)], strict=True):
                self._take_one(challenge[begin:end].lstrip(", "))
        stale = self._digest is not None and self._digest.get("stale", "").lower() == "true"
        repeated = (self._digest is None) == (before[0] is None) and before != (None, False)
        return (self._digest is not None or self._basic) and (stale or not repeated)

    def answer(self, method: str, uri: str) -> str | None:
        """Return the value of the Authorization header, or None before any challenge."""
        if self._digest is not None:
            return self._digest_answer(self._digest, method, uri)
        if self._basic:
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        return None

    def _take_one(self, challenge: str) -> None:
        scheme = _SCHEME.match(challenge)
        if scheme is None:
            return
        if scheme[1].lower() == "basic":
            self._basic = True
            return
        found = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(challenge[scheme.end() :])}
        algorithm = found.get("algorithm", "MD5").lower().removesuffix("-sess")
        if algorithm in _ALGORITHMS and "nonce" in found and self._digest is None:
            self._digest = found

    def _digest_answer(self, asked: dict[str, str], method: str, uri: str) -> str:
        algorithm = asked.get("algorithm", "MD5")
        kind = _ALGORITHMS[algorithm.lower().removesuffix("-sess")]

        def hashed(*pieces: str) -> str:
            return hashlib.new(kind, ":".join(pieces).encode(), usedforsecurity=False).hexdigest()

        realm, nonce, once = asked.get("realm", ""), asked["nonce"], secrets.token_hex(8)
        key = hashed(self._user, realm, self._password)
        if algorithm.lower().endswith("-sess"):
            key = hashed(key, nonce, once)
        fields = {"username": self._user, "realm": realm, "nonce": nonce, "uri": uri}
        plain = {}
        if "auth" in re.split(r"[,\s]+", asked.get("qop", "").lower()):
            self._count += 1
            count = f"{self._count:08x}"
            fields |= {"response": hashed(key, nonce, count, once, "auth", hashed(method, uri)), "cnonce": once}
            plain = {"qop": "auth", "nc": count}
        else:
            fields["response"] = hashed(key, nonce, hashed(method, uri))
        if "opaque" in asked:
            fields["opaque"] = asked["opaque"]
        if "algorithm" in asked:
            plain["algorithm"] = algorithm
        quoted = [f'{name}="{value}"' for name, value in fields.items()]
        return "Digest " + ", ".join([*quoted, *(f"{name}={value}" for name, value in plain.items())])
