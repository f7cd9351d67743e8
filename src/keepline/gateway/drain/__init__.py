"""Leaving by plan: who goes when, what each is told, and how far it has come."""
