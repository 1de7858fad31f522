"""The inbox: who is heard next.

Each source of mail (a connection, or the actor itself) has a queue of its own, and the sources take turns, one message
each, so that a flood from one peer does not hold up the others.  Within a source the order is the order of arrival,
always.  A source with a control message in its queue (``letters.CONTROL``) is served before all others until that
message is out.

Pure.
"""

from collections import deque
from typing import Any


class Source:
    """``mail`` holds whatever the owner of the inbox put there."""

    __slots__ = ("is_listed", "mail", "urgent")

    def __init__(self) -> None:
        self.mail: deque[Any] = deque()  # frames, envelopes, acts
        self.urgent: deque[Any] = deque()  # those among them that are in a hurry
        self.is_listed = False


class Inbox:
    """``turns``: the sources that have mail, in the order they are served."""

    def __init__(self) -> None:
        self.turns: deque[Source] = deque()
        self._express: deque[Source] = deque()
        self.added = 0
        self.taken = 0

    def __bool__(self) -> bool:
        return bool(self.turns)

    def add(self, source: Source, item: Any, *, is_urgent: bool = False) -> None:  # as above
        self.added += 1
        source.mail.append(item)
        if is_urgent:
            source.urgent.append(item)
            if len(source.urgent) == 1:
                self._express.append(source)
        if not source.is_listed:
            source.is_listed = True
            self.turns.append(source)

    def take(self) -> tuple[Any, Any] | None:  # as above, with its source
        """The next item and whose it is; None if there is no mail."""
        turns = self.turns
        if not turns:
            return None
        self.taken += 1
        if self._express:
            return self._take_urgent()
        source = turns.popleft()
        item = source.mail.popleft()
        if source.mail:
            turns.append(source)
        else:
            source.is_listed = False
        return source, item

    def _take_urgent(self) -> tuple[Any, Any]:  # as above
        source = self._express[0]
        item = source.mail.popleft()
        if item is source.urgent[0]:
            source.urgent.popleft()
            if not source.urgent:
                self._express.popleft()
        if not source.mail:
            source.is_listed = False
            self.turns.remove(source)
        return source, item
