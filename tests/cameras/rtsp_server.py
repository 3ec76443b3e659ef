"""A real RTSP server (GStreamer's gst-rtsp-server) for the tests; run by the system's Python, which has its bindings.

Usage: rtsp_server.py PORT. Serves rtsp://127.0.0.1:PORT/h264 and /mjpeg, 320 x 240 at 25 frames a second, and prints "ready".
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - versions come first

SOURCE = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=25/1"
STREAMS = {
    "/h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=1000 key-int-max=12"
    " ! rtph264pay name=pay0 pt=96 config-interval=1",
    "/mjpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}


def main() -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    for path, encoder in STREAMS.items():
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(f"( {SOURCE} ! {encoder} )")
        factory.set_shared(True)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main()
