"""Keys and signatures that were written before, or by other programs, go on being read; new ones are equal to the byte."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from inspector.archive.keys import KEY, StationKey
from inspector.bundles.acceptance import make_key
from inspector.core.ed25519 import read_private_key, read_public_key, signed_by, write_private_key, write_public_key
from inspector.core.errors import StorageError

# Written, and signed with, by the package cryptography 50.0.2.
SEED = bytes(range(32))
PRIVATE = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
"""
PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
-----END PUBLIC KEY-----
"""
TEXT = b"inspector bundle 1\nabc"
SIGNATURE = bytes.fromhex(
    "51a04afb76df99f97f32d4b807db26110d08565dc0bbc2a62ff4a2e366b0c36b06d911fe44c3a66fa9f8ba41ca2d5db1390040a7625859e6bf17754b907f780f"
)
# RFC 8410, 10.3: the first key without, the second with an attribute and its public key.
RFC_8410 = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
RFC_8410_MORE = b"""-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
"""
ENCRYPTED = b"""-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBCdQmPjCcfR1Usn7rJ9
3xM8AgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQ/6CuC0VktLTgrTZT
Gne/IgRADCSu+9aitQlcQFLo+vv29XgMlGuMmbLDC7Vd8JclnhfhimzPF+9dkAA3
54K0OobyeyFYu/4ZsNyHGKIdZqjRfw==
-----END ENCRYPTED PRIVATE KEY-----
"""
X25519 = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VuBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
"""
X25519_PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEAj0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8=
-----END PUBLIC KEY-----
"""


def test_keys_and_signatures_of_before_are_those_of_now(tmp_path: Path) -> None:
    key, public = read_private_key(PRIVATE), read_public_key(PUBLIC)
    assert (bytes(key), bytes(key.verify_key)) == (SEED, bytes(public))
    assert (write_private_key(key), write_public_key(public)) == (PRIVATE, PUBLIC)
    assert key.sign(TEXT).signature == SIGNATURE
    (tmp_path / KEY).write_bytes(SEED)
    station = StationKey(tmp_path)
    assert (station.public, station.sign(TEXT)) == (bytes(public), SIGNATURE)
    assert signed_by(station.public, TEXT, SIGNATURE)
    assert not signed_by(station.public, TEXT + b"d", SIGNATURE)
    assert not signed_by(station.public, TEXT, bytes([SIGNATURE[0] ^ 1]) + SIGNATURE[1:])
    assert not signed_by(bytes(SigningKey.generate().verify_key), TEXT, SIGNATURE)
    assert not any(signed_by(*wrong) for wrong in ((b"", TEXT, SIGNATURE), (station.public, TEXT, SIGNATURE[:63])))


@pytest.mark.parametrize(
    "text",
    [
        PRIVATE.replace(b"\n", b"\r\n"),
        b"Key of the plant\n" + PRIVATE + PUBLIC,
        b"\xef\xbb\xbf" + PRIVATE.rstrip(),
        PRIVATE.replace(b"IIAABAgM", b"IIAAB  \nAgM"),
    ],
)
def test_a_key_is_read_as_editors_leave_it(text: bytes) -> None:
    assert bytes(read_private_key(text)) == SEED


def test_a_private_key_with_its_public_key_behind_it_is_read() -> None:
    assert bytes(read_private_key(RFC_8410_MORE)) == bytes(read_private_key(RFC_8410))


@pytest.mark.parametrize(
    "text",
    [b"", PUBLIC, ENCRYPTED, X25519, PRIVATE.replace(b"HR4f", b"HR4fAA=="), PRIVATE.replace(b"HR4f", b""), PRIVATE[:-30]],
)
def test_what_is_no_private_key_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        read_private_key(text)


@pytest.mark.parametrize("text", [b"", PRIVATE, X25519_PUBLIC, PUBLIC.replace(b"Mbg=", b""), PUBLIC.replace(b"Mbg=", b"M!g=")])
def test_what_is_no_public_key_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        read_public_key(text)


def test_a_station_key_of_the_wrong_length_is_an_error(tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(SEED[:31])
    with pytest.raises(StorageError, match="cannot be read"):
        StationKey(tmp_path)


def test_the_verifier_that_stands_alone_agrees(tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "packaging" / "verify_archive.py"
    made = SigningKey.generate()
    asked = [(bytes(made.verify_key), TEXT, made.sign(TEXT).signature), (bytes(made.verify_key), TEXT, SIGNATURE)]
    code = (
        "import runpy, sys; signed = runpy.run_path(sys.argv[1])['signed']; print([signed(*one) for one in eval(sys.argv[2])])"
    )
    words = [sys.executable, "-I", "-S", "-c", code, str(script), repr(asked)]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "[True, False]\n"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_reads_our_keys_and_we_read_its(tmp_path: Path) -> None:
    public = make_key(tmp_path / "plant")
    (tmp_path / "text").write_bytes(TEXT)
    (tmp_path / "signature").write_bytes(read_private_key((tmp_path / "plant").read_bytes()).sign(TEXT).signature)
    run = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin", "-in", str(tmp_path / "text")]
    done = subprocess.run([*run, "-sigfile", str(tmp_path / "signature")], capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout, done.stderr
    theirs = tmp_path / "theirs"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(theirs)], check=True, capture_output=True)
    told = subprocess.run(["openssl", "pkey", "-in", str(theirs), "-pubout"], check=True, capture_output=True).stdout
    assert read_private_key(theirs.read_bytes()).verify_key == read_public_key(told)
