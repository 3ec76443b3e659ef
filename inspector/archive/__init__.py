"""The archive: every inspection in a durable journal, from it in a database with images, searchable and provable."""
