"""What is owed: counts of handled messages that peers have not been told yet.

A count rides on whatever is sent anyway.  It goes out by itself after so many messages, or after so long.  For the
loop's thread alone.
"""

from math import inf

from alluse_hub.supervision.engine.link import Link

ACK_EVERY = 256
ACK_AFTER_S = 0.02
"""After this many messages or this long."""


class Owed:
    """``due``: when a count must go out by itself, in monotonic seconds; infinite if none is owed."""

    def __init__(self) -> None:
        self.due = inf
        self._links: dict[Link, None] = {}

    def handled_one(self, link: Link, now: float) -> None:
        """One message of this link has been handled."""
        handled = link.handled = link.handled + 1
        self._links[link] = None
        if handled - link.told >= ACK_EVERY:
            self.due = now
        elif self.due == inf:
            self.due = now + ACK_AFTER_S

    def take(self) -> list[Link]:
        """Whoever is to be told now; no longer owed anything."""
        self.due = inf
        links = [link for link in self._links if link.told != link.handled and not link.is_lost]
        self._links.clear()
        return links

    def forget(self, link: Link) -> None:
        self._links.pop(link, None)
