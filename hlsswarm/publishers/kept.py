"""Publishers that are kept for good: started as a run of their own, and left to systemd.

What `publish` reports while it runs, and at its end, is not to be had here: no controller listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hlsswarm.controller.services import opened_services
from hlsswarm.core import names
from hlsswarm.publishers.preparing import check_publishing, files_of, publisher_service
from hlsswarm.publishers.publish import PublishOptions


def start_kept(options: PublishOptions, run: str, say: Callable[[str], None]) -> None:
    """Start every stream as a unit of the run `run`. Raises HlsSwarmError, and leaves nothing
    behind then.
    """
    asyncio.run(_start(options, run, say))


async def _start(options: PublishOptions, run: str, say: Callable[[str], None]) -> None:
    program = check_publishing(options.streams, options.ffmpeg, look_for_server=True)
    target = options.streams[0].url.rpartition("/")[0]
    async with opened_services(
        run,
        f"publishes {len(options.streams)} streams to {target}/",
        manager=options.manager,
        taken=f"A run named {run} is there already.",
        taken_hint=f"`hlsswarm stop {run}` ends it.",
    ) as services:
        files = await files_of(services, program, options.streams, say)
        for stream in options.streams:
            await services.start(
                publisher_service(
                    stream,
                    names.service_unit(run, "publisher", stream.name),
                    files[stream.name],
                    program=program,
                    services=services,
                )
            )
