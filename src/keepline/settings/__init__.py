"""Every setting with its default and its limits; `Settings` holds a section for each subject."""

from keepline.settings.settings import Settings as Settings
