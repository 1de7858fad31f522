"""The router on its shell."""

from alluse_hub.actors.router.core import ROUTER
from alluse_hub.supervision.shell import Shell


class RouterActor(Shell):
    core = ROUTER
