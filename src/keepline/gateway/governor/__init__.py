"""What a node does while it has more than it can serve: and who waits."""
