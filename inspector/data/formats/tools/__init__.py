"""Label files as the annotation tools write them."""
