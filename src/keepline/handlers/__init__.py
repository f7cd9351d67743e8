"""Handlers that come with Keepline, each a small example of the contract."""
