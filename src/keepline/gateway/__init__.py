"""The I/O shell of one node: it accepts, admits, pumps, closes and cleans up."""
