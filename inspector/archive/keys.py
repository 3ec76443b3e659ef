"""The key with which a station seals its records (Ed25519). The private key never leaves the station's own folder."""

from pathlib import Path

from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.core.storage.locks import alone

KEY = "station.key"


class StationKey:
    """Signs with the private key in `folder`, which is made at the first use."""

    def __init__(self, folder: Path) -> None:
        """Raises StorageError."""
        from nacl.signing import SigningKey

        path = folder / KEY
        try:
            raw = path.read_bytes() if path.exists() else _new_key(path)
            self._key = SigningKey(raw)
        except (OSError, ValueError) as error:
            raise StorageError(
                "The key {file} of this station cannot be read ({detail}).",
                remedy="Restore it from a backup, or move it away: a new key is then made, and named in the records.",
                file=path,
                detail=error,
            ) from error
        self.public = bytes(self._key.verify_key)

    def sign(self, text: bytes) -> bytes:
        """Return the signature (64 bytes) of a text."""
        return self._key.sign(text).signature


def _new_key(path: Path) -> bytes:
    from nacl.signing import SigningKey

    with alone(path):  # two stations that start at once must not make two keys
        if not path.exists():
            write_atomically(path, bytes(SigningKey.generate()))  # readable by its owner only
        return path.read_bytes()
