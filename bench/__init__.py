"""Measures Keepline beside its floor and its peers, on the same work, in one run."""
