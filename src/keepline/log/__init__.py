"""Structured logs: what is written, and the thread that writes it."""

from keepline.log.log import HIDDEN as HIDDEN
from keepline.log.log import TEXT_CAP as TEXT_CAP
from keepline.log.log import TRACEBACK_CAP as TRACEBACK_CAP
from keepline.log.log import Level as Level
from keepline.log.log import Log as Log
from keepline.log.log import Style as Style
from keepline.log.log import clean as clean
