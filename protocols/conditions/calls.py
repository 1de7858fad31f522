"""The functions of the language, and the shape of a function of a stream.

    count(ws4.order_rejected, "60s", where(quantity > 100), by(symbol))

The first argument names the events of a workstream, or a field in them; the second says how far back.  The names within
``where`` are fields of those events.  ``by(symbol)`` takes only those whose ``symbol`` is that of the event in hand;
``by(symbol, name)`` those whose ``symbol`` is the ``name`` of the event in hand.
"""

from collections.abc import Iterable, Mapping

from alluse_hub.protocols.conditions.lex import Token, span_of
from alluse_hub.protocols.conditions.tree import (
    By,
    Clock,
    ConditionError,
    Field,
    Literal,
    Node,
    Span,
    Stream,
    Window,
)

Counts = tuple[int, int]  # the least and the greatest number of arguments

CALLS: dict[str, Counts] = {
    "abs": (1, 1),
    "min": (2, 16),
    "max": (2, 16),
    "size": (1, 1),
    "has": (1, 1),
    "number": (1, 1),
}
METHODS: dict[str, Counts] = {
    "size": (0, 0),
    "startsWith": (1, 1),
    "endsWith": (1, 1),
    "contains": (1, 1),
    "matches": (1, 1),
}
"""Written ``x.f(...)``; without ``x``."""

LOOPS = ("all", "exists", "exists_one", "filter", "map")
TRUTH_LOOPS = ("all", "exists", "exists_one")

WINDOWS: dict[str, Counts] = {
    "count": (2, 2),
    "rate": (2, 2),
    "sum": (2, 2),
    "avg": (2, 2),
    "min": (2, 2),
    "max": (2, 2),
    "p95": (2, 2),
    "distinct": (2, 2),
    "changed": (2, 2),
    "age": (1, 2),
    "before": (3, 3),
}
MODIFIERS: dict[str, Counts] = {"where": (1, 1), "by": (1, 2), "partial": (0, 0)}

OF_EVENTS = frozenset({"count", "rate", "age", "before"})
"""Functions of whole events; the others are of one field in them."""

TRUTH_WINDOWS = frozenset({"changed", "before"})


def counted(name: Token, count: int, counts: Counts) -> None:
    least, most = counts
    if not least <= count <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        plural = "" if least == most == 1 else "s"
        raise ConditionError(name.column, f"{name.text}() takes {wanted} value{plural}, not {count}")


def known(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def window_of(
    name: Token, arguments: tuple[Node, ...], modifiers: Mapping[str, tuple[Token, tuple[Node, ...]]]
) -> Node:
    """Raises ConditionError."""
    function = name.text
    counted(name, len(arguments), WINDOWS[function])
    of = 2 if function == "before" else 1
    streams = tuple(_stream(function, argument) for argument in arguments[:of])
    span = None
    clock = Clock.HUB
    if function == "age":
        clock = _unit(arguments[1]) if len(arguments) > 1 else Clock.HUB
    else:
        span = _span(function, arguments[of])
        clock = span.clock
    if function == "age" and "partial" in modifiers:
        raise ConditionError(modifiers["partial"][0].column, "age() has no length that it could be partial of")
    return Window(
        name.column,
        function,
        streams,
        clock,
        span,
        where=modifiers["where"][1][0] if "where" in modifiers else None,
        by=_by(modifiers["by"][1]) if "by" in modifiers else None,
        is_partial="partial" in modifiers,
    )


def _stream(function: str, node: Node) -> Stream:
    shape = "ws4.order_filled" if function in OF_EVENTS else "ws4.order_filled.quantity"
    if not isinstance(node, Field):
        raise ConditionError(node.column, f"{function}() begins with the name of a stream, such as {shape}")
    what = "events" if function in OF_EVENTS else "a field of events"
    if len(node.path) != 2 if function in OF_EVENTS else len(node.path) < 3:
        raise ConditionError(node.column, f"{function}() is of {what}; write it as {shape}")
    return Stream(node.path[0], node.path[1], node.path[2:])


def _span(function: str, node: Node) -> Span:
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        raise ConditionError(node.column, f'{function}() needs a length of time here, in quotes, such as "60s"')
    try:
        return span_of(node.value)
    except ValueError as error:
        raise ConditionError(node.column, str(error)) from None


def _unit(node: Node) -> Clock:
    if isinstance(node, Literal) and node.value in set(Clock):
        return Clock(str(node.value))
    raise ConditionError(node.column, 'age() counts in "s" or in "sessions"')


def _by(items: tuple[Node, ...]) -> By:
    fields = []
    for item in items:
        if not isinstance(item, Field):
            raise ConditionError(item.column, "by() takes names of fields, such as by(symbol)")
        fields.append(item)
    return By(fields[0].path, fields[-1])
