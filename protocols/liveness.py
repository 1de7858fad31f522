"""Signs of life: what a supervisor asks of a child that is up, and what it says of one that gives none.

The asking itself is a matter between shells (``supervision/words.py``) and leaves nothing in the trail; what it comes
to does.
"""

from typing import Annotated

from pydantic import Field, PositiveInt

from alluse_hub.protocols.message import Fact, Message

Patience = Annotated[float, Field(gt=0, le=3600)]


class Liveness(Message):
    """How a child that is up is watched; all in seconds.

    Every ``interval_s`` it is asked for a sign of life, which waits its turn in the child's mail.  It is hung if none
    has come within ``limit_s``; if its worker has been at one job for ``job_limit_s``; if a letter has lain in its mail
    for ``mail_limit_s``.  None: as long as it takes.
    """

    interval_s: Patience = 5.0
    limit_s: Patience = 15.0
    job_limit_s: Patience | None = 60.0
    mail_limit_s: Patience | None = 60.0


class Hung(Message):
    """From the shell to its core: a child lives and does nothing.  ``why``: what that judgement rests on."""

    name: str
    life: PositiveInt
    why: str


SUSPECTED = Liveness(interval_s=1.0, limit_s=5.0)
"""How closely a suspected child is watched, where its own specification is not closer."""


class LookAfter(Message):
    """To a supervisor: a child, or what runs in it, left unanswered what it answers at once.  As long as it lives it is
    watched as ``SUSPECTED`` says; one that is not up, or not watched at all, is not looked after."""

    name: str
    why: str


class ChildHung(Fact):
    """A child was judged hung: it is sent SIGTERM, and then killed."""

    name: str
    life: PositiveInt
    incarnation: int
    why: str
