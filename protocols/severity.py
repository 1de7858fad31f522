"""How grave an entry of the trail is: told from its kind and its body by one table, never stored with it.

Only facts say what happened; a letter, a receipt and a job carry the word of it to somebody, and are ``info``.  The
levels are syslog's (RFC 5424, section 6.2.1) without those that nobody here tells apart:

* ``info``: work as it should be, and facts that the table does not name.
* ``notice``: worth a look when reading back: an order, a claim, a rule that fired, a program up or down in order.
* ``warning``: something was refused, lost its way, or went down and comes back by itself.
* ``error``: something did not work, or is missing, and somebody should find out why.
* ``critical``: a part is down until a person comes, or the record itself is at stake.

What an entry is may be judged otherwise by a later version of this table; the entry stays what it is.

Pure.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from pydantic import JsonValue

FACT = "fact"


class Severity(StrEnum):
    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def level(self) -> int:
        """0 to 4; higher is graver."""
        return LEVELS[self]


LEVELS: Mapping[Severity, int] = MappingProxyType({one: level for level, one in enumerate(Severity)})


class Depends(NamedTuple):
    """On what the body has under ``key``: a text, a number, or yes (1) and no (0); nothing there counts as ``""``."""

    key: str
    values: Mapping[str | int, Severity]
    otherwise: Severity

    @property
    def gravest(self) -> Severity:
        return max((self.otherwise, *self.values.values()), key=LEVELS.__getitem__)


INFO, NOTICE, WARNING, ERROR, CRITICAL = Severity

ORDERLY: Mapping[str | int, Severity] = {"normal": NOTICE, "shutdown": NOTICE}
OK: Mapping[str | int, Severity] = {1: INFO, "": INFO}
STATUS: Mapping[str | int, Severity] = {"hung": ERROR, "error": ERROR, "parked": CRITICAL}

SEVERITIES: Mapping[str, Severity | Depends] = MappingProxyType(
    {
        # actors
        "Failed": ERROR,
        "DeadLetter": WARNING,
        "ChildEnded": Depends("cause", ORDERLY, WARNING),
        "ChildRestarted": WARNING,
        "ChildHung": ERROR,
        "ChildParked": CRITICAL,
        "GaveUp": CRITICAL,
        "FaultReported": Depends("fault", {"shutdown": CRITICAL, "shutdown_error": WARNING}, ERROR),
        "PlatformStopped": CRITICAL,
        "AutoShutdownBegun": WARNING,
        "DiedInHand": WARNING,
        "LetterSetAside": ERROR,
        # programs
        "ProgramStarted": NOTICE,
        "ProgramEnded": Depends("cause", ORDERLY, WARNING),
        "ProgramParked": CRITICAL,
        "ShimReplaced": WARNING,
        "HealthChanged": Depends("now", STATUS, NOTICE),
        "WantedChanged": NOTICE,
        "CommandClosed": Depends("ok", OK, ERROR),
        "CommandSetAside": ERROR,
        "EventsLost": ERROR,
        "LineRefused": WARNING,
        # flows
        "FlowPaused": NOTICE,
        "FlowResumed": NOTICE,
        "EventsHeld": NOTICE,
        "EventsDropped": WARNING,
        # coordination
        "ClaimPlaced": NOTICE,
        "ClaimCleared": NOTICE,
        "ClaimEnded": NOTICE,
        "ClaimUnanswered": ERROR,
        "ConflictOpened": WARNING,
        "ConflictClosed": NOTICE,
        "DirectiveIssued": NOTICE,
        "DirectiveAnswered": Depends("outcome", {"failed": ERROR, "stale": WARNING}, INFO),
        "RuleFired": NOTICE,
        "RuleCurbed": WARNING,
        "RuleUndecided": WARNING,
        "RuleActionDone": Depends("ok", OK, ERROR),
        "RuleActionRefused": WARNING,
        "RoundAbandoned": WARNING,
        "RuleStopped": WARNING,
        "RulesChanged": NOTICE,
        "AutoSwitched": NOTICE,
        "LevelSet": NOTICE,
        "ApprovalAsked": NOTICE,
        "ApprovalGiven": NOTICE,
        "ApprovalEnded": NOTICE,
        "ConflictDecided": NOTICE,
        "Escalated": WARNING,
        "FlapLatched": WARNING,
        "LoweringAsked": WARNING,
        "LoweringEnded": NOTICE,
        "TermBegun": NOTICE,
        "WindowKeysDropped": WARNING,
        # synchronization
        "Diverged": ERROR,
        "DriftFound": WARNING,
        "Reconciled": NOTICE,
        "SyncSwitched": NOTICE,
        # people, and the end
        "OrderGiven": Depends("allowed", {1: NOTICE, "": NOTICE}, WARNING),
        "PeopleTurnedAway": WARNING,
        "EndBegun": NOTICE,
        "Overran": WARNING,
        "HubEnded": Depends("fault", {"": NOTICE}, CRITICAL),
        # the trail
        "StoreOpened": Depends("warning", {"": INFO}, WARNING),
        "StoreWaited": ERROR,
        "SpoolGap": ERROR,
        "SpoolDamaged": CRITICAL,
        "LetterUnrecorded": CRITICAL,
        "WallClockStepped": WARNING,
        "Sealed": NOTICE,
        "Expired": NOTICE,
        "HoldPlaced": NOTICE,
        "HoldLifted": NOTICE,
        "SealedOpened": NOTICE,
        "SubjectErased": WARNING,
        "KeysRotated": NOTICE,
        "KeysSaved": NOTICE,
        "KeysBroughtBack": WARNING,
        "WitnessAgreed": NOTICE,
        "WitnessRefused": ERROR,
        "Restored": Depends("lost_entries", {0: NOTICE, "": NOTICE}, CRITICAL),
    }
)
"""By message; what is not named here is ``info``."""


def severity_of(kind: str, message: str, body: Mapping[str, JsonValue]) -> Severity:
    found = SEVERITIES.get(message, INFO) if kind == FACT else INFO
    if isinstance(found, Severity):
        return found
    value = body.get(found.key)
    if isinstance(value, str | int):
        return found.values.get(value, found.otherwise)
    return found.values.get("", found.otherwise) if value is None else found.otherwise
