"""The hub's tree, from its configuration: which role runs where, under whom, with which specification."""

import importlib
from typing import Any

from alluse_hub.actors.board.picture import BoardSpec, WorkstreamKnown
from alluse_hub.actors.coordinator.rules import listened
from alluse_hub.actors.gateway.requests import GatewaySpec
from alluse_hub.protocols.approvals import Level
from alluse_hub.protocols.config_models import HubConfig, Limit, WorkstreamConfig
from alluse_hub.protocols.effects import Core
from alluse_hub.protocols.ending import EndPlan
from alluse_hub.protocols.flow import RouterSpec
from alluse_hub.protocols.lifecycle import (
    CellSpec,
    ChildKind,
    ChildSpec,
    ChildStart,
    ResidentSpec,
    SupervisorSpec,
)
from alluse_hub.protocols.message import Fact, Message
from alluse_hub.protocols.names import (
    AUDITOR,
    BOARD,
    CELL_PREFIX,
    COORDINATION,
    COORDINATOR,
    GATEWAY,
    REPLICATOR,
    ROOT,
    ROUTER,
    WORKSTREAMS,
)
from alluse_hub.protocols.program_claims import ClaimRights
from alluse_hub.protocols.rules import CoordinatorSpec
from alluse_hub.protocols.sync import Permit, ReplicatorSpec, Sync, SyncMode
from alluse_hub.protocols.trail import AuditorSpec, Snapshot
from alluse_hub.protocols.versions import EventCondition
from alluse_hub.protocols.workstream import MonitorSpec
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.tree import CELL_ACTOR, SUPERVISOR_ACTOR, cells_of, start_of, supervisors_of

ACTORS = {
    AUDITOR: "alluse_hub.actors.auditor.actor.AuditorActor",
    BOARD: "alluse_hub.actors.board.actor.BoardActor",
    COORDINATOR: "alluse_hub.actors.coordinator.actor.CoordinatorActor",
    GATEWAY: "alluse_hub.actors.gateway.actor.GatewayActor",
    REPLICATOR: "alluse_hub.actors.replicator.actor.ReplicatorActor",
    ROUTER: "alluse_hub.actors.router.actor.RouterActor",
    "monitor": "alluse_hub.actors.monitor.actor.MonitorActor",
}
"""Role -> class path of its actor."""

READER = "alluse_hub.actors.auditor.query"
"""Class path of the module that reads the trail, for actors that recover."""

MONITOR_GRACE_MARGIN_S = 5.0
"""A monitor may take this much longer to end than the program it has to end first."""

CELL_GRACE_MARGIN_S = 8.0
"""A cell may take this much longer to end than the slowest of its monitors: they end side by side, and their workers
let go within ``residents.CLOSE_ALL_S``."""

RESIDENT_START_S = 1.0
"""A cell may take this much longer to start for each monitor in it: recovery reads the trail."""

TOLD_OF_MONITORS: tuple[str, ...] = (COORDINATOR, GATEWAY)
"""Who is told that a monitor is down, besides the monitors of the workstreams that need it."""

START_TIMEOUT_S = 30.0
SPEC_SECONDS_MAX = 600.0
"""As much as a child specification takes."""

SESSION_OPENED = "session_opened"
"""The coordinator counts sessions by it: leases on the market clock end there."""


def tree_of(config: HubConfig, version: str) -> ChildStart:
    """The root of the tree.  The auditor starts first and stops last; the gateway opens when all else is up."""
    coordination = supervisor_spec(
        config,
        config.supervision.coordination,
        _child(BOARD, board_spec(config)),
        _child(COORDINATOR, coordinator_spec(config)),
        _child(ROUTER, router_spec(config)),
        *((_child(REPLICATOR, ReplicatorSpec(syncs=config.syncs, permits=permits(config))),) if config.syncs else ()),
    )
    workstreams = supervisor_spec(config, config.supervision.workstreams, *monitors(config), ends_together=True)
    inner = (
        _child(
            AUDITOR,
            AuditorSpec(
                hub=config.hub.name,
                witness=config.trail.witness,
                witness_key=config.trail.witness_key,
                index=config.trail.index,
                seal_after_s=config.trail.seal_after_s,
                seal_entries=config.trail.seal_entries,
            ),
        ),
        _supervisor(COORDINATION, coordination, grace_s=20.0),
        _supervisor(WORKSTREAMS, workstreams, grace_s=_grace_s(workstreams)),
    )
    unfinished = start_of(SupervisorSpec(children=inner))
    supervisors = supervisors_of(unfinished, ROOT) | {GATEWAY: ROOT}
    gateway = GatewaySpec(
        hub=config.hub.name,
        version=version,
        workstreams=tuple(workstream.id for workstream in config.workstreams),
        supervisors=supervisors,
        cells=cells_of(unfinished, ROOT),
        needed_by={each.id: others for each in config.workstreams if (others := needed_by(config, each))},
        flows=tuple(flow.name for flow in config.flows),
        syncs=tuple(sync.id for sync in config.syncs),
        allow_users=config.hub.allow_users,
        control_group=config.hub.control_group,
        trail_reader=READER,
        shutdown_s=config.hub.shutdown_s,
    )
    children = (*inner, _child(GATEWAY, gateway))
    end = EndPlan(total_s=config.hub.shutdown_s, intake=(GATEWAY, ROUTER), drain=(ROUTER,), flush=AUDITOR)
    return start_of(supervisor_spec(config, config.supervision.root, *children, end=end))


def supervisor_spec(
    config: HubConfig, limit: Limit, *children: ChildSpec, ends_together: bool = False, end: EndPlan | None = None
) -> SupervisorSpec:
    """As all supervisors of the hub are: a child that is slow keeps no other waiting, one that hangs is found out,
    restarts are backed off, and what counts against a limit still counts when the supervisor, or the hub, was started
    again."""
    return SupervisorSpec(
        intensity=limit.intensity,
        on_limit=limit.on_limit,
        siblings_wait=False,
        backoff=config.supervision.backoff,
        keeps_budget=True,
        ends_together=ends_together,
        end=end,
        children=tuple(child.model_copy(update={"liveness": config.supervision.liveness}) for child in children),
    )


def preload() -> None:
    """Import every role once, before the first fork: all actors share it, and start the faster."""
    for path in ACTORS.values():
        importlib.import_module(path.rpartition(".")[0])
    importlib.import_module(CELL_ACTOR.rpartition(".")[0])
    importlib.import_module(READER)


def durable_facts() -> frozenset[type[Fact]]:
    """All that any actor folds when it recovers."""
    cores = [SUPERVISOR]
    for path in ACTORS.values():
        module, _, name = path.rpartition(".")
        cores.append(getattr(importlib.import_module(module), name).core)
    return frozenset({Snapshot}.union(*(core.facts for core in cores)))


def core_of(path: str) -> Core[Any] | None:  # each core has a state of its own
    """The core of an actor of this hub, by its class path; None for any other, so that what is read from a trail never
    chooses what is imported."""
    if path not in {*ACTORS.values(), SUPERVISOR_ACTOR, CELL_ACTOR}:
        return None
    module, _, name = path.rpartition(".")
    core: Core[Any] = getattr(importlib.import_module(module), name).core
    return core


def board_spec(config: HubConfig) -> BoardSpec:
    return BoardSpec(
        hub=config.hub.name,
        workstreams=tuple(
            WorkstreamKnown(id=workstream.id, name=workstream.name, depends_on=workstream.depends_on)
            for workstream in config.workstreams
        ),
    )


def coordinator_spec(config: HubConfig) -> CoordinatorSpec:
    return CoordinatorSpec(
        rules=config.rules,
        modes=config.resources,
        pools=(*config.pools, *(mutex.pool for mutex in config.mutexes)),
        values=config.values,
        datasets=config.datasets,
        events=config.events,
        emitted=config.emitted,
        approvers={each.id: each.approvers for each in config.workstreams if each.approvers > 1},
        levels={each.id: each.level for each in config.workstreams if each.level is not Level.AUTONOMOUS},
        personal=config.trail.personal,
        needed_by_syncs=tuple(sorted({permit.resource for permit in permits(config).values()})),
        held_for_syncs=carried(config),
        fields={each.id: each.fields for each in config.workstreams if each.fields},
        lockstep=tuple(each.id for each in config.workstreams if each.lockstep),
        claims={each.id: each.claims for each in config.workstreams if each.claims != ClaimRights()},
        workstreams=tuple(workstream.id for workstream in config.workstreams),
    )


def router_spec(config: HubConfig) -> RouterSpec:
    """The coordinator considers what a rule listens to, and the opening of sessions."""
    replay = config.replay
    triggers = listened(config.rules)
    source = replay.source if replay.autostart else ""
    return RouterSpec(
        workstreams=tuple(workstream.id for workstream in config.workstreams),
        lockstep=tuple(workstream.id for workstream in config.workstreams if workstream.lockstep),
        flows=config.flows,
        considers=tuple(sorted(triggers | ({f"{source}.{SESSION_OPENED}"} if source else set()))),
        source=source,
        first=replay.start.isoformat() if replay.start else "",
        last=replay.end.isoformat() if replay.end else "",
        speed=replay.speed,
    )


def monitor_spec(config: HubConfig, workstream: WorkstreamConfig) -> MonitorSpec:
    return MonitorSpec(
        workstream=workstream.id,
        name=workstream.name,
        command=workstream.program,
        python=workstream.python,
        env=workstream.env,
        depends_on=workstream.depends_on,
        needed_by=(*needed_by(config, workstream), *((REPLICATOR,) if syncs_of(config, workstream) else ())),
        datasets=tuple(sorted({sync.content for sync in config.syncs if sync.source == workstream.id})),
        sync_events=sync_events(config, workstream),
        sync_conditions=sync_conditions(config, workstream),
        fields=workstream.fields if sync_conditions(config, workstream) else {},
        lockstep=workstream.lockstep,
        claims=workstream.claims,
        intensity=workstream.restart,
        pause_jitter=config.supervision.backoff.jitter,
        pause_reset_s=config.supervision.backoff.reset_s,
        detector=workstream.detector,
        heartbeat_timeout_s=workstream.heartbeat_timeout_s,
        phi_threshold=workstream.phi_threshold,
        phi_window=workstream.phi_window,
        phi_deviation_min_s=workstream.phi_deviation_min_s,
        phi_pause_s=workstream.phi_pause_s,
        start_timeout_s=workstream.start_timeout_s,
        grace_s=workstream.grace_s,
        latency_budget_ms=workstream.latency_budget_ms,
    )


def needed_by(config: HubConfig, workstream: WorkstreamConfig) -> tuple[str, ...]:
    return tuple(other.id for other in config.workstreams if workstream.id in other.depends_on)


def syncs_of(config: HubConfig, workstream: WorkstreamConfig) -> list[Sync]:
    """Those that it is an end of: the replicator is told when its program comes and goes."""
    return [sync for sync in config.syncs if workstream.id in {sync.source, *sync.targets}]


def permits(config: HubConfig) -> dict[str, Permit]:
    """For each sync and target that needs a use of a mode resource: the rungs that permit it.  A target without that
    resource needs nothing."""
    modes = {mode.resource: mode for mode in config.resources}
    found: dict[str, Permit] = {}
    for sync in config.syncs:
        for target in sync.targets:
            resource, use = sync.needed_of(target)
            if resource in modes:
                rungs = tuple(rung.name for rung in modes[resource].rungs if use in rung.uses)
                found[f"{sync.id}>{target}"] = Permit(resource=resource, rungs=rungs)
    return found


def carried(config: HubConfig) -> tuple[str, ...]:
    """The data set resources that syncs carry something to: ``target/data set``."""
    there = {f"{target}/{sync.content}" for sync in config.syncs for target in sync.targets}
    return tuple(sorted(there & {each.resource for each in config.datasets}))


def sync_events(config: HubConfig, workstream: WorkstreamConfig) -> tuple[str, ...]:
    """Those that a sync waits for, whatever is in them."""
    on_event = (s for s in config.syncs if s.source == workstream.id and s.mode is SyncMode.ON_EVENT)
    return tuple(sorted({sync.event for sync in on_event if not sync.when}))


def sync_conditions(config: HubConfig, workstream: WorkstreamConfig) -> dict[str, EventCondition]:
    """By sync: what it waits for on a condition."""
    return {
        sync.id: EventCondition(event=sync.event, when=sync.when)
        for sync in config.syncs
        if sync.source == workstream.id and sync.when
    }


def monitors(config: HubConfig) -> tuple[ChildSpec, ...]:
    """A process for each monitor, or cells of ``monitors_per_process`` in the order of the file."""
    alone = tuple(_monitor(config, workstream) for workstream in config.workstreams)
    size = config.hub.monitors_per_process
    if size == 1:
        return alone
    groups = [alone[at : at + size] for at in range(0, len(alone), size)]
    return tuple(_cell(f"{CELL_PREFIX}{number}", group) for number, group in enumerate(groups, start=1))


def _cell(name: str, group: tuple[ChildSpec, ...]) -> ChildSpec:
    residents = tuple(ResidentSpec(name=each.name, start=each.start, grace_s=each.grace_s) for each in group)
    return ChildSpec(
        name=name,
        start=start_of(CellSpec(residents=residents)),
        told=tuple(sorted({name for each in group for name in each.told})),
        told_of=tuple(each.name for each in group),
        grace_s=min(SPEC_SECONDS_MAX, max(each.grace_s for each in group) + CELL_GRACE_MARGIN_S),
        start_timeout_s=min(SPEC_SECONDS_MAX, START_TIMEOUT_S + len(group) * RESIDENT_START_S),
    )


def _monitor(config: HubConfig, workstream: WorkstreamConfig) -> ChildSpec:
    start = ChildStart(actor=ACTORS["monitor"], spec=monitor_spec(config, workstream).model_dump(mode="json"))
    grace_s = min(SPEC_SECONDS_MAX, workstream.grace_s + MONITOR_GRACE_MARGIN_S)
    told = (*TOLD_OF_MONITORS, *needed_by(config, workstream))
    return ChildSpec(name=workstream.id, start=start, grace_s=grace_s, start_timeout_s=START_TIMEOUT_S, told=told)


def _grace_s(supervisor: SupervisorSpec) -> float:
    """Children stop side by side, or their graces add up; within what a specification may say."""
    graces_s = [child.grace_s for child in supervisor.children]
    return min(SPEC_SECONDS_MAX, 10.0 + (max(graces_s, default=0.0) if supervisor.ends_together else sum(graces_s)))


def _supervisor(name: str, spec: SupervisorSpec, grace_s: float) -> ChildSpec:
    start = start_of(spec)
    return ChildSpec(
        name=name, start=start, kind=ChildKind.SUPERVISOR, grace_s=grace_s, start_timeout_s=START_TIMEOUT_S
    )


def _child(name: str, spec: Message) -> ChildSpec:
    start = ChildStart(actor=ACTORS[name], spec=spec.model_dump(mode="json"))
    return ChildSpec(name=name, start=start, start_timeout_s=START_TIMEOUT_S)
