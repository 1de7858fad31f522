"""When the disk is full: which words may go unrecorded, and which still find space.  All others wait.

* ``TELEMETRY`` says how things are, and is said again soon: it goes on unrecorded, and a ``SpoolGap`` tells how much.
* ``RESTRICTING`` makes the hub do less, or ends it: for it each spool keeps space in reserve.
* ``PERISHABLE`` is worth nothing later: an order that could not be recorded must not be carried out an hour after.
"""

from alluse_hub.protocols.message import Fact

TELEMETRY = frozenset(
    {
        *("Pulse", "TreeShown", "RulesShown", "FlowsShown", "ConflictsShown", "ResourceShown"),
        *("Asked", "AskBoard", "BoardShown", "Answer", "ReadTrail"),
        *("AskChildren", "ChildrenListed", "AskCounts", "ChildrenCounted", "AskChildSpec", "ChildSpecTold"),
        *("Look", "Looked", "Woken"),
        *("OrderDone", "ActorOrderDone", "FlowOrderDone", "SyncOrderDone", "CoordinationDone"),
    }
)
"""A turn in which there is nothing else changes nothing that lasts."""

RESTRICTING = frozenset(
    {
        *("Directive", "DirectiveAck", "DirectiveHeard", "PauseFlow"),
        *("ShutDown", "StopActor", "StopMember", "StopProgram"),
        *("EndProgram", "SignalProgram", "EndShim"),
        *("CloseIntake", "IntakeClosed", "Drain", "Drained", "Flush", "Flushed"),
        *("Started", "StopAsked", "Stored", "TailStuck"),
        *("ChildUp", "ChildCondition", "Exited", "Hung", "PeerUp", "PeerDown"),
    }
)
"""Heard, sent or given to a worker; the shell's own words about children and ends are among them."""

PERISHABLE = frozenset({"Asked", "StartProgram", "RestartProgram"})
"""Whoever gave one is told so at once (``Core.unrecorded``); orders that restrict find space."""


class SpoolGap(Fact):
    """This actor could not record everything, since the disk was full from ``since`` on, in hub time.

    ``unrecorded``: entries by kind that were telemetry and went on without a record.  ``refused``: orders that were not
    carried out.  ``waited``: letters that were kept, and handled when there was space again.
    """

    since: float
    until: float
    why: str
    unrecorded: dict[str, int] = {}
    refused: dict[str, int] = {}
    waited: int = 0
