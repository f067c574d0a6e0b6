"""Publishes streams: each an ffmpeg in a unit of its own, that pushes to a server.

    look ─► slice ─► videos made once ─► one stream after the other ─► follow ─► stop ─► report

systemd restarts them; this listens to their progress, asks how ended processes ended, and measures
the machine before each start. What streams are, and what a report says, is core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import random
import signal
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hlsswarm.controller.services import Services, opened_services
from hlsswarm.controller.stopper import Stopper
from hlsswarm.controller.waiting import until_one_ends
from hlsswarm.core import names
from hlsswarm.core.publish import Stream
from hlsswarm.core.publish_report import (
    PublishLimits,
    StreamRecord,
    document,
    status_line,
    table,
)
from hlsswarm.publishers import rtsp_server
from hlsswarm.publishers.consume import Say
from hlsswarm.publishers.endings import ending_of
from hlsswarm.publishers.machine import MachineGauge
from hlsswarm.publishers.preparing import check_publishing, files_of, publisher_service
from hlsswarm.publishers.rtsp_server import RtspOptions
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram
from hlsswarm.telemetry.lines import Lines
from hlsswarm.telemetry.process_socket import Nobody, ProcessSocket
from hlsswarm.telemetry.progress_blocks import Progress, ProgressReader

_SOCKET = "progress.sock"
_SAMPLE_SECONDS = 2.0
_REFUSALS_IN_A_ROW = 3
_ENDS_TOLD = 3
"""Of a stream; how many there were is in the lines of status."""


@dataclass(frozen=True, kw_only=True)
class PublishOptions:
    """What is asked of `publish`. With `serve`, a server is started for these streams alone."""

    streams: tuple[Stream, ...]
    limits: PublishLimits = field(default_factory=PublishLimits)
    duration_seconds: float = 0.0
    report_interval_seconds: float = 10.0
    serve: RtspOptions | None = None
    manager: str = "auto"
    ffmpeg: str | None = None


@dataclass(frozen=True)
class PublishResult:
    """What became of it at the moment before the stop: as a table, and as a document."""

    table: str
    document: dict[str, Any]
    interrupted: bool
    well: bool


def publish(options: PublishOptions, say: Say) -> PublishResult:
    """Publish until the duration is over or a signal comes. Raises HlsSwarmError."""
    program = check_publishing(options.streams, options.ffmpeg, look_for_server=not options.serve)
    if options.serve is not None:
        rtsp_server.check(options.serve)
    return asyncio.run(_publish(options, program, say))


async def _publish(options: PublishOptions, program: FFmpegProgram, say: Say) -> PublishResult:
    stopper = Stopper()
    run = names.new_run_id(random.Random())
    async with opened_services(
        run,
        f"publishes {len(options.streams)} streams to {options.streams[0].url.rpartition('/')[0]}/",
        manager=options.manager,
        keep=False,
    ) as services:
        stopper.on_second = lambda: services.manager.kill(names.run_slice(run), signal.SIGKILL)
        say(f"Run {run}: {len(options.streams)} streams, ffmpeg {program.version.text}")
        publishing = Publishing(options, services, stopper, say)
        try:
            return await publishing.carry_out(program)
        finally:
            publishing.socket.close()


@dataclass
class _Publisher:
    """One stream with its unit. It hears its own process."""

    stream: Stream
    unit: str
    record: StreamRecord
    publishing: Publishing
    pid: int | None = None
    _lines: Lines | None = None

    def begin(self, pid: int, now: float) -> None:
        """A process has come."""
        self.pid = pid
        self.record.process_started(now)
        self._lines = Lines(ProgressReader(self._progressed).line)

    def _progressed(self, progress: Progress, now: float) -> None:
        self.record.progressed(progress.frames, progress.speed, now)

    def feed(self, data: bytes, now: float) -> None:
        """What the process writes."""
        if self._lines is not None:
            self._lines.feed(data, now)

    def close(self, now: float) -> None:
        """The process has ended, or is about to."""
        self.record.process_ended()
        self.publishing.process_ended(self)


@dataclass
class Publishing:
    """A run of publishers while it goes."""

    options: PublishOptions
    services: Services
    stopper: Stopper
    say: Say
    stopping: bool = False
    refused: str | None = None
    publishers: list[_Publisher] = field(default_factory=list)
    _looks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin to listen."""
        self._gauge = MachineGauge()
        self._all_finished = asyncio.Event()
        for stream in self.options.streams:
            unit = names.service_unit(self.services.run, "publisher", stream.name)
            record = StreamRecord(stream.name, stream.url)
            self.publishers.append(_Publisher(stream, unit, record, self))
        self._by_unit = {publisher.unit: publisher for publisher in self.publishers}
        self.socket = ProcessSocket(self.services.directory / _SOCKET, self._hear)
        self.socket.start()

    @property
    def records(self) -> tuple[StreamRecord, ...]:
        """A record for each stream."""
        return tuple(publisher.record for publisher in self.publishers)

    def _hear(self, unit: str | None, pid: int) -> _Publisher | Nobody:
        publisher = self._by_unit.get(unit or "")
        if publisher is None:
            return Nobody()
        publisher.begin(pid, asyncio.get_running_loop().time())
        return publisher

    def process_ended(self, publisher: _Publisher) -> None:
        """A process is gone: ask how it ended, unless we have ended it."""
        if not self.stopping:
            task = asyncio.ensure_future(self._look(publisher, publisher.pid))
            self._looks.add(task)
            task.add_done_callback(self._looks.discard)

    async def _look(self, publisher: _Publisher, pid: int | None) -> None:
        ending = await ending_of(self.services, publisher.unit, pid)
        if self.stopping:
            return
        record = publisher.record
        if not publisher.stream.loop and ending.label == "0":
            record.finished = True
            if all(record.finished or not record.started for record in self.records):
                self._all_finished.set()
            return
        record.failed(ending.label, f"{ending.words}: {ending.complaint}")
        if record.errors.total() <= _ENDS_TOLD:
            self.say(f"{record.name} {ending.words}: {ending.complaint}; systemd starts it again.")

    # --- from beginning to end ---------------------------------------------------------------

    async def carry_out(self, program: FFmpegProgram) -> PublishResult:
        """Start, follow, stop; what became of it."""
        options, loop = self.options, asyncio.get_running_loop()
        server = None
        if options.serve is not None:
            server = await rtsp_server.serve(options.serve, self.services)
            self.say(f"RTSP server: {options.serve.url}")
        files = await files_of(self.services, program, options.streams, self.say)
        # Not before: what is being encoded is not waited for, and there is nothing to report.
        self.stopper.install()
        started_at, began = datetime.datetime.now(datetime.UTC), loop.time()
        whole = MachineGauge()
        await self._follow(self._start_all(program, files))
        ended_at = loop.time()
        self._sample()
        use = whole.read()
        well = self.refused is None and all(r.is_well(ended_at) for r in self.records)
        interrupted = self.stopper.asked.is_set()
        about = {
            "run": self.services.run,
            "started_at": started_at.isoformat(timespec="seconds"),
            "interrupted": interrupted,
            "well": well,
            "refused": self.refused,
            "ffmpeg": program.version.text,
            "systemd": {
                "manager": self.services.manager.kind,
                "version": self.services.manager.version(),
            },
            "machine": {
                "processors": whole.processors,
                "cpu_percent": round(use.cpu_percent, 1),
                "memory_percent": round(use.memory_percent, 1),
            },
        }
        if server is not None:
            usage = self.services.manager.usage(server)
            about["server"] = {
                "url": options.serve.url if options.serve else None,
                "cpu_seconds": usage.cpu_seconds,
                "memory_peak_bytes": usage.memory_peak_bytes,
            }
        told = document(self.records, now=ended_at, seconds=ended_at - began, about=about)
        text = table(self.records, now=ended_at)
        await self._stop()
        return PublishResult(text, told, interrupted, well)

    async def _start_all(self, program: FFmpegProgram, files: dict[str, Path]) -> None:
        """One after the other, as long as the machine has room for more."""
        for running, publisher in enumerate(self.publishers):
            self.refused = await self._refusal(running)
            if self.refused is not None:
                left = len(self.publishers) - running
                self.say(f"No further stream starts, {left} are left out: {self.refused}.")
                return
            stream = publisher.stream
            publisher.record.started = True
            await self.services.start(
                publisher_service(
                    stream,
                    publisher.unit,
                    files[stream.name],
                    program=program,
                    services=self.services,
                    output=self.socket.path,
                )
            )

    async def _refusal(self, running: int) -> str | None:
        """Why no further stream may start, if that is so in several looks, one after the other.

        One look alone may see no more than the start of the stream before.
        """
        refusal = None
        for _ in range(_REFUSALS_IN_A_ROW):
            use = await self._gauge.over_a_moment()
            refusal = self.options.limits.refusal(running, use)
            if refusal is None:
                break
        return refusal

    async def _follow(self, starting: Awaitable[None]) -> None:
        """Until the duration is over, everything has finished, or somebody asks for the end."""
        options = self.options
        waits: list[Awaitable[object]] = [
            self.stopper.asked.wait(),
            self._all_finished.wait(),
            self.services.manager.lost(),
            self._sampled(),
            self._shown(),
        ]
        if options.duration_seconds:
            waits.append(asyncio.sleep(options.duration_seconds))
        await until_one_ends(starting, waits)

    async def _sampled(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            self._sample()

    def _sample(self) -> int:
        """Take in what units have used; how much memory they use together."""
        memory_bytes = 0
        for publisher in self.publishers:
            if publisher.record.connected:
                usage = self.services.manager.usage(publisher.unit)
                publisher.record.used(usage.cpu_seconds, usage.memory_peak_bytes)
                memory_bytes += usage.memory_bytes or 0
        return memory_bytes

    async def _shown(self) -> None:
        """A line of status every so often."""
        loop = asyncio.get_running_loop()
        began, gauge = loop.time(), MachineGauge()
        interval, cpu = self.options.report_interval_seconds, 0.0
        due = began
        while True:
            due += interval
            await asyncio.sleep(due - loop.time())
            memory_bytes = self._sample()
            now = loop.time()
            cpu_now = sum(record.cpu_seconds for record in self.records)
            self.say(
                status_line(
                    self.records,
                    gauge.read(),
                    now=now,
                    seconds=now - began,
                    memory_bytes=memory_bytes,
                    cpu_share=(cpu_now - cpu) / interval,
                )
            )
            cpu = cpu_now

    async def _stop(self) -> None:
        """Publishers first, so that they take leave of a server that is still there."""
        self.stopping = True
        for task in tuple(self._looks):
            task.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)
        started = [publisher.unit for publisher in self.publishers if publisher.record.started]
        self.say(f"Stopping {len(started)} streams …")
        with contextlib.suppress(TimeoutError):
            await self.services.stop(started)
            await self.socket.drained(timeout_seconds=1.0)
