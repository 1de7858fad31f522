"""Orders about the rules, from what a person says to the message for the coordinator.

A change of the rules takes effect for everybody at once, so one is under way at a time.  All go out after ``Commit``.
"""

from pydantic import JsonValue, ValidationError

from alluse_hub.actors.gateway.orders import Order, Refusal, timeout_of
from alluse_hub.protocols.admin import Answer, Code
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import COORDINATOR
from alluse_hub.protocols.ruleset import AskRules, ChangeRules, CoordinationDone, RunRule, SwitchAuto, SwitchRule

ABOUT = "rules:the rules"

ASKS: dict[str, type[Message]] = {
    "rules-change": ChangeRules,
    "rules-switch": SwitchRule,
    "rules-auto": SwitchAuto,
    "rules-run": RunRule,
    "rules-set": AskRules,
}
"""What can be asked, and what it becomes: its ``args`` are the fields of that, but for ``about`` and ``by``."""


PERSON_MAX = 80
"""Characters of a person's name."""


def order(ask: str, args: Json, user: str, request: str) -> Order | Refusal:
    """``who`` in ``args`` names the person where several share a user; the hub takes their word for it, and the trail
    has the user beside it."""
    person, timeout_s = args.get("who") or user, timeout_of(args)
    if not isinstance(person, str) or len(person) > PERSON_MAX or not person.isprintable():
        return Refusal(Code.USAGE, f"who is a name of at most {PERSON_MAX} characters")
    if timeout_s is None:
        return Refusal(Code.USAGE, "timeout_s is a number of seconds above 0, at most 600")
    if ask == "rules-set":
        about = f"told:{request}"
        return Order(COORDINATOR, AskRules(about=about), about, loosens=False, timeout_s=timeout_s, is_foresight=True)
    said: dict[str, JsonValue] = {key: value for key, value in args.items() if key not in {"timeout_s", "who"}}
    try:
        message = ASKS[ask].model_validate({**said, "about": ABOUT, "by": person})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        return Refusal(Code.USAGE, f"{place}: {first['msg']}", "`rules check FILE` tells all that is wrong with a file")
    return Order(COORDINATOR, message, ABOUT, loosens=True, timeout_s=timeout_s)


def told(answer: CoordinationDone, request: str) -> Answer:
    if answer.ok:
        return Answer(request=request, ok=True, result={"text": answer.text, **answer.result})
    others = "".join(f"\n{problem}" for problem in answer.problems[1:])
    return Answer(request=request, ok=False, code=Code.CONFLICT, message=f"{answer.text}{others}")
