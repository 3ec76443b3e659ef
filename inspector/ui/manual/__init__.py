"""Help inside the program: the manual, the first tour, and what this program is."""
