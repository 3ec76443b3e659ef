"""Network families, one file each with a `build` function."""
