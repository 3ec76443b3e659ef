"""The review page: saved images stepped through and judged again."""
