"""A monitor as a leaf runs it, without Thespian: its core on the bench, its worker on a real program."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alluse_hub.protocols.flow import EventHeard
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.workstream import Command, CommandReply, MonitorSpec
from tests.actors.monitor.bench import Bench
from tests.actors.monitor.programs import RealProgram, wait_for


class Live:
    def __init__(self, home: Path, spec: MonitorSpec) -> None:
        self.real = RealProgram(home, spec)
        self.bench = Bench(spec)
        self.bench.on_job = self._do
        self.bench.boot()

    def _do(self, job: Message) -> None:
        self.real.worker.do(job)  # of the incarnation that lives

    def until(self, condition: Callable[[Bench], Any], why: str) -> Any:
        """Let letters come and time pass until it holds."""

        def holds() -> Any:
            self.real.read(0.0)
            while not self.real.queue.empty():
                self.bench.tell(self.real.queue.get())
            self.bench.pass_time(0.005)
            return condition(self.bench)

        return wait_for(holds, why)

    def up(self) -> int:
        """Waits for the program; its pid."""
        self.until(lambda bench: bench.state.told == "up", "the program does not come up")
        assert self.bench.state.program is not None
        return self.bench.state.program.pid

    def ask(self, key: str, code: str = "") -> None:
        command = Command(key=key, command="run", parameters={"run": code}, deadline_s=30)
        self.bench.tell(command, "coordinator")

    def answered(self, key: str) -> CommandReply:
        answer: CommandReply = self.until(
            lambda bench: next((reply for reply in bench.said(CommandReply) if reply.key == key), None),
            f"no answer to {key}",
        )
        return answer

    def kill_monitor(self) -> None:
        self.real.renew()
        self.bench.die().boot()

    def heard(self) -> list[int]:
        return [fact.event.n for fact in self.bench.recorded(EventHeard)]


MakeLive = Callable[..., Live]
