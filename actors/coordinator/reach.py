"""Whether a workstream can be reached: a circuit breaker towards each monitor, and what is failed when it opens.

A round waits for the answers to its commands and directives.  Where it is known that there will be none in time, it
does not wait: the command fails with the reason, and so does the directive *for the round*.  A monitor that is being
restarted and will be back within the time that is waited for anyway is waited for: it is told again what is under way,
so a short death changes no decision.

No directive is held back here, whatever a breaker says: it is always sent, and said again when the monitor is back.
"""

from alluse_hub.actors.coordinator import commands, directives
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.lifecycle import PeerDown
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.breaker import Breaker


def went_down(turn: Turn, word: PeerDown) -> None:
    workstream = word.name
    put(turn, workstream, breaker_of(turn, workstream).down(word, turn.at))
    late = [issued for issued in turn.ledger.commands.values() if issued.workstream == workstream]
    if late and (why := turn.unreachable(workstream, max(issued.deadline_s for issued in late))):
        commands.fail_all(turn, workstream, why)
    if why := turn.unreachable(workstream, directives.PATIENCE_S):
        for resource in turn.ledger.directives:
            if resource.partition("/")[0] == workstream:
                directives.fail(turn, resource, why)


def came_up(turn: Turn, name: str, incarnation: int) -> None:
    put(turn, name, breaker_of(turn, name).up(incarnation))


def answered(turn: Turn, workstream: str) -> None:
    put(turn, workstream, breaker_of(turn, workstream).answered())


def breaker_of(turn: Turn, workstream: str) -> Breaker:
    return turn.state.breakers.get(workstream, Breaker())


def put(turn: Turn, workstream: str, breaker: Breaker) -> None:
    if breaker != breaker_of(turn, workstream):
        turn.state = replace(turn.state, breakers={**turn.state.breakers, workstream: breaker})
