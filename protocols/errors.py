"""Whose fault is it?  Three answers, so that a handler knows what it may do.

The caller's: tell them what would have worked.  A workstream's: expected, handled, counted.  Ours: an ``assert``, and
the actor stops rather than go on wrong; that one has no class here.
"""


class HubError(Exception):
    """What the hub raises on purpose."""


class CallerError(HubError):
    """Asked for something that cannot be; the text says what would be right."""


class WorkstreamError(HubError):
    """A workstream broke its contract or could not be reached."""


class TrailError(HubError):
    """The trail cannot be written or read; the text names the file and the remedy."""
