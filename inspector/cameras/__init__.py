"""Cameras: sources of frames. A driver is a generator; the station owns threads, retries and queues."""
