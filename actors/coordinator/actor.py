"""The coordinator on its shell."""

from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.supervision.shell import Shell


class CoordinatorActor(Shell):
    core = COORDINATOR
