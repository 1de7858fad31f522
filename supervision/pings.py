"""Pings: which children give no sign of life, and are to be taken for hung.

A parent asks all children that it watches at once, every few seconds, and each answers when its turn comes: a *pong*
says how long its worker has been at the job in hand, and counts the mail that has come in and been taken out.  A child
that has not answered the last ping is not asked again.  Three judgements:

* No answer for ``limit_s``: its process is stopped, or it does not come back from a letter.
* One job for ``job_limit_s``.
* A letter unhandled for ``mail_limit_s``.  Mail is not served in the order of arrival, so its age is not known, but a
  bound of it is: if by now fewer letters were taken out than had come in by the time of an earlier pong, then one of
  those is in there still.

Before silence is held against a child it has to be the child's.  A parent that looks too late, by more than a second or
a quarter of the interval, was stopped, or busy in a turn of its own: whoever owes it an answer gets a new period.  And
an answer may have come and be unread: so it looks again a little later, when it has taken as much mail as there was.

Times are hub seconds.  Pure.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from alluse_hub.protocols.liveness import Hung, Liveness

STALL_S = 1.0
STALL_SHARE = 0.25
"""If it looks so much too late, in seconds or as a part of the interval, the parent itself stood still."""

UNREAD_LOOK_S = 0.1
"""From the first look at which an answer is missing to the next: what has come is read by then."""

ARRIVALS_MAX = 64
"""Counts of mail kept for one child; the age of its oldest letter is known as far back as these go."""


class Mail(NamedTuple):
    """Counts since the beginning of a life; both 0 where the transport does not count."""

    came: int = 0
    taken: int = 0


class Work(NamedTuple):
    """What a worker is at: the kind of the job in hand and for how many seconds, and how many jobs wait for it."""

    job: str = ""
    job_s: float = 0.0
    waiting: int = 0


class Round(NamedTuple):
    """Whom to ask, each with its life, and who is hung."""

    asked: tuple[tuple[str, int], ...]
    hung: tuple[Hung, ...]


@dataclass(slots=True)
class Watched:
    """``asked_at``: of the ping that has not been answered; None if there is none.  ``mark``: how much mail the parent
    had when it first missed the answer."""

    life: int
    liveness: Liveness
    asked_at: float | None = None
    mark: int | None = None
    arrivals: deque[tuple[float, int]] = field(default_factory=deque)  # time of a pong, mail that had come by then

    @property
    def due_at(self) -> float | None:
        """When its answer is missing."""
        return None if self.asked_at is None else self.asked_at + self.liveness.limit_s


@dataclass(slots=True)
class Pings:
    _watched: dict[str, Watched] = field(default_factory=dict)
    _round_at: float = 0.0  # of the next round
    _due: float | None = None

    @property
    def next_due(self) -> float | None:
        """When to look next; None if nobody is watched."""
        return self._due if self._watched else None

    def watch(self, name: str, life: int, liveness: Liveness, now: float) -> None:
        is_first = not self._watched
        self._watched[name] = Watched(life, liveness)
        at = now + liveness.interval_s
        self._round_at = at if is_first else min(self._round_at, at)
        self._due = self._round_at if is_first or self._due is None else min(self._due, self._round_at)

    def forget(self, name: str) -> None:
        self._watched.pop(name, None)

    def look(self, now: float, own: Mail) -> Round:
        """At ``next_due``.  ``own``: the parent's mail."""
        if not self._watched:
            return Round((), ())
        if self._due is not None and now - self._due > min(STALL_S, STALL_SHARE * self._interval_s):
            self._excuse(now)
        hung = tuple(self._silent(now, own))
        for word in hung:
            del self._watched[word.name]
        asked: tuple[tuple[str, int], ...] = ()
        if now >= self._round_at:
            self._round_at = now + self._interval_s
            asked = tuple((name, each.life) for name, each in self._watched.items() if each.asked_at is None)
            for name, _ in asked:
                self._watched[name].asked_at = now
        self._due = self._next(now)
        return Round(asked, hung)

    def answered(self, name: str, life: int, work: Work, mail: Mail, now: float) -> Hung | None:
        """A pong; the child is alive, and may be hung all the same."""
        each = self._watched.get(name)
        if each is None or each.life != life:
            return None
        each.asked_at = each.mark = None
        why = _overlong(each.liveness, work) or _unhandled(each, mail, now)
        if not why:
            return None
        del self._watched[name]
        return Hung(name=name, life=life, why=why)

    @property
    def _interval_s(self) -> float:
        return min((each.liveness.interval_s for each in self._watched.values()), default=0.0)

    def _excuse(self, now: float) -> None:
        for each in self._watched.values():
            each.mark = None
            if each.asked_at is not None:
                each.asked_at = now

    def _silent(self, now: float, own: Mail) -> list[Hung]:
        found = []
        for name, each in self._watched.items():
            if each.asked_at is None or each.due_at is None or now < each.due_at:
                continue
            if each.mark is None:
                each.mark = own.came
            elif own.taken >= each.mark:
                why = f"no answer to a ping for {now - each.asked_at:.1f} s"
                found.append(Hung(name=name, life=each.life, why=why))
        return found

    def _next(self, now: float) -> float:
        dues = [each.due_at for each in self._watched.values() if each.due_at is not None]
        return min([self._round_at, *(max(due, now + UNREAD_LOOK_S) for due in dues)])


def _overlong(liveness: Liveness, work: Work) -> str:
    if liveness.job_limit_s is None or work.job_s < liveness.job_limit_s:
        return ""
    rest = f", and {work.waiting} wait" if work.waiting else ""
    return f"one job for {work.job_s:.0f} s: {work.job}{rest}"


def _unhandled(each: Watched, mail: Mail, now: float) -> str:
    """Also takes note of the counts."""
    while each.arrivals and each.arrivals[0][1] <= mail.taken:
        each.arrivals.popleft()
    if mail.came > mail.taken and len(each.arrivals) < ARRIVALS_MAX:
        each.arrivals.append((now, mail.came))
    limit_s = each.liveness.mail_limit_s
    if limit_s is None or not each.arrivals or now - each.arrivals[0][0] < limit_s:
        return ""
    age_s = now - each.arrivals[0][0]
    return f"a letter unhandled for {age_s:.0f} s, and {mail.came - mail.taken} in the mail"
