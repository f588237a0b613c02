"""Logins over HTTP: which challenge of a camera is answered, and how (RFC 7617, 7616 and 6750)."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Auth = Literal["none", "basic", "digest", "bearer"]


AUTHS: tuple[str, ...] = get_args(Auth)


_STRENGTH = ("basic", "digest", "bearer")
"""Kinds of login that can be set, the weakest first: basic sends the password itself."""

_HASHES = {"MD5": "md5", "SHA": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}
"""Of digest, the weakest first; cameras know the first, rarely the third."""

_ITEM = re.compile(
    r"""([^\s,="]+)                                    # a kind of login, or a parameter's name
        (?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?  # the parameter's value, quoted or not
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Challenge:
    """One kind of login that a server offers, in lower case, with its parameters."""

    kind: str
    parameters: Mapping[str, str]


def read_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Read all challenges of a response, several in a header or in several headers.

    Args:
        headers: The values of its `WWW-Authenticate` headers, however malformed.
    """
    challenges = []
    for header in headers:
        parameters: dict[str, str] = {}
        for item in _ITEM.finditer(header):
            name, quoted, bare = item.group(1).lower(), item.group(2), item.group(3)
            if quoted is None and bare is None:
                # Else a word of a value that should have been quoted, such as realm=My Camera.
                is_first = _last_before(header, item.start()) in {"", ","}
                if not is_first and name not in _STRENGTH:
                    continue
                parameters = {}
                challenges.append(Challenge(name, parameters))
            else:
                value = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                parameters.setdefault(name, value)
    return challenges


def _last_before(header: str, end: int) -> str:
    """Return the last character before a place that is no blank; empty where there is none.

    Without a copy of all that stands before: a header may be long, and have many words.
    """
    while end > 0 and header[end - 1].isspace():
        end -= 1
    return header[end - 1 : end] if end else ""


def strongest_offered(challenges: Iterable[Challenge]) -> Auth | None:
    """Return the strongest kind of login among the challenges that `auth` can be set to."""
    offered = {challenge.kind for challenge in challenges}
    best = [kind for kind in _STRENGTH if kind in offered]
    return best[-1] if best else None  # type: ignore[return-value]  # all are kinds of Auth


class Login:
    """Answers what a server demands, with one user's credentials.

    Args:
        auth: Kind of login; a weaker one is never used in its place.
        username: For basic and digest.
        password: For basic and digest.
        token: For bearer.
    """

    def __init__(
        self, auth: Auth, username: str | None, password: str | None, token: str | None
    ) -> None:
        self._auth = auth
        self._username, self._password = username or "", password or ""
        self._token = token
        self._digest: Mapping[str, str] = {}
        self._uses = 0  # of the challenge's nonce

    def authorization(self, target: str, method: str = "GET") -> str | None:
        """Return the header that a request for the target needs; None before a challenge."""
        if self._auth == "basic":
            login = f"{self._username}:{self._password}".encode()
            return "Basic " + base64.b64encode(login).decode()
        if self._auth == "bearer":
            return f"Bearer {self._token}"
        return self._digest_of(target, method) if self._digest else None

    def take(self, challenges: Iterable[Challenge]) -> bool:
        """Take the strongest challenge that can be answered; tell whether there is one."""
        if self._auth != "digest":
            return False
        usable = [
            challenge.parameters
            for challenge in challenges
            if challenge.kind == "digest" and _is_usable(challenge)
        ]
        self._uses = 0
        self._digest = max(
            usable, key=lambda challenge: list(_HASHES).index(_hash_of(challenge)), default={}
        )
        return bool(usable)

    def forget(self) -> None:
        """Drop the challenge: a refused password is sent no more without being asked for."""
        self._digest = {}

    def _digest_of(self, target: str, method: str) -> str:
        challenge = self._digest
        self._uses += 1
        count, cnonce = f"{self._uses:08x}", _client_nonce()
        realm, nonce = challenge.get("realm", ""), challenge["nonce"]
        algorithm = _HASHES[_hash_of(challenge)]

        def hashed(*parts: str) -> str:
            return hashlib.new(algorithm, ":".join(parts).encode()).hexdigest()

        secret = hashed(self._username, realm, self._password)
        if challenge.get("algorithm", "").upper().endswith("-SESS"):
            secret = hashed(secret, nonce, cnonce)
        fields = {"username": self._username, "realm": realm, "nonce": nonce, "uri": target}
        quoted = {name: _escaped(value) for name, value in fields.items()}
        bare = {}
        if "algorithm" in challenge:
            bare["algorithm"] = challenge["algorithm"]
        qop = _qop_of(challenge)
        if qop:
            request = [method, target] + ([hashed("")] if qop == "auth-int" else [])
            quoted["response"] = hashed(secret, nonce, count, cnonce, qop, hashed(*request))
            quoted["cnonce"] = cnonce
            bare |= {"qop": qop, "nc": count}
        else:
            quoted["response"] = hashed(secret, nonce, hashed(method, target))
        if "opaque" in challenge:
            quoted["opaque"] = _escaped(challenge["opaque"])
        return "Digest " + ", ".join(
            [f'{name}="{value}"' for name, value in quoted.items()]
            + [f"{name}={value}" for name, value in bare.items()]
        )


def _client_nonce() -> str:
    return os.urandom(8).hex()


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"")


def _hash_of(challenge: Mapping[str, str]) -> str:
    name = challenge.get("algorithm", "").upper().removesuffix("-SESS")
    return {"": "MD5", "SHA-1": "SHA", "SHA256": "SHA-256", "SHA512": "SHA-512"}.get(name, name)


def _qop_of(challenge: Mapping[str, str]) -> str | None:
    """Return the quality of protection that is used; None where the server knows none."""
    offered = [kind.strip().lower() for kind in challenge.get("qop", "").split(",")]
    return next((kind for kind in ("auth", "auth-int") if kind in offered), None)


def _is_usable(challenge: Challenge) -> bool:
    parameters = challenge.parameters
    return (
        bool(parameters.get("nonce"))
        and _hash_of(parameters) in _HASHES
        and all(value.isprintable() for value in parameters.values())
        and (not parameters.get("qop") or _qop_of(parameters) is not None)
    )
