"""One admin interface for all workers of a machine: whoever is asked asks the others."""
