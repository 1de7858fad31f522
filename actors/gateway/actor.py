"""The gateway as an actor."""

from alluse_hub.actors.gateway.core import GATEWAY
from alluse_hub.actors.gateway.worker import GatewayWorker
from alluse_hub.supervision.leaf import Leaf


class GatewayActor(Leaf):
    core = GATEWAY
    worker = GatewayWorker
