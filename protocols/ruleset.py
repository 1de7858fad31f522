"""The set of rules as a living thing: orders that change it, and the facts that every version of it is kept by.

The configuration gives the first set.  From then on the coordinator keeps it: people change it while the hub runs, and
what is changed in the configuration's file is taken at the next start, rule by rule.  Every change is one fact with
who, why and the rules as they are since, so every version of every rule stands in the trail.
"""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from alluse_hub.protocols.message import Fact, Json, Message
from alluse_hub.protocols.rules import Rule, RuleId

RULES_MAX = 2_000
"""In one set."""

REASON_MAX = 500
"""Characters of a reason."""

Reason = Annotated[str, Field(max_length=REASON_MAX)]

HOW = ("configuration", "reload", "import", "add", "change", "remove", "enable", "disable")
"""What a set can be changed by."""

How = Annotated[str, Field(pattern=f"^({'|'.join(HOW)})$")]


# --- orders, and their answer ----------------------------------------------------------------------------------------


class ChangeRules(Message):
    """Put these rules in the place of those with the same ids, or behind the others, and remove the named ones; with
    ``is_whole`` the set is these rules and no other.  Taken whole or not at all.  ``revision``: of the set that the
    change was made from; refused if it is another by now; 0 if that does not matter.  ``about`` names the order in its
    answer.
    """

    about: str
    how: How
    by: str
    reason: Reason = ""
    put: Annotated[tuple[Rule, ...], Field(max_length=RULES_MAX)] = ()
    remove: Annotated[tuple[str, ...], Field(max_length=RULES_MAX)] = ()
    is_whole: bool = False
    revision: NonNegativeInt = 0


class SwitchRule(Message):
    """Whether a rule fires.  The claims that it has placed live on to their own end."""

    about: str
    rule: str
    on: bool
    by: str
    reason: Reason = ""


class SwitchAuto(Message):
    """Whether any rule fires.  While off, events are recorded and carried, and no rule is looked at."""

    about: str
    on: bool
    by: str
    reason: Reason = ""


class RunRule(Message):
    """Do by hand what the rule does when it fires; its condition is not asked.  ``payload`` fills what it takes from
    an event; ``event``: the id of the one that it came from, if there is one.
    """

    about: str
    rule: str
    by: str
    reason: Reason = ""
    payload: Json = {}
    event: str = ""


class AskRules(Message):
    """What the set is; answered by ``CoordinationDone`` with all of it."""

    about: str


class CoordinationDone(Message):
    """Answer to what the coordinator was ordered or asked.  ``problems``: all that is wrong with what was refused."""

    about: str
    ok: bool
    text: str
    problems: tuple[str, ...] = ()
    result: Json = {}


class ConsiderThese(Message):
    """From the coordinator to the router: its rules listen to these events, as ``ws3.session_opened``; they are shown
    to it from the next round on, besides those that the router was started with.
    """

    events: tuple[str, ...]


# --- facts -----------------------------------------------------------------------------------------------------------


class RulesChanged(Fact):
    """The set has another version: ``put`` stand in it from now on, ``removed`` no more, and ``order`` says which come
    first.  ``configured``: the set of the configuration, where that is what changed.
    """

    revision: PositiveInt
    how: How
    by: str
    reason: Reason = ""
    put: tuple[Rule, ...] = ()
    removed: tuple[RuleId, ...] = ()
    order: tuple[RuleId, ...] = ()
    configured: tuple[Rule, ...] | None = None


class AutoSwitched(Fact):
    on: bool
    by: str
    reason: Reason = ""


class ConsiderChanged(Fact):
    """The router's memory of what the coordinator's rules listen to."""

    events: tuple[str, ...]
