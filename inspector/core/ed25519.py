"""Keys of Ed25519 in PEM, as OpenSSL and most other tools write them (RFC 8410), and whether a signature is right."""

import base64
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nacl.signing import SigningKey, VerifyKey

# The algorithm's name in DER, and with it all that stands before the 32 bytes of a key.
_ALGORITHM = bytes.fromhex("300506032b6570")
_PUBLIC = bytes.fromhex("302a") + _ALGORITHM + bytes.fromhex("032100")
_PRIVATE = bytes.fromhex("302e020100") + _ALGORITHM + bytes.fromhex("04220420")
# What some tools put behind a private key: attributes, and its public key.
_PRIVATE_WITH_MORE = re.compile(rb"(?s)\x30([\x2e-\x7f])\x02\x01[\x00\x01]" + re.escape(_PRIVATE[5:]) + rb"(.{32})[\xa0\x81].*")


def write_private_key(key: "SigningKey") -> bytes:
    """Return a private key in PEM (PKCS #8, not encrypted)."""
    return _pem("PRIVATE KEY", _PRIVATE + bytes(key))


def write_public_key(key: "VerifyKey") -> bytes:
    """Return a public key in PEM (SubjectPublicKeyInfo)."""
    return _pem("PUBLIC KEY", _PUBLIC + bytes(key))


def read_private_key(pem: bytes) -> "SigningKey":
    """Return the private key in a PEM text. Raises ValueError if there is none, or one that is encrypted."""
    from nacl.signing import SigningKey

    data = _der("PRIVATE KEY", pem)
    if data.startswith(_PRIVATE) and len(data) == len(_PRIVATE) + 32:
        return SigningKey(data[-32:])
    more = _PRIVATE_WITH_MORE.fullmatch(data)
    if more is None or more[1][0] != len(data) - 2:
        raise ValueError("no private key of Ed25519")
    return SigningKey(more[2])


def read_public_key(pem: bytes) -> "VerifyKey":
    """Return the public key in a PEM text. Raises ValueError if there is none."""
    from nacl.signing import VerifyKey

    data = _der("PUBLIC KEY", pem)
    if not data.startswith(_PUBLIC) or len(data) != len(_PUBLIC) + 32:
        raise ValueError("no public key of Ed25519")
    return VerifyKey(data[-32:])


def signed_by(public: bytes, text: bytes, signature: bytes) -> bool:
    """Return whether a signature of this text was made with the private key that belongs to `public` (32 bytes)."""
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(public).verify(text, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def _pem(label: str, data: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.b64encode(data).decode()}\n-----END {label}-----\n".encode()


def _der(label: str, pem: bytes) -> bytes:
    """Return what stands between the lines of this label. Raises ValueError."""
    found = re.search(rb"-----BEGIN %b-----(.*?)-----END %b-----" % ((label.encode(),) * 2), pem, re.DOTALL)
    if found is None:
        raise ValueError(f"no {label.lower()} in PEM")
    return base64.b64decode(b"".join(found[1].split()), validate=True)
