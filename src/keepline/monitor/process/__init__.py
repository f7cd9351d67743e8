"""What the system says of our own process: read from files, without a library."""
