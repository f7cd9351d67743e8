"""What Keepline is compared with: each module is one server, run as a process of its own."""
