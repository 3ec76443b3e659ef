"""A real RTSP server (GStreamer's gst-rtsp-server) for the tests; run by the system's Python, which has its bindings.

Usage: rtsp_server.py PORT [USER:PASSWORD]. Serves 320 x 240 at 25 frames a second under rtsp://127.0.0.1:PORT/ and prints
"ready": h264 and mjpeg show a moving ball; numbered/h264, numbered/h265, numbered/jpeg, and numbered/transport (in an MPEG
transport stream) pictures that say which they are, and numbered/fields, numbered/fields265, and those two with -transport, the
same as two fields each (interlaced).

A numbered picture has 15 rows of 16 bars, 20 pixels wide, with some noise, and every row is the same: a bright bar is a 1. The
first 8 bars are the number modulo 256, the others are (number * 167 + 13) modulo 256, so that no mixture of two is a third.
"""

import random
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - versions come first

SOURCE = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=25/1"
SIZE = "format={pixels},width=320,height=240,framerate=25/1"
NUMBERED = (
    f"appsrc name=source is-live=true format=time do-timestamp=true ! video/x-raw,{SIZE.format(pixels='GRAY8')} ! videoconvert"
    f" ! video/x-raw,{SIZE.format(pixels='I420')}"
)
# With two slices a picture and the interval -1 the parameters are repeated inside a picture, which they must not be.
X264 = (
    "x264enc tune=zerolatency speed-preset=ultrafast bitrate={rate} key-int-max=12 sliced-threads=true threads=2"
    " ! rtph264pay name=pay0 pt=96 config-interval={interval}"
)
INTERLEAVED = "/1,interlace-mode=interleaved,field-order=top-field-first"
TRANSPORT = "h264parse config-interval=-1 ! mpegtsmux alignment=7 ! rtpmp2tpay name=pay0"
STREAMS = {
    "/h264": f"{SOURCE} ! {X264.format(rate=1000, interval=1)}",
    "/mjpeg": f"{SOURCE} ! jpegenc ! rtpjpegpay name=pay0 pt=26",
    "/numbered/h264": f"{NUMBERED} ! {X264.format(rate=4000, interval=-1)}",
    "/numbered/fields": NUMBERED.replace("/1", INTERLEAVED)
    + " ! x264enc tune=zerolatency speed-preset=veryfast bitrate=4000 key-int-max=12 ! video/x-h264,profile=main"
    " ! rtph264pay name=pay0 pt=96 config-interval=1",
    "/numbered/fields265": f"{NUMBERED} ! x265enc tune=zerolatency speed-preset=ultrafast option-string=interlace=tff"
    " ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "/numbered/transport": f"{NUMBERED} ! x264enc tune=zerolatency speed-preset=veryfast bitrate=4000 key-int-max=12"
    f" ! {TRANSPORT}",
    "/numbered/fields-transport": NUMBERED.replace("/1", INTERLEAVED)
    + " ! x264enc tune=zerolatency speed-preset=veryfast bitrate=4000 key-int-max=12"
    f" ! video/x-h264,profile=main ! {TRANSPORT}",
    "/numbered/fields265-transport": f"{NUMBERED} ! x265enc tune=zerolatency speed-preset=ultrafast"
    f" option-string=interlace=tff:keyint=12 ! h265parse config-interval=-1 ! mpegtsmux alignment=7 ! rtpmp2tpay name=pay0",
    "/numbered/h265": f"{NUMBERED} ! x265enc tune=zerolatency speed-preset=ultrafast bitrate=4000 key-int-max=12"
    " ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "/numbered/jpeg": f"{NUMBERED} ! jpegenc ! rtpjpegpay name=pay0 pt=26",
}


def picture(number: int) -> bytes:
    """GRAY8 pixels of a numbered picture."""
    code = (number & 0xFF) << 8 | (number * 167 + 13) & 0xFF
    noise = random.Random(number)
    line = b"".join(bytes((200 if code >> (15 - bar) & 1 else 40,)) * 20 for bar in range(16))
    block = [bytes(value + noise.randrange(16) for value in line) for _ in range(8)]
    return b"".join(noise.choice(block) for _ in range(240))


PICTURES = [picture(number) for number in range(256)]


def feed(media: GstRtspServer.RTSPMedia) -> None:
    """Give a numbered stream its pictures."""
    source = media.get_element().get_child_by_name("source")
    numbers = iter(range(1 << 30))

    def push() -> bool:
        return bool(source.emit("push-buffer", Gst.Buffer.new_wrapped(PICTURES[next(numbers) % 256])) == Gst.FlowReturn.OK)

    GLib.timeout_add(40, push)


def main() -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    if len(sys.argv) > 2:
        protect(server, *sys.argv[2].split(":"))
    for path, stream in STREAMS.items():
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(f"( {stream} )")
        factory.set_shared(True)
        if path.startswith("/numbered"):
            factory.connect("media-configure", lambda _, media: feed(media))
        if len(sys.argv) > 2:
            factory.set_permissions(allowed())
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


def protect(server: GstRtspServer.RTSPServer, user: str, password: str) -> None:
    """Ask for a digest of user and password."""
    auth = GstRtspServer.RTSPAuth.new()
    auth.set_supported_methods(GstRtspServer.RTSPAuthMethod.DIGEST if hasattr(GstRtspServer, "RTSPAuthMethod") else 2)
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "user")
    auth.add_digest(user, password, token)
    server.set_auth(auth)


def allowed() -> GstRtspServer.RTSPPermissions:
    permissions = GstRtspServer.RTSPPermissions.new()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("user", permission, True)
    return permissions


main()
