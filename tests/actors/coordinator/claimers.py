"""A desk to which the monitors of programs come, and the events by which programs in lockstep claim."""

from typing import Any

from alluse_hub.protocols.claims import ClaimVerdict, PlaceClaim, Tier, WithdrawClaim
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.program_claims import (
    ClaimRights,
    ClaimsTold,
    claim_id,
    claim_of,
    lease_of,
    words_of,
)
from alluse_hub.protocols.workstream import CommandReply
from tests.actors.coordinator.desks import SPEC, People

RIGHTS = {"ws5": ClaimRights(safety=True), "ws3": ClaimRights(tier=Tier.SYNC)}
FREE = SPEC.model_copy(update={"claims": RIGHTS})
IN_ROUNDS = FREE.model_copy(update={"lockstep": ("ws1", "ws2", "ws3", "ws4", "ws5")})


class Programs(People):
    """A desk to which the monitors of programs come."""

    def __init__(self, spec: Any = FREE, **how: Any) -> None:  # of either kind
        super().__init__(spec, **how)
        self.serials: dict[str, int] = {}

    def claims(self, ws: str, own: str, resource: str = "ws4/feed", *, serial: int = 0, **more: Any) -> ClaimVerdict:
        words = words_of({"claim": {"resource": resource, "reason": "it runs", **more}})
        assert not isinstance(words, str), words
        rights = RIGHTS.get(ws, ClaimRights())
        claim = claim_of(words, ws, own, rights=rights, event=f"{ws}#1", lease=lease_of(words, self.at))
        return self.say(ws, PlaceClaim(claim=claim, serial=self._serial(ws, serial)))

    def withdraws(self, ws: str, own: str, *, serial: int = 0) -> ClaimVerdict:
        word = WithdrawClaim(id=claim_id(ws, own), by=ws, reason="it is done", serial=self._serial(ws, serial))
        return self.say(ws, word)

    def _serial(self, ws: str, given: int) -> int:
        self.serials[ws] = given or self.serials.get(ws, 0) + 1
        return self.serials[ws]

    def say(self, ws: str, word: PlaceClaim | WithdrawClaim) -> ClaimVerdict:
        self.tell(word, ws)
        (verdict,) = [message for message in self.sent(ws) if isinstance(message, ClaimVerdict)]
        return verdict

    def news(self, ws: str = "") -> list[tuple[str, str]]:
        """What programs are being told, by the last letter."""
        told = [fact for fact in self.said(ClaimsTold) if ws in {"", fact.workstream}]
        return [(each.id, each.outcome.value) for fact in told for each in fact.news]

    def hears(self, ws: str, *, ok: bool = True, error: str = "") -> None:
        """The program answers what it is being told."""
        (key,) = [told.key for told in self.ledger.tellings.open.values() if told.workstream == ws]
        self.tell(CommandReply(key=key, workstream=ws, ok=ok, error=error, events_through=3), ws)

    def all_hear(self) -> None:
        while self.ledger.tellings.open:
            self.hears(next(iter(self.ledger.tellings.open.values())).workstream)


def said(ws: str, n: int, own: str, resource: str = "ws4/feed", **more: Any) -> Event:
    payload: dict[str, Any] = {"id": own, "claim": {"resource": resource, "reason": "it runs", **more}}
    return Event(ws=ws, n=n, event="claim_said", payload=payload, cause=f"r1/{ws}")


def withdrawn(ws: str, n: int, own: str) -> Event:
    return Event(ws=ws, n=n, event="withdrawal_said", payload={"id": own, "reason": "done"})
