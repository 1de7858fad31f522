"""The names that are fixed: the roles every hub has.  Workstreams add their own."""

ROOT = "hub"
AUDITOR = "auditor"
COORDINATION = "coordination"
COORDINATOR = "coordinator"
ROUTER = "router"
REPLICATOR = "replicator"
BOARD = "board"
WORKSTREAMS = "workstreams"
GATEWAY = "gateway"
GUARDIAN = "guardian"
KEEPER = "keeper"
"""No actor: under this name stands what commands of the hub record that need no daemon, such as an erasure."""

RESERVED = frozenset(
    {ROOT, AUDITOR, COORDINATION, COORDINATOR, ROUTER, REPLICATOR, BOARD, WORKSTREAMS, GATEWAY, GUARDIAN, KEEPER}
)
"""No workstream may be called one of these."""

CELL_PREFIX = "cell-"
"""Cells, where monitors share processes, are called by it and a number from 1; no workstream then may be."""


def same_person(one: str, other: str) -> bool:
    """Whether two names are of one person: neither case nor spaces make a second one."""
    return one.casefold().split() == other.casefold().split()
