"""Network addresses as people type them, and the same addresses without their secrets.

Passwords may hold `#`, `/`, `?` and `@` unescaped; tokens may stand in the query and in the path. Errors, records, logs and the
window show addresses, so every address that is shown goes through `hide_secrets(address)`.
"""

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

# A file path reduces two slashes to one.
_SCHEME = re.compile(
    r"([a-z][a-z0-9+.-]*(?=://)|(?:rtsp|rtmp|http|ftp)[a-z]?(?=:/)|[a-z][a-z0-9]*(?=:/[^/:]*:[^/]*@)):/{1,2}(?=[^/])",
    re.IGNORECASE,
)
# User and password of an address without its scheme. Paths begin with a kind of source, or with a drive.
_BARE = re.compile(r"(?!(?:simulated|folder|video|usb):)[^/\s:@\\]+:(?![/\\])[^@]*@(?=[^@]+$)", re.IGNORECASE)
_AUTHORITY_ENDS = re.compile(r"[/?#]")
_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[^\s:@\[\]/?#]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
_HIDDEN = "***"
# Query parameters that say which picture is wanted. Every other value may be a key to the camera.
_HARMLESS = re.compile(
    r"camera|channel|chn?|stream|(?:sub)?type|profile|res(?:olution)?|size|width|height|fps|rate|quality|compression|tcp|udp"
    r"|(?:video)?codec|transport|proto|unicast|format",
    re.IGNORECASE,
)
_SECRET_IN_PATH = re.compile(
    r"((?:pass|pwd|token|auth|key|secret|sig|session|credential|user|login)[a-z]*=)[^/&;?]*", re.IGNORECASE
)
_RANDOM = re.compile(r"(?=[^/]*[0-9])(?=[^/]*[a-z])[a-z0-9_~.+=%-]{20,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A network address in its parts. `path` begins with "/" and includes the query; `user` is "" if there is none."""

    scheme: str
    host: str
    port: int | None
    path: str
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Address({self.origin})"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port is None else f":{self.port}")

    @property
    def url(self) -> str:
        """The whole address, including its secrets, in a form that other libraries can parse."""
        if not self.user:
            return f"{self.origin}{self.path}"
        scheme, _, host = self.origin.partition("://")
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{host}{self.path}"


def without_login(text: str) -> tuple[str, str, str]:
    """Split an address into the address without its login, the user and the password.

    A text that is no network address is returned unchanged, without a login.
    """
    try:
        address = parse_address(text)
    except ValueError:
        return text, "", ""
    return replace(address, user="", password="").url, address.user, address.password


def with_login(text: str, user: str, password: str) -> str:
    """Return the address with this login; one that it holds already is replaced. Raises ValueError if it is no address."""
    return replace(parse_address(text), user=user, password=password).url


def parse_address(text: str) -> Address:
    """Parse an address, also if its password holds characters that end it for other parsers.

    Raises ValueError, without the address in its text, if there is no host or the port is not a number.
    """
    scheme, rest = _without_scheme(text)
    credentials, rest = _split_credentials(rest)
    authority, tail = _split_authority(rest)
    found = _HOST.fullmatch(authority)
    if not scheme or found is None or not 0 <= int(found[2] or 0) < 65536:
        raise ValueError("an address without a host")
    user, _, password = (credentials or "").partition(":")
    path = tail.partition("#")[0]
    return Address(
        scheme.lower(),
        found[1].strip("[]"),
        int(found[2]) if found[2] else None,
        path if path.startswith("/") else f"/{path}",
        unquote(user),
        unquote(password),
    )


def hide_secrets(text: str) -> str:
    """Return an address without user, password and tokens.

    A text that is no network address is returned unchanged. If it is unclear what belongs to a password, more is hidden.
    """
    begin = _SCHEME.search(text)
    if begin is None:
        return _BARE.sub(f"{_HIDDEN}@", text, count=1) if _BARE.match(text) else text
    rest = text[begin.end() :]
    rest = _split_credentials(rest)[1]
    doubtful = "@" in rest
    if doubtful:  # legal in the path, but a password may also hold it
        rest = rest.rpartition("@")[2]
    authority, tail = _split_authority(rest)
    host, colon, port = authority.rpartition(":")
    if colon and not authority.endswith("]") and not port.isdecimal():
        authority = f"{host.partition(':')[0]}:{_HIDDEN}"
    path, question, query = tail.partition("#")[0].partition("?")
    path = _RANDOM.sub(_HIDDEN, _SECRET_IN_PATH.sub(rf"\g<1>{_HIDDEN}", path))
    mark = f"{_HIDDEN}@" if doubtful else ""
    return f"{text[: begin.start()]}{begin[1]}://{mark}{authority}{path}{question}{_hide_query(query)}"


def mark_secrets(text: str) -> str:
    """Return `hide_secrets(text)` with a mark in place of a login too, so that `has_hidden` is true of it."""
    shown = hide_secrets(text)
    return shown if shown == text or has_hidden(shown) else shown.replace("://", f"://{_HIDDEN}@", 1)


def has_hidden(shown: str) -> bool:
    """Return whether an address was shown without its secrets, so that it cannot be opened."""
    return _HIDDEN in shown


def _without_scheme(text: str) -> tuple[str, str]:
    begin = _SCHEME.match(text)
    return ("", text) if begin is None else (begin[1], text[begin.end() :])


def _split_credentials(rest: str) -> tuple[str | None, str]:
    """Return the user and password, and the text that follows them.

    Credentials end at the last "@" of the authority (RFC 3986, 3.2). If the port is no number, the apparent authority is the
    beginning of a password, which ends later.
    """
    authority, tail = _split_authority(rest)
    if "@" in authority:
        credentials, _, host = authority.rpartition("@")
        return credentials, host + tail
    port = authority.rpartition(":")[2]
    if "@" in tail and ":" in authority and not authority.startswith("[") and not port.isdecimal():
        credentials, _, after = rest.rpartition("@")
        return credentials, after
    return None, rest


def _split_authority(rest: str) -> tuple[str, str]:
    end = _AUTHORITY_ENDS.search(rest)
    return (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])


def _hide_query(query: str) -> str:
    pieces = re.split(r"([&;])", query)
    return "".join(piece if piece in ("&", ";", "") else _hide_parameter(piece) for piece in pieces)


def _hide_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    if not equals:
        return parameter if _HARMLESS.fullmatch(name) else _HIDDEN
    harmless = _HARMLESS.fullmatch(name) and len(value) <= 16
    return parameter if harmless or not value else f"{name}={_HIDDEN}"
