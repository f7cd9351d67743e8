"""Who holds which device, its saved state, its events, and messages to it: one port, `port.Hub`."""
