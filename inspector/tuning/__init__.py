"""Choosing engines, precisions and threads for this machine: plan, measure, export, keep."""
