"""Which inspections the archive page shows: choosing, counts beside the choices, and kept filters."""
