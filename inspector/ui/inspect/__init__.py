"""The operator's page: feed, verdict, counters, takt meter."""
