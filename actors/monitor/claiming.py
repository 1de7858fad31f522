"""What the program says of claims, said to the coordinator: one word after the other, each until it is answered.

Only of a workstream outside the lockstep; in lockstep the events that say them are shown to the coordinator with their
round.  A word is durable from when it is heard, and has a number: said again it is one word, over any death on either
side.  A claim that nobody answers within ``PATIENCE_S`` counts as refused: the program is told so, the trail has the
finding, and from then on it is withdrawn, however long that takes, for the coordinator may have it all the same.

A program that has begun anew and remembers nothing has no claims: nobody would know what they were for.
"""

from alluse_hub.protocols.claims import ClaimVerdict, PlaceClaim, WithdrawClaim
from alluse_hub.protocols.effects import CancelWake
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.names import COORDINATOR
from alluse_hub.protocols.program_claims import (
    ALL,
    TOLD,
    WITHDRAWAL_SAID,
    WORDS_MAX,
    ClaimAsked,
    ClaimNews,
    ClaimSettled,
    ClaimUnanswered,
    Outcome,
    claim_id,
    claim_of,
    lease_of,
    own_id,
    refused_words,
    words_of,
)

from . import commands
from .state import Turn

TIMER = "claims"

FIRST_PAUSE_S = 0.25
"""Before a word is said again; each next pause is twice as long.  An answer takes some milliseconds, and on a machine
with much else to do some tenths of a second: a word said again sooner would only add to that."""

TRIES_MAX = 6

PATIENCE_S = FIRST_PAUSE_S * (2**TRIES_MAX - 1)
"""All these pauses together: longer than any repair of a death, so that a coordinator that is being restarted refuses
nothing."""

SLOWEST_PAUSE_S = 300.0
"""A withdrawal is never given up; its pauses grow up to this."""

WAITING_MAX = 2 * WORDS_MAX
"""Words of both sorts that may wait: claims up to ``WORDS_MAX``, withdrawals beyond."""

RATE_PER_S = 20.0
"""Words said to the coordinator, after a first ``WORDS_MAX`` at once: each is a commit of its, and it has others to
answer."""

ROOM_LOOK_S = 0.01
"""The least pause before there is room to be looked for again: a float may be short of it by its last digit."""

DEADLINE_S = 30.0
"""For the program to hear what its monitor tells it."""


def said(turn: Turn, event: Event) -> None:
    """By the program; it stands in the trail as an event."""
    if turn.state.spec.lockstep:
        return
    ws, own = turn.state.ws, str(event.payload.get("id", ""))
    if event.event == WITHDRAWAL_SAID:
        reason = str(event.payload.get("reason") or "its program withdraws it")
        if len(turn.kept.words) < WAITING_MAX:
            _ask(turn, WithdrawClaim(id=claim_id(ws, own), by=ws, reason=reason, serial=turn.kept.serial + 1))
        else:
            _refuse(turn, own, _full(WAITING_MAX), f"claims/refused/{event.n}")
        return
    words, rights = words_of(event.payload), turn.state.spec.claims
    wrong = words if isinstance(words, str) else refused_words(words, rights, in_rounds=False)
    if not wrong and len(turn.kept.words) >= WORDS_MAX:
        wrong = _full(WORDS_MAX)
    if wrong or isinstance(words, str):
        _refuse(turn, own, wrong, f"claims/refused/{event.n}")
        return
    claim = claim_of(words, ws, own, rights=rights, event=event.id, lease=lease_of(words, turn.at))
    _ask(turn, PlaceClaim(claim=claim, serial=turn.kept.serial + 1))


def _full(most: int) -> str:
    return f"{most} of its words about claims wait for an answer; say it again when some are answered"


def forgotten(turn: Turn) -> None:
    """Its program has begun anew and remembers nothing."""
    if turn.kept.has_claimed:
        ws = turn.state.ws
        reason = "its program has begun anew and remembers nothing"
        _ask(turn, WithdrawClaim(id=claim_id(ws, ALL), by=ws, reason=reason, serial=turn.kept.serial + 1))


def _ask(turn: Turn, word: PlaceClaim | WithdrawClaim) -> None:
    turn.record(ClaimAsked(word=word, at=turn.at))
    if len(turn.kept.words) == 1:
        _say(turn)


# --- to the coordinator ----------------------------------------------------------------------------------------------


def say_again(turn: Turn) -> None:
    """After a start, here or there."""
    turn.set(claim_tries=0)
    _say(turn)


def _say(turn: Turn) -> None:
    """The first word, if there is one and so many a second were not said already; and be woken for the next time."""
    first = next(iter(turn.kept.words.values()), None)
    if first is None:
        if turn.state.claim_tries:
            turn.effects.append(CancelWake(TIMER))
        turn.set(claim_tries=0)
        return
    room = min(float(WORDS_MAX), turn.state.claim_room + (turn.at - turn.state.claim_room_at) * RATE_PER_S)
    turn.set(claim_room=room, claim_room_at=turn.at)
    if room < 1.0:
        turn.wake(TIMER, max(ROOM_LOOK_S, (1.0 - room) / RATE_PER_S))
        return
    tries = turn.state.claim_tries
    turn.set(claim_room=room - 1.0, claim_tries=tries + 1)
    turn.send(COORDINATOR, first.word)
    pause_s = min(FIRST_PAUSE_S * 2 ** min(tries, 16), SLOWEST_PAUSE_S)
    ends = [each.at + PATIENCE_S for each in turn.kept.words.values() if isinstance(each.word, PlaceClaim)]
    turn.wake(TIMER, max(0.0, min([turn.at + pause_s, *ends]) - turn.at))


def woken(turn: Turn) -> None:
    """Nobody has answered yet, or there is room for the next word."""
    first = next(iter(turn.kept.words.values()), None)
    for asked in list(turn.kept.words.values()):
        if isinstance(asked.word, PlaceClaim) and turn.at - asked.at >= PATIENCE_S:
            _give_up(turn, asked, asked.word, is_said=asked is first)
    _say(turn)


def _give_up(turn: Turn, asked: ClaimAsked, word: PlaceClaim, *, is_said: bool) -> None:
    ws, id_, serial = turn.state.ws, word.claim.id, word.serial
    tries = turn.state.claim_tries if is_said else 0
    waited_s = round(turn.at - asked.at, 3)
    turn.record(ClaimUnanswered(workstream=ws, id=id_, serial=serial, tries=tries, waited_s=waited_s))
    if is_said:
        reason = f"nobody has answered within {PATIENCE_S:g} s, so its program was told that it is refused"
        turn.record(ClaimAsked(word=WithdrawClaim(id=id_, by=ws, reason=reason, serial=serial), at=turn.at))
        turn.set(claim_tries=0)
    else:
        turn.record(ClaimSettled(serial=serial, outcome="unanswered"))
    why = f"nobody has answered within {PATIENCE_S:g} s; it is withdrawn, and may be claimed again"
    _refuse(turn, own_id(id_)[1], why, f"claims/unanswered/{serial}")


def answered(turn: Turn, verdict: ClaimVerdict) -> None:
    """The program is told by the coordinator."""
    first = next(iter(turn.kept.words.values()), None)
    if first is None or first.mark != (verdict.serial, verdict.withdraws):
        return
    turn.record(ClaimSettled(serial=verdict.serial, outcome=verdict.outcome))
    turn.set(claim_tries=0)
    if turn.kept.words:
        _say(turn)
    else:
        turn.effects.append(CancelWake(TIMER))


# --- to the program --------------------------------------------------------------------------------------------------


def _refuse(turn: Turn, own: str, why: str, key: str) -> None:
    """What the coordinator never hears of; told unless the program leaves too many commands unanswered."""
    news = ClaimNews(id=own, outcome=Outcome.REFUSED, why=why)
    parameters: Json = {"claims": [news.model_dump(mode="json", exclude_defaults=True)], "epoch": turn.kept.epoch}
    commands.own(turn, key, TOLD, parameters, DEADLINE_S)
