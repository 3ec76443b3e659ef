"""Check an archive (archive.sqlite) or an evidence pack (a folder) of inspector.

    python verify_archive.py PATH [PUBLIC-KEY-IN-HEXADECIMAL]

Needs Python 3.9 and nothing else. Finds a record that was changed, removed or inserted, a seal that is not the station's, and
in an evidence pack any file that was changed. Give the station's public key from a trusted place: without it, the key that the
archive itself names is believed.
"""

import base64
import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

Point = tuple[int, int, int, int]

P = 2**255 - 19  # Ed25519, RFC 8032
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE_Y = 4 * pow(5, -1, P) % P


def recover_x(y: int, sign: int) -> int:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        raise ValueError("no point of the curve")
    return P - x if x % 2 != sign else x


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(s: int, p: Point) -> Point:
    q: Point = (0, 1, 1, 0)
    while s:
        q = add(q, p) if s & 1 else q
        p, s = add(p, p), s >> 1
    return q


def point(data: bytes) -> Point:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    x = recover_x(y, sign)
    return x, y, 1, x * y % P


def signed(public: bytes, text: bytes, signature: bytes) -> bool:
    try:
        a, r, s = point(public), point(signature[:32]), int.from_bytes(signature[32:], "little")
    except ValueError:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + text).digest(), "little") % L
    x = recover_x(BASE_Y, 0)
    left, right = times(s, (x, BASE_Y, 1, x * BASE_Y % P)), add(r, times(k, a))
    same = (left[0] * right[2] - right[0] * left[2]) % P == (left[1] * right[2] - right[1] * left[2]) % P == 0
    return bool(len(signature) == 64 and s < L and same)


def check_chain(
    journal: str, public: bytes, before: bytes, first: int, records: Iterable[tuple[int, bytes, bytes, bytes]]
) -> Iterator[str]:
    """Yield problems. `records`: (sequence, payload, hash, seal or None) in order."""
    open_records, expected = 0, first
    for sequence, payload, digest, seal in records:
        if hashlib.sha256(before + sequence.to_bytes(8, "little") + payload).digest() != digest:
            yield f"{journal}: record {sequence} does not follow the one before it"
        elif sequence != expected:
            sys.stdout.write(f"{journal}: records {expected} to {sequence - 1} were lost before they were written\n")
        open_records += 1
        if seal:
            if not signed(public, f"inspector seal {journal} {sequence} {digest.hex()}".encode(), seal):
                yield f"{journal}: the seal of record {sequence} is not the station's"
            open_records = 0
        before, expected = digest, sequence + 1
    if open_records:
        yield f"{journal}: the last {open_records} records have no seal"


def check_archive(path: Path, trusted: str) -> Iterator[str]:
    base = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    for key, name, public, fed, pruned, digest in base.execute(
        "SELECT id, name, public_key, fed, pruned, pruned_digest FROM journal ORDER BY id"
    ).fetchall():
        before = digest or hashlib.sha256(f"inspector journal {name}".encode()).digest()
        rows = base.execute(
            "SELECT id & 1099511627775, CAST(payload AS BLOB), digest, seal FROM record WHERE id >> 40 = ? ORDER BY id", (key,)
        ).fetchall()
        sys.stdout.write(f"{name}: {len(rows)} records\n")
        if (rows[-1][0] if rows else pruned) != fed - 1:
            yield f"{name}: the last records are missing"
        yield from check_chain(name, bytes.fromhex(trusted or public), before, pruned + 1, rows)


def check_evidence(folder: Path, trusted: str) -> Iterator[str]:
    named = set()
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        for line in (folder / manifest).read_text("utf-8").splitlines():
            digest, name = line.split("  ", 1)
            named.add(name)
            file = folder / name
            if ".." in Path(name).parts or not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                yield f"{name} is missing or was changed"
    for file in sorted((folder / "data").rglob("*")):
        if file.is_file() and file.relative_to(folder).as_posix() not in named:
            yield f"{file} is not in the manifest"
    for file in sorted(folder.glob("data/*/proof.json")):
        proof = json.loads(file.read_text("utf-8"))
        records = [
            (one["sequence"], base64.b64decode(one["payload"]), bytes.fromhex(one["hash"]), bytes.fromhex(one.get("seal", "")))
            for one in proof["records"]
        ]
        if not records or json.loads(records[0][1]) != json.loads((file.parent / "record.json").read_text("utf-8")):
            yield f"{file.parent.name}: record.json is not the record that is proved"
            continue
        public = bytes.fromhex(trusted or proof["public_key"])
        yield from check_chain(proof["journal"], public, bytes.fromhex(proof["before"]), records[0][0], records)


def main() -> int:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    path, trusted = Path(sys.argv[1]), "".join(sys.argv[2:])
    try:
        problems = list((check_evidence if path.is_dir() else check_archive)(path, trusted))
    except (OSError, ValueError, KeyError, sqlite3.Error) as error:
        problems = [f"{path} cannot be read: {error}"]
    sys.stdout.write(("\n".join(problems) or "sound") + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
