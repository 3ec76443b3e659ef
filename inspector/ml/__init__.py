"""Networks and their training. torch lives here; reached only through a worker process."""
