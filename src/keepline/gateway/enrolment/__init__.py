"""How a device is enrolled: it asks for its configuration, and is told where to connect or not."""
