"""The replicator as an actor."""

from alluse_hub.actors.replicator.core import REPLICATOR
from alluse_hub.supervision.shell import Shell


class ReplicatorActor(Shell):
    core = REPLICATOR
