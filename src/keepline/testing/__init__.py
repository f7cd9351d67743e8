"""A device in a test: the gateway's own code, no network, and time that moves when told to."""

from keepline.testing.device import Device as Device
from keepline.testing.stage import Stage as Stage

__all__ = ["Device", "Stage"]
