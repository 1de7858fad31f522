"""The books balance to the cent after any sequence of bookings, and transfers conserve the sum."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.workstreams.ledger import Account, Option, ticks, usd, value_of
from alluse_hub.actors.workstreams.readers import RefusedError

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "call", "expire", "assign", "buy back", "sell", "split", "dividend", "transfer"]),
        st.integers(1, 9),
        st.integers(1, 50_000),
    ),
    max_size=40,
)


def option(number: int, kind: str, contracts: int, cents: int) -> Option:
    shares = contracts * 100
    return Option(f"o{number}", "X", kind, contracts, shares, cents * shares, cents, "2004-08-27", "2004-08-19", 10.0)


def book(accounts: list[Account], number: int, what: str, size: int, cents: int) -> None:
    """One booking on the first account, if it is possible there."""
    account, other = accounts
    first = next(iter(account.options), None)
    match what:
        case "put":
            account.sell_option(option(number, "put", size, cents), 65 * size)
        case "call" if account.uncovered("X") >= size * 100:
            account.sell_option(option(number, "call", size, cents), 65 * size)
        case "expire" if first:
            account.expire(first)
        case "assign" if first:
            account.assign(first)
        case "buy back" if first:
            account.buy_back(first, cents, 65)
        case "sell" if account.uncovered("X") > 0:
            account.sell_shares("X", min(size, account.uncovered("X")), cents, 1)
        case "split":
            account.split("X", 2, 1)
        case "dividend":
            account.dividend("X", size)
        case "transfer" if account.cash >= cents:
            account.transfer(other, cents)


@given(STEPS)
@settings(deadline=None)
def test_the_books_balance_after_every_booking(steps: list[tuple[str, int, int]]) -> None:
    accounts = [Account("A", 10_000_000), Account("B", 0)]

    for number, (what, size, cents) in enumerate(steps):
        book(accounts, number, what, size, cents)

        assert [account.difference() for account in accounts] == [0, 0]
        assert sum(account.capital for account in accounts) == 10_000_000


@given(STEPS)
@settings(deadline=None)
def test_a_restored_account_is_the_account(steps: list[tuple[str, int, int]]) -> None:
    accounts = [Account("A", 10_000_000), Account("B", 0)]
    for number, (what, size, cents) in enumerate(steps):
        book(accounts, number, what, size, cents)

    assert Account.of(accounts[0].snapshot()).snapshot() == accounts[0].snapshot()


def test_a_split_doubles_shares_and_halves_the_strike_at_equal_worth() -> None:
    account = Account("A", 1_000_000)
    account.sell_option(option(1, "put", 2, 5_000), 0)
    account.assign("o1")
    account.sell_option(option(2, "call", 2, 5_500), 0)

    account.split("X", 2, 1)

    assert account.shares("X") == 400
    assert account.options["o2"].strike == 27.5
    assert account.uncovered("X") == 0
    assert account.difference() == 0


def test_a_put_assigned_and_called_away_earns_premiums_and_the_rise() -> None:
    account = Account("A", 1_000_000)
    account.sell_option(option(1, "put", 1, 5_000)._replace(premium=3_000), 65)
    account.assign("o1")
    account.sell_option(option(2, "call", 1, 5_200)._replace(premium=2_000), 65)

    account.assign("o2")

    assert account.cash == 1_000_000 + 3_000 + 2_000 + 20_000 - 130
    assert account.lots == {}


def test_selling_part_of_a_lot_takes_its_part_of_the_cost() -> None:
    account = Account("A", 1_000_000)
    account.sell_option(option(1, "put", 1, 5_001)._replace(premium=3_000), 65)
    account.assign("o1")

    profit = account.sell_shares("X", 33, 200_000, 17)

    assert account.lots["X"] == (67, 500_100 - 165_033)
    assert (profit, account.costs, account.difference()) == (200_000 - 165_033, 82, 0)


def test_what_is_not_there_cannot_be_sold_or_moved() -> None:
    account = Account("A", 1_000)

    with pytest.raises(RefusedError, match="holds 0 X, not 5"):
        account.sell_shares("X", 5, 100, 0)
    with pytest.raises(RefusedError, match=r"can transfer up to 10\.00 USD"):
        account.transfer(Account("B", 0), 1_001)
    assert account.difference() == 0


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123_456, "1234.56")])
def test_cents_are_told_as_decimal_text(cents: int, text: str) -> None:
    assert usd(cents) == text


def test_half_cents_of_the_file_are_kept() -> None:
    assert value_of(100, ticks(100.335)) == 1_003_350
