"""The monitor's worker: hands each job to the adapter that its specification asks for."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from alluse_hub.protocols.message import Message
from alluse_hub.protocols.workstream import MonitorSpec

from .process import ProcessAdapter
from .python import PythonAdapter


class Place(Protocol):
    """What a worker is given by whoever runs it."""

    @property
    def name(self) -> str: ...
    @property
    def home(self) -> Path: ...
    @property
    def spec(self) -> Message: ...
    @property
    def deliver(self) -> Callable[[Message], None]: ...


class MonitorWorker:
    def __init__(self, context: Place) -> None:
        assert isinstance(context.spec, MonitorSpec), "a monitor's worker gets a MonitorSpec"
        kind = ProcessAdapter if context.spec.command else PythonAdapter
        self._adapter: ProcessAdapter | PythonAdapter = kind(context.spec, context.home, context.deliver)
        self._process = self._adapter if isinstance(self._adapter, ProcessAdapter) else None

    def try_now(self, job: Message) -> bool:
        return self._process is not None and self._process.try_now(job)

    def sources(self) -> tuple[int, ...]:
        return self._process.sources() if self._process is not None else ()

    def read(self, _fd: int) -> None:
        assert self._process is not None, "an object in this process is no source"
        self._process.read()

    def do(self, job: Message) -> None:
        self._adapter.do(job)

    def close(self) -> None:
        """Lets go of the program; it is ended only by an ``EndProgram``."""
        self._adapter.close()
