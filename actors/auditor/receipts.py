"""Double entry: what somebody heard must be on the record of whoever said it.

Whoever hears a letter writes a receipt with the letter's id; whoever sent it wrote it down before.  So the highest
number of each incarnation that anybody heard must not be above the highest that is stored of it.  A receipt may come
into the store first, since spools are read in turn; then the account is open until the sender's spool has been looked
at once more.  If that does not close it, something that was said is on nobody's record.

Open accounts are stored with the receipts that opened them, in one transaction; and that one is told, with the fact
that tells it.  So nobody's death closes an account.

No clock, file or database here; the store keeps what is open.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import SpoolEntry, SpoolName

OPEN_MAX = 10_000
"""Accounts, each of one incarnation; beyond that the trail is broken in a way that counting does not help."""


class Account(NamedTuple):
    """``n``: the highest entry of the sender that somebody heard; ``receipt``: where; ``told``: the fact is stored."""

    n: int
    receipt: str
    told: bool = False


class Receipts:
    """``open``: by incarnation of the sender.  ``changed``: since they were stored."""

    def __init__(self, accounts: Mapping[SpoolName, Account], said: Iterable[SpoolName] = ()) -> None:
        self.open = dict(accounts)
        self.said = set(said)  # by this incarnation of the auditor
        self.changed = False
        self._looked_for: dict[SpoolName, int] = {}  # once more in all spools, and up to which entry

    def take(self, batch: Iterable[tuple[SpoolName, SpoolEntry]], stored: Callable[[SpoolName], int]) -> None:
        """What is heard in the entries of one transaction.  ``stored``: how far an incarnation is, with it."""
        highest: dict[str, tuple[int, str]] = {}
        for name, entry in batch:
            if entry.kind != EntryKind.HEARD or not entry.letter:
                continue
            sender, _, number = entry.letter.rpartition("/")
            n = int(number) if number.isdecimal() else 0
            if sender not in highest or n > highest[sender][0]:
                highest[sender] = (n, f"{name.actor}/{name.incarnation}/{entry.n}")
        for sender, (n, receipt) in highest.items():
            actor, _, life = sender.rpartition("/")
            if actor and life.isdecimal() and n > stored(name := SpoolName(actor, int(life))):
                self._open(name, n, receipt)

    def _open(self, name: SpoolName, n: int, receipt: str) -> None:
        known = self.open.get(name)
        if known is None and len(self.open) < OPEN_MAX:
            self.open[name] = Account(n, receipt)
            self.changed = True
        elif known is not None and n > known.n:
            self.open[name] = known._replace(n=n)
            self.changed = True

    def settle(self, name: SpoolName, n: int) -> None:
        """So many entries of that incarnation are stored.  What is heard after that is another account."""
        if n >= self._looked_for.get(name, n + 1):
            del self._looked_for[name]
        known = self.open.get(name)
        if known is not None and n >= known.n:
            del self.open[name]
            self.changed = True

    def missed(self) -> list[tuple[SpoolName, Account]] | None:
        """Those to be told now, after all spools have been read; None: read them all once more, then ask again."""
        due = [(name, account) for name, account in self.open.items() if not account.told and name not in self.said]
        looked = [(name, account) for name, account in due if name in self._looked_for]
        if due and not looked:
            self._looked_for.update((name, account.n) for name, account in due)
            return None
        self.said.update(name for name, _ in looked)
        return looked

    def told(self, name: SpoolName) -> None:
        """The fact that tells it comes into the store."""
        if name in self.open:
            self.open[name] = self.open[name]._replace(told=True)
            self.changed = True
