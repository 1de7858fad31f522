"""A gateway whose orders are on the disk at once, for tests of what comes after that."""

from alluse_hub.actors.gateway.core import GATEWAY, RECORDED
from alluse_hub.actors.gateway.requests import Gateway
from alluse_hub.protocols.effects import Effect, Wake
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.message import Envelope, Message


def decide(
    state: Gateway, body: Message, sender: str = "gateway", at: float = 5.0
) -> tuple[Gateway, tuple[Effect, ...]]:
    """With what follows when the commit is stored, in the place of the wait for it."""
    decision = GATEWAY.decide(state, Envelope("gateway/1/1", sender, "gateway", body, at))
    state, effects = decision.state, list[Effect]()
    for effect in decision.effects:
        if isinstance(effect, Wake) and effect.timer.startswith(RECORDED):
            state, after = decide(state, Woken(timer=effect.timer), at=at)
            effects += after
        else:
            effects.append(effect)
    return state, tuple(effects)
