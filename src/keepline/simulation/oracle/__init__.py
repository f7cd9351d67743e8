"""What the gateway owes its devices, kept by somebody who does not look into it."""
