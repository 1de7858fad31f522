"""The names that are fixed: the roles every hub has.  Workstreams add their own."""

ROOT = "hub"
AUDITOR = "auditor"
COORDINATION = "coordination"
COORDINATOR = "coordinator"
ROUTER = "router"
BOARD = "board"
WORKSTREAMS = "workstreams"
GATEWAY = "gateway"
GUARDIAN = "guardian"

RESERVED = frozenset({ROOT, AUDITOR, COORDINATION, COORDINATOR, ROUTER, BOARD, WORKSTREAMS, GATEWAY, GUARDIAN})
"""No workstream may be called one of these."""

CELL_PREFIX = "cell-"
"""Cells, where monitors share processes, are called by it and a number from 1; no workstream then may be."""
