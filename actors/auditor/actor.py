"""The auditor on Thespian."""

from alluse_hub.actors.auditor.core import CORE
from alluse_hub.actors.auditor.worker import AuditorWorker
from alluse_hub.supervision.leaf import Leaf


class AuditorActor(Leaf):
    core = CORE
    worker = AuditorWorker
