"""Where devices knock: the paths the firmware knows, compared without a trailing slash."""

from __future__ import annotations

from typing import Final

DEVICE_PATH: Final = "/xiaozhi/v1"
CONFIGURATION_PATH: Final = "/xiaozhi/ota"
ACTIVATION_PATH: Final = "/xiaozhi/ota/activate"
ENROLMENT_PATHS: Final = frozenset({CONFIGURATION_PATH, ACTIVATION_PATH})
