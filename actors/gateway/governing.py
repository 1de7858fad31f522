"""What people order and ask of the coordinator: from what a person says to the message for it.

A change of the rules takes effect for everybody at once, so one is under way at a time.  What loosens goes out after
``Commit``, and so does every change of the rules.
"""

from collections import defaultdict
from typing import NamedTuple

from pydantic import JsonValue, ValidationError

from alluse_hub.actors.gateway.orders import Order, Refusal, timeout_of
from alluse_hub.protocols.admin import Answer, Code
from alluse_hub.protocols.approvals import AskApprovals, DecideApproval, SetLevel
from alluse_hub.protocols.arbitration import ClaimResource, DecideConflict, OverrideFloor, ReleaseClaim
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import COORDINATOR, REPLICATOR
from alluse_hub.protocols.ruleset import AskRules, ChangeRules, CoordinationDone, RunRule, SwitchAuto, SwitchRule


class Wanted(NamedTuple):
    """``message``: its fields are the ``args``, but for ``about`` and ``by``.  ``about``: as ``Order.about``, filled
    from ``args`` and ``request``; of two orders about the same the second waits.  ``is_question``: nothing changes."""

    message: type[Message]
    about: str = "rules:the rules"
    loosens: bool = True
    is_question: bool = False


ASKS: dict[str, Wanted] = {
    "rules-change": Wanted(ChangeRules),
    "rules-switch": Wanted(SwitchRule),
    "rules-auto": Wanted(SwitchAuto),
    "rules-run": Wanted(RunRule),
    "rules-set": Wanted(AskRules, "told:{request}", is_question=True),
    "approvals": Wanted(AskApprovals, "told:{request}", is_question=True),
    "approve": Wanted(DecideApproval, "approval:{id}"),
    "level": Wanted(SetLevel, "level:{workstream}"),
    "claim": Wanted(ClaimResource, "claim:{resource}", loosens=False),
    "release": Wanted(ReleaseClaim, "release:{claim}"),
    "override": Wanted(OverrideFloor, "override:{resource}"),
    "decide": Wanted(DecideConflict, "conflict:{conflict}"),
}
"""What people can ask of the coordinator."""

PERSON_MAX = 80
"""Characters of a person's name."""

ABOUT_MAX = 200
"""Characters of what an order is about."""

HELP = "the command with `--help` says what it takes"


def order(ask: str, args: Json, user: str, request: str) -> Order | Refusal:
    """``who`` in ``args`` names the person where several share a user; the hub takes their word for it, and the trail
    has the user beside it."""
    person, timeout_s = args.get("who") or user, timeout_of(args)
    if not isinstance(person, str) or len(person) > PERSON_MAX or not person.isprintable() or not person.strip():
        return Refusal(Code.USAGE, f"who is a name of at most {PERSON_MAX} characters")
    if timeout_s is None:
        return Refusal(Code.USAGE, "timeout_s is a number of seconds above 0, at most 600")
    wanted = ASKS[ask]
    said: dict[str, JsonValue] = {key: value for key, value in args.items() if key not in {"timeout_s", "who"}}
    known = {key: str(value)[:ABOUT_MAX] for key, value in said.items()} | {"request": request}
    about = wanted.about.format_map(defaultdict(str, known))
    by: dict[str, JsonValue] = {} if wanted.is_question else {"by": " ".join(person.split())}
    try:
        message = wanted.message.model_validate({**said, **by, "about": about})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        wrong = first["msg"].replace("Input should be", "must be")
        return Refusal(Code.USAGE, f"{place} {wrong}" if wrong != first["msg"] else f"{place}: {wrong}", HELP)
    is_of_data = isinstance(message, DecideConflict) and message.conflict.startswith(f"{REPLICATOR}-")
    to = REPLICATOR if is_of_data else COORDINATOR
    return Order(to, message, about, wanted.loosens, timeout_s=timeout_s, is_foresight=wanted.is_question)


def told(answer: CoordinationDone, request: str) -> Answer:
    if answer.ok:
        return Answer(request=request, ok=True, result={"text": answer.text, **answer.result})
    others = "".join(f"\n{problem}" for problem in answer.problems[1:])
    return Answer(request=request, ok=False, code=Code.CONFLICT, message=f"{answer.text}{others}")
