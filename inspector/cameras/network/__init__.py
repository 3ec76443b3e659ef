"""Streams over the network: RTSP, MJPEG and snapshots over HTTP."""
