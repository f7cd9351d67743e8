"""The hub of many nodes: who holds which device is in NATS, all else in each node's own file."""
