"""Measurements that `inspector bench` runs."""
