"""Which bundles a station may use: those that a person has accepted and, with a plant key, those that the plant has signed.

A bundle is accepted when a station first uses it. Its fingerprint is kept in the user's folder; if the bundle changes, it is
not used until a person accepts it. The plant key is an Ed25519 public key in the user's settings folder. A signature covers the
bundle's fingerprint, so its card and the trained network, but not the variants made from it.
"""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from inspector.bundles.bundle import SIGNATURE, Bundle
from inspector.core.config import FiniteModel, describe_validation, write_atomically
from inspector.core.ed25519 import read_private_key, signed_by, write_private_key, write_public_key
from inspector.core.ed25519 import read_public_key as public_key_in
from inspector.core.errors import ConfigError, StorageError
from inspector.core.storage.locks import alone
from inspector.core.storage.paths import is_shipped, user_config, user_data
from inspector.core.untrusted import parse_json, read_bounded

if TYPE_CHECKING:
    from nacl.signing import SigningKey, VerifyKey

ACCEPTED = "accepted-bundles.json"
PLANT_KEY = "plant-key.pem"
_CONTEXT = b"inspector bundle 1\n"  # so that a signature for another purpose is none for a bundle


class _Accepted(FiniteModel):
    """Fingerprints of the accepted bundles by folder."""

    format: Literal[1] = 1
    bundles: Mapping[str, str] = {}


class _Signature(FiniteModel):
    """What lies in the bundle. `signature`: base64."""

    format: Literal[1] = 1
    fingerprint: str
    signature: str


def admit(bundle: Bundle) -> None:
    """Raise ConfigError unless a station may use this bundle; StorageError if that cannot be written down.

    A bundle that belongs to the program changes with it and need not be accepted, but must be signed as any other.
    """
    key = plant_key()
    if key is not None:
        verify(bundle, key)
    if is_shipped(bundle.folder):
        return
    place = str(bundle.folder.resolve())
    known = _read().bundles.get(place)
    if known == bundle.fingerprint:
        return
    if known is None:
        accept(bundle)
        return
    raise ConfigError(
        "The bundle {bundle} has changed since it was accepted, so it is not used.",
        remedy="If the change is meant, accept it: inspector bundle accept {bundle}.",
        bundle=bundle.folder,
    )


def accept(bundle: Bundle) -> None:
    """Let stations of this user use the bundle as it is now. Raises StorageError."""
    with alone(user_data() / ACCEPTED):
        kept = _read()
        bundles = {**kept.bundles, str(bundle.folder.resolve()): bundle.fingerprint}
        text = kept.model_copy(update={"bundles": bundles}).model_dump_json(indent=1)
        write_atomically(user_data() / ACCEPTED, text.encode("utf-8", "backslashreplace"))


def _read() -> _Accepted:
    file = user_data() / ACCEPTED
    try:
        return _Accepted.model_validate(parse_json(read_bounded(file)))
    except FileNotFoundError:
        return _Accepted()
    except (OSError, ValueError) as error:  # never as if nothing had been accepted: everything would be accepted anew
        detail = describe_validation(error) if isinstance(error, ValidationError) else error
        raise ConfigError(
            "The list of accepted bundles {file} cannot be read ({detail}).",
            remedy="Restore it from a backup. If it is deleted, every bundle counts as accepted when it is next used.",
            file=file,
            detail=detail,
        ) from error


# ---- the plant's signature --------------------


def make_key(file: Path) -> Path:
    """Write a new private key, readable by this user only, and its public key next to it; return the latter's path.

    Raises StorageError, also if the file exists.
    """
    from nacl.signing import SigningKey

    key, public = SigningKey.generate(), file.with_name(f"{file.name}.pub")
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(write_private_key(key))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise StorageError(
            "The key {file} cannot be written ({detail}).",
            remedy="Choose a new file in a folder that this user may write to.",
            file=file,
            detail=error.strerror or error,
        ) from error
    write_atomically(public, write_public_key(key.verify_key))
    return public


def sign(bundle: Bundle, key: Path) -> None:
    """Write the signature of a bundle into its folder. `key`: private key. Raises ConfigError or StorageError."""
    signature = _private_key(key).sign(_CONTEXT + bundle.fingerprint.encode()).signature
    kept = _Signature(fingerprint=bundle.fingerprint, signature=base64.b64encode(signature).decode())
    write_atomically(bundle.folder / SIGNATURE, (json.dumps(kept.model_dump(), indent=1) + "\n").encode())


def verify(bundle: Bundle, key: "VerifyKey") -> None:
    """Raise ConfigError unless the bundle as it is now is signed with the key."""
    problem = spoilt = "The signature of the bundle {bundle} is not the plant's, or the bundle has changed since it was signed."
    try:
        kept = _Signature.model_validate(parse_json(read_bounded(bundle.folder / SIGNATURE)))
        signature = base64.b64decode(kept.signature, validate=True)
        if signed_by(bytes(key), _CONTEXT + bundle.fingerprint.encode(), signature):
            return
    except FileNotFoundError:
        problem = "The bundle {bundle} is not signed, and this station has a plant key."
    except (OSError, ValueError):
        problem = spoilt
    raise ConfigError(problem, remedy="Ask for a bundle that is signed with the plant key.", bundle=bundle.folder)


def plant_key() -> "VerifyKey | None":
    """Return the plant key of this station; None if it has none. Raises ConfigError if it cannot be read."""
    file = user_config() / PLANT_KEY
    return read_public_key(file) if file.exists() else None


def trust(key: Path | None) -> None:
    """Make a public key this station's plant key; None: have none any more. Raises ConfigError or StorageError."""
    file = user_config() / PLANT_KEY
    if key is not None:
        read_public_key(key)
        write_atomically(file, key.read_bytes())
        return
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError("{file} cannot be deleted ({detail}).", file=file, detail=error.strerror or error) from error


def read_public_key(file: Path) -> "VerifyKey":
    """Return an Ed25519 public key in PEM. Raises ConfigError."""
    try:
        return public_key_in(read_bounded(file))
    except (OSError, ValueError) as error:
        raise _no_key(file, "public") from error


def _private_key(file: Path) -> "SigningKey":
    try:
        return read_private_key(read_bounded(file))
    except (OSError, ValueError) as error:
        raise _no_key(file, "private") from error


def _no_key(file: Path, kind: str) -> ConfigError:
    return ConfigError(
        "{file} is not an Ed25519 {kind} key in PEM.",
        remedy="Make a pair of keys with: inspector bundle make-key FILE.",
        file=file,
        kind=kind,
    )
