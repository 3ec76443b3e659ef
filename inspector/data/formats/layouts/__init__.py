"""The layouts that most data sets use, one file each."""
