"""PURE: the opening handshake and the frames of RFC 6455 for both roles, and the device's messages.

Bytes come in, events go out; nothing here awaits, logs or reads a clock.
"""
