"""Which upstream a device is passed on to, and which of them are well enough."""
