"""The report of a run: numbers, charts, pages, images."""
