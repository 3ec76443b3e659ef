"""Where frames come from. A driver writes a generator; the station owns threads, retries and queues."""
