"""Keepline keeps fleets of ESP32 voice devices connected."""

__version__ = "0.1.0"
