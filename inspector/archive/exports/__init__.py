"""What leaves the archive: data sets, evidence packs, copies of the whole."""
