"""The monitor on Thespian."""

from alluse_hub.supervision.leaf import Leaf

from .core import CORE
from .worker import MonitorWorker


class MonitorActor(Leaf):
    core = CORE
    worker = MonitorWorker
