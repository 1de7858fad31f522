"""Values and data sets: one says what it is, and the others are told that they lose.

A value is what the first of its claimants says, by the resource's policy; equal wants are shared.  A data set's version
that has seen all the others stands; where none has, they have diverged, and the policy says which stands meanwhile.
Where people are to decide, it is the one that was there first.  Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from alluse_hub.actors.coordinator.fates import LISTED_MAX, Fate, Outcome, listed, named
from alluse_hub.actors.coordinator.leases import Now, as_text, is_live
from alluse_hub.actors.coordinator.order import NOBODY, Favoured, first_difference, key, reaches
from alluse_hub.protocols.claims import Claim, Policy
from alluse_hub.protocols.resources import Dataset, Value, covers


@dataclass(frozen=True, slots=True)
class ValueRuling:
    """``said``: what the value is.  ``asks``: others want another, and nobody has been asked yet."""

    value: Value
    said: str
    holder: Claim | None
    fates: tuple[Fate, ...]
    now: Now
    asks: bool = False

    def fate(self, id_: str) -> Fate | None:
        return next((fate for fate in self.fates if fate.claim.id == id_), None)


@dataclass(frozen=True, slots=True)
class DatasetRuling:
    """``diverged``: pairs of claims of which neither has seen the other's version."""

    dataset: Dataset
    holder: Claim | None
    fates: tuple[Fate, ...]
    diverged: tuple[tuple[str, str], ...]
    now: Now

    def fate(self, id_: str) -> Fate | None:
        return next((fate for fate in self.fates if fate.claim.id == id_), None)


def value_in_force(value: Value, claims: Iterable[Claim], now: Now, favoured: Favoured = NOBODY) -> ValueRuling:
    live = _live(value, claims, now, favoured)
    if not live:
        return ValueRuling(value, value.default, None, (), now)
    first = live[0]
    is_open = value.policy in {Policy.HUMAN, Policy.NEGOTIATE} and first.id not in favoured
    asks = is_open and len({claim.want for claim in live}) > 1
    holder = min(live, key=lambda claim: (claim.placed, claim.id)) if asks else first
    fates = []
    for claim in live:
        if claim is holder:
            why = "it was there first, and nobody has decided yet" if asks else "it goes first among the claims"
            fates.append(Fate(claim, Outcome.HOLDS, why))
        elif claim.want == holder.want:
            fates.append(Fate(claim, Outcome.COVERED, "it wants the same"))
        elif asks:
            fates.append(Fate(claim, Outcome.LOSES, f"{holder.holder} was there first, and nobody has decided yet"))
        else:
            why = first_difference(holder, claim, value.policy, now, favoured)
            fates.append(Fate(claim, Outcome.LOSES, why))
    return ValueRuling(value, holder.want, holder, tuple(fates), now, asks)


def dataset_in_force(dataset: Dataset, claims: Iterable[Claim], now: Now, favoured: Favoured = NOBODY) -> DatasetRuling:
    live = _live(dataset, claims, now, favoured)
    if not live:
        return DatasetRuling(dataset, None, (), (), now)
    covering = [one for one in live if all(covers(one.versions, other.versions) for other in live)]
    holder = (covering or live)[0]
    fates = []
    for claim in live:
        if claim is holder:
            why = "it has seen all the others" if covering else "of those that have diverged it goes first"
            fates.append(Fate(claim, Outcome.HOLDS, why))
        elif covers(holder.versions, claim.versions):
            fates.append(Fate(claim, Outcome.COVERED, f"{holder.holder} has seen its version"))
        elif covers(claim.versions, holder.versions):
            fates.append(Fate(claim, Outcome.LOSES, "it is newer, but has not seen all that has diverged"))
        else:
            why = first_difference(holder, claim, dataset.policy, now, favoured)
            fates.append(Fate(claim, Outcome.LOSES, f"it has diverged, and {why}"))
    pairs = tuple(
        (one.id, other.id)
        for number, one in enumerate(live)
        for other in live[number + 1 :]
        if not covers(one.versions, other.versions) and not covers(other.versions, one.versions)
    )
    return DatasetRuling(dataset, holder, tuple(fates), pairs, now)


def _live(resource: Value | Dataset, claims: Iterable[Claim], now: Now, favoured: Favoured) -> list[Claim]:
    policy = (
        Policy.FIRST_HOLDER if isinstance(resource, Dataset) and resource.policy is Policy.HUMAN else resource.policy
    )
    found = (claim for claim in claims if reaches(claim, resource.resource) and is_live(claim.lease, now))
    return sorted(found, key=lambda claim: key(claim, policy, now, favoured))


def value_explained(ruling: ValueRuling) -> str:
    where = f"{ruling.value.resource} is {ruling.said or 'not said'}"
    if ruling.holder is None:
        return f"{where}: nobody claims it."
    return _told(where, ruling, ruling.holder)


def dataset_explained(ruling: DatasetRuling) -> str:
    if ruling.holder is None:
        return f"{ruling.dataset.resource} is held by nobody."
    versions = " ".join(f"{writer}:{number}" for writer, number in sorted(ruling.holder.versions.items()))
    stands = f"at {versions}" if versions else "as it is"
    return _told(f"{ruling.dataset.resource} stands {stands}", ruling, ruling.holder)


def _told(where: str, ruling: ValueRuling | DatasetRuling, holder: Claim) -> str:
    fate = ruling.fate(holder.id)
    assert fate is not None, "the holder is one of the live claims"
    until = as_text(holder.lease, ruling.now)
    sentences = [f"{where} {until}: {named(holder)} says so, {fate.why}, because {holder.reason}."]
    covered = [fate.claim for fate in ruling.fates if fate.outcome is Outcome.COVERED]
    if covered:
        sentences.append(f"Covered: {listed(covered, ruling.now)}.")
    losers = [fate for fate in ruling.fates if fate.outcome is Outcome.LOSES]
    sentences.extend(f"{named(f.claim)} loses: {f.why}." for f in losers[:LISTED_MAX])
    return " ".join(sentences)
