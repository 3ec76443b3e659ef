"""The database of the archive: SQLite beside the images, or PostgreSQL for several stations."""
