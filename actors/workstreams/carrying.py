"""The commands by which the hub carries data sets: ask, offer, hand over, compare.

Each takes several at once, because a command costs more than what it carries: ``{datasets: {name: offer}}`` or
``{datasets: [name]}``, answered by name.
"""

from collections.abc import Callable

from .datasets import ANSWER_BYTES_MAX, ANSWERED_MAX, vector_in
from .lines import JsonObject
from .readers import Reading, RefusedError
from .workstream import Workstream


class Carrier:
    """Acts for one workstream."""

    def __init__(self, workstream: Workstream) -> None:
        self.workstream = workstream
        self.questions: dict[str, Callable[[Reading], JsonObject]] = {
            "offer_datasets": self._offered,
            "get_datasets": self._shown,
            "digest_datasets": self._told,
        }
        self.orders: dict[str, Callable[[Reading], JsonObject]] = {"apply_datasets": self._stored}

    def own(self) -> JsonObject:
        """Versions of what the workstream publishes itself; after this, nothing is unsaid."""
        shelf = self.workstream.shelf
        shelf.unsaid()
        return {name: shelf.version(name) for name in self.workstream.datasets if name in shelf.copies}

    def _offered(self, parameters: Reading) -> JsonObject:
        shelf = self.workstream.shelf
        return {
            name: shelf.offered(name, vector_in(offer), offer.text("digest")) for name, offer in offers_in(parameters)
        }

    def _stored(self, parameters: Reading) -> JsonObject:
        told: JsonObject = {}
        for name, offer in offers_in(parameters):
            taker, is_own = self.workstream.taker(name), name in self.workstream.datasets
            told[name] = self.workstream.shelf.store(name, offer, taker, is_own=is_own)
        return told

    def _told(self, parameters: Reading) -> JsonObject:
        return {name: self.workstream.shelf.told(name) for name in names_in(parameters)}

    def _shown(self, parameters: Reading) -> JsonObject:
        """As many as fit one line, the first in any case; who asks asks again for the rest."""
        told: JsonObject = {}
        room = ANSWER_BYTES_MAX
        for name in names_in(parameters):
            shown = self.workstream.shelf.shown(name)
            room -= shown["version"]["bytes"]
            if room >= 0 or not told:
                told[name] = shown
        return told


def offers_in(parameters: Reading) -> list[tuple[str, Reading]]:
    offers = parameters.object("datasets")
    _unless_too_many(len(offers.body))
    return [(name, offers.object(name)) for name in offers.body]


def names_in(parameters: Reading) -> tuple[str, ...]:
    names = parameters.texts("datasets")
    _unless_too_many(len(names))
    return names


def _unless_too_many(count: int) -> None:
    if count > ANSWERED_MAX:
        raise RefusedError(f"{count} data sets in one command; at most {ANSWERED_MAX}")
