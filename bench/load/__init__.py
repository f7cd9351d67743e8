"""The load generator: a process of its own that plays many devices over raw sockets."""
