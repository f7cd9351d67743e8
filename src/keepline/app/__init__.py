"""The composition root: a gateway with everything around it, in our own process or in yours."""

from keepline.app.process import demo as demo
from keepline.app.process import serve as serve
