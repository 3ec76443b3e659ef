"""Layouts of labelled data on disk: one module for each layout that is read or written."""
