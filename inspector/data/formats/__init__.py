"""Labelled data on disk: a file for each layout that is read or written."""
