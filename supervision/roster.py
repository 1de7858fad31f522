"""Things with names, in order: an immutable map whose changes cost nearly the same however many there are.

A supervisor changes one child at a time, and the state before has to stay as it was.  A copy of all of them for each
change would cost a family of thousands more than everything else.  So they sit on *pages*, and a change copies one page
and the list of pages; who sits where is kept in *drawers*, of which taking in or letting go copies one.  A place that
was left stays empty, until so many are that the rest moves together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Generic, Protocol, TypeVar

from alluse_hub.protocols.states import replace

PAGE = 64
DRAWERS = 64


class Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)

Page = tuple[T | None, ...]
Drawer = dict[str, int]  # name -> seat; never changed once it is in a roster


@dataclass(frozen=True, slots=True)
class Roster(Generic[T]):
    pages: tuple[Page[T], ...] = ()
    drawers: tuple[Drawer, ...] = ({},) * DRAWERS
    seats: int = 0  # taken or left
    count: int = 0

    @staticmethod
    def of(things: Iterable[T]) -> "Roster[T]":
        """All at once.  Names differ."""
        whole = tuple(things)
        pages = tuple(whole[at : at + PAGE] for at in range(0, len(whole), PAGE))
        drawers: tuple[Drawer, ...] = tuple({} for _ in range(DRAWERS))
        for seat, thing in enumerate(whole):
            drawers[hash(thing.name) % DRAWERS][thing.name] = seat
        assert sum(map(len, drawers)) == len(whole), "two of one name"
        return Roster(pages, drawers, len(whole), len(whole))

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[T]:
        return (thing for page in self.pages for thing in page if thing is not None)

    def __reversed__(self) -> Iterator[T]:
        return (thing for page in reversed(self.pages) for thing in reversed(page) if thing is not None)

    def get(self, name: str) -> T | None:
        seat = self.drawers[hash(name) % DRAWERS].get(name)
        return None if seat is None else self.pages[seat // PAGE][seat % PAGE]

    def put(self, thing: T) -> "Roster[T]":
        """In the place of the one of that name."""
        return replace(self, pages=self._seated(self._seat_of(thing.name), thing))

    def add(self, thing: T) -> "Roster[T]":
        """Last in order.  Raises AssertionError if there is one of that name."""
        seat, drawer = self.seats, self.drawers[hash(thing.name) % DRAWERS]
        assert thing.name not in drawer, f"two of the name {thing.name}"
        if seat % PAGE == 0:
            pages: tuple[Page[T], ...] = (*self.pages, (thing,))
        else:
            pages = (*self.pages[:-1], (*self.pages[-1], thing))
        return Roster(pages, self._filed(thing.name, {**drawer, thing.name: seat}), seat + 1, self.count + 1)

    def remove(self, name: str) -> "Roster[T]":
        seat = self._seat_of(name)
        left = {other: at for other, at in self.drawers[hash(name) % DRAWERS].items() if other != name}
        rest = Roster(self._seated(seat, None), self._filed(name, left), self.seats, self.count - 1)
        return Roster.of(rest) if self.seats > 2 * self.count + PAGE else rest

    def changed_since(self, before: "Roster[T]") -> Iterator[tuple[T | None, T | None]]:
        """What was in a place and what is there now, wherever that differs."""
        for was, now in zip_longest(before.pages, self.pages, fillvalue=()):
            if was is not now:
                yield from (pair for pair in zip_longest(was, now) if pair[0] is not pair[1])

    def _seat_of(self, name: str) -> int:
        seat = self.drawers[hash(name) % DRAWERS].get(name)
        assert seat is not None, f"{name} is not among them"
        return seat

    def _seated(self, seat: int, thing: T | None) -> tuple[Page[T], ...]:
        number, place = divmod(seat, PAGE)
        page = self.pages[number]
        changed = (*page[:place], thing, *page[place + 1 :])
        return (*self.pages[:number], changed, *self.pages[number + 1 :])

    def _filed(self, name: str, drawer: Drawer) -> tuple[Drawer, ...]:
        number = hash(name) % DRAWERS
        return (*self.drawers[:number], drawer, *self.drawers[number + 1 :])
