"""Addresses are taken apart as they are typed, and shown without what is secret."""

import itertools

import pytest

from inspector.core.addresses import Address, hide_secrets, parse_address

PASSWORDS = [
    "Secret",
    "Se#cret",
    "Se/cret",
    "Se?cret",
    "Se@cret",
    "Se:cret",
    "#Secret",
    "Secret/",
    "Se%23cret",
    "Se cret",
    "?Se#c/ret&x",
]
AFTER_HOST = ["", "/", "/live", ":554/live", ":8080/axis-cgi/mjpg/video.cgi?resolution=640x480&camera=1"]


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "HTTPS"])
@pytest.mark.parametrize("host", ["cam", "192.168.0.9", "[fe80::1]", "camera-2.plant.example"])
def test_no_piece_of_a_password_is_shown(scheme: str, host: str) -> None:
    for password, after in itertools.product(PASSWORDS, AFTER_HOST):
        address = f"{scheme}://operator:{password}@{host}{after}"
        shown = hide_secrets(address)
        assert not any(piece in shown for piece in ("ecret", "Se", "cret", "operator", "c/ret")), (address, shown)
        assert host in shown
        assert after.partition("?")[0] in shown


@pytest.mark.parametrize(
    "address",
    [
        "http://cam/video?token=S3CRET",
        "http://cam/video?channel=1&access_token=S3CRET&x=S3CRET",
        "http://cam/snap.cgi?user=admin&pwd=S3CRET",
        "http://cam/video?S3CRET",
        "http://cam/video?jwt=a.S3CRET.b;sig=S3CRET",
        "rtsp://cam:554/user=admin&password=S3CRET&channel=1&stream=0.sdp?",
        "rtsp://cam:554/user=admin_password=S3CRET_channel=1_stream=0.sdp",
        "rtsps://stream.example.com/live/S3CRETa1b2c3d4e5f6a7b8c9d0/main",
        "rtsp://cam/live#S3CRET",
        "rtsp://admin:S3CRET",
        "rtsp://admin:S3CRET/live",
        "rtsp://admin:12#S3CRET@cam/live",
        "rtsp://admin:p@S3/CRET@cam/live",
        "usb:rtsp://admin:S3CRET@cam/live",
        "admin:S3CRET@cam/live",
        "admin:S3/CRET@cam:554/live",
        "rtps:/admin:S3CRET@cam/live",
        "folder:http:/admin:S3CRET@cam/live",
        "http://cam/video?channel=S3CRETS3CRETS3CRETS3CRET",
        "no stream at rtsp://admin:S3CRET@cam/live",
    ],
)
def test_tokens_are_hidden_wherever_they_stand(address: str) -> None:
    shown = hide_secrets(address)
    assert "S3" not in shown
    assert "CRET" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "simulated:thermal",
        "folder:/data/user@host/images?",
        r"folder:C:\pictures\line 2",
        "usb:0",
        "C:\\data\\user@host.png",
        "video:data/line@2.mp4",
        "video:/data/a=b&password=c.mp4",
        "rtsp://cam:554/Streaming/Channels/101",
        "rtsp://[fe80::1]:8554/h264",
        "http://cam/cgi-bin/mjpg?channel=1&subtype=0&resolution=1280x720",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert hide_secrets(text) == text
    assert hide_secrets(hide_secrets(text)) == hide_secrets(text)


def test_addresses_in_their_parts() -> None:
    assert parse_address("rtsp://cam/live?x=1#y") == Address("rtsp", "cam", None, "/live?x=1")
    assert parse_address("HTTP://[::1]:8080") == Address("http", "::1", 8080, "/")
    assert parse_address("http://cam?x=1").path == "/?x=1"
    for typed, password in [("a%23b", "a#b"), ("a#b", "a#b"), ("a/b", "a/b"), ("a?b", "a?b"), ("a@b", "a@b"), ("a:b", "a:b")]:
        address = parse_address(f"rtsp://op:{typed}@cam:554/live")
        assert (address.user, address.password, address.host, address.port, address.path) == (
            "op",
            password,
            "cam",
            554,
            "/live",
        )
        assert password not in repr(address)
        assert parse_address(address.url) == address
    for wrong in (
        "rtsp://",
        "http:///x",
        "rtsp://host:port/x",
        "rtsp://[::1/x",
        "rtsp://host:99999/x",
        "cam/live",
        "rtsp://a b/c",
    ):
        with pytest.raises(ValueError, match=r"^an address without a host$"):
            parse_address(wrong)
