"""A report of the archive as a page, a table and a sheet of paper."""
