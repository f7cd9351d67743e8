"""In front of voice servers: devices are passed on to one of them, and stay when it does not."""
