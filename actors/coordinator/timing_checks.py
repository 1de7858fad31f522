"""What is wrong with the times of a rule; a sentence each, as ``checks``."""

from collections.abc import Iterable, Iterator

from alluse_hub.actors.coordinator.templates import check_template
from alluse_hub.actors.coordinator.watching import WINDOWS_MAX, feeds_of
from alluse_hub.protocols.conditions import ConditionError, parse
from alluse_hub.protocols.conditions.lex import span_of
from alluse_hub.protocols.conditions.tree import Clock
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.rules import Rule

TIMES = ("true_for", "keep", "every", "cooldown")


def timing_problems(rule: Rule) -> Iterator[str]:
    for name in TIMES:
        text = getattr(rule, name)
        try:
            span = span_of(text) if text else None
        except ValueError as error:
            yield f"{name} = {error}"
            continue
        if name == "every" and span is not None and span.clock is Clock.MARKET:
            yield "every counts sessions; give seconds, or listen to ws3.session_opened"
    try:
        check_template(rule.once_per)
    except CallerError as error:
        yield f"once_per: {error}"
    if rule.keep:
        yield from _kept(rule)


def _kept(rule: Rule) -> Iterator[str]:
    """The end of ``keep`` has to find the holds that it ends."""
    if not rule.hold:
        yield "keeps holds, but has none; take 'keep' away"
    for hold in rule.hold:
        if not hold.until_cleared:
            yield f"keeps its hold of {hold.resource}, which ends by itself; set until_cleared = true"
        if hold.subject != rule.once_per:
            yield (
                f"keeps its hold of {hold.resource} for each {hold.subject or 'rule'!r}, but has its times for each "
                f"{rule.once_per or 'rule'!r}; make subject and once_per the same"
            )


def window_problems(rules: Iterable[Rule]) -> Iterator[str]:
    """Of the set as a whole."""
    ids: set[str] = set()
    for rule in rules:
        try:
            windows = parse(rule.when).windows
        except ConditionError:
            continue
        new = {feed.id for window in windows for feed in feeds_of(window)} - ids
        ids |= new
        if new and len(ids) > WINDOWS_MAX:
            yield f"{rule.id}: asks for window {len(ids)} of the set; at most {WINDOWS_MAX} can be kept"
            return
