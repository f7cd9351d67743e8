"""Keepline watching itself: what is counted, and how it is shown to Prometheus."""
