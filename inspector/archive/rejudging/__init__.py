"""Archived images judged again by other bundles, on this computer or on several."""
