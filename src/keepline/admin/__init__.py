"""What operators and their machines ask over HTTP, on a port of its own."""
