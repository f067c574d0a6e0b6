"""The rig: every swarm and every other item, kept as the configuration says, and steered.

    configuration ──► difference ──► swarms and items, each a task
    each second: what they know ──► saved ──► published (metrics, API, page)

Only what was saved is published, so that no counter is ever seen to run backwards: the next
controller goes on from at least there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hlsswarm.controller.adoption import Keeping
from hlsswarm.core.measurements import Measurements
from hlsswarm.core.plan import Plan
from hlsswarm.errors import UsageError
from hlsswarm.metrics.own import OwnMetrics
from hlsswarm.metrics.rig import RigFigures
from hlsswarm.metrics.swarm import SwarmFigures
from hlsswarm.rig.events import Event, Events
from hlsswarm.rig.item import Actions, RigItem
from hlsswarm.rig.service_manager import KeptSockets, ServiceManager, SwarmKeeper
from hlsswarm.rig.state import StateStore, boot_id
from hlsswarm.rig.swarm import RigSwarm

SCHEMA = "hlsswarm.rig/1"
_COUNTERS = ("restarts", "requests", "failed_requests", "received_bytes", "stalls")
"""Of a swarm's overview, what must not be told before it is saved."""


@dataclass(frozen=True)
class Published:
    """What is known of the rig as of the last save."""

    swarms: Mapping[str, tuple[SwarmFigures, Mapping[str, Any]]] = field(default_factory=dict)
    """Figures, and the saved document that measurements are read from."""
    overviews: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By swarm, what _COUNTERS say."""
    state_failures: int = 0


class Rig:
    """Everything that a daemon keeps."""

    def __init__(
        self,
        store: StateStore,
        service_manager: ServiceManager,
        kept: KeptSockets,
        *,
        manager_kind: str,
        tell: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self.events = Events(tell)
        self.own = OwnMetrics()
        """Of all swarms together."""
        self.manager_kind = manager_kind
        self.swarms: dict[str, RigSwarm] = {}
        self.items: dict[tuple[str, str], RigItem] = {}
        self._store = store
        self._service_manager = service_manager
        self._kept = kept
        self._tasks: dict[object, asyncio.Task[None]] = {}
        self._saved = store.load() or {}
        self._same_boot = bool(boot_id()) and self._saved.get("boot") == boot_id()
        store.failures = int(self._saved.get("state_failures", 0))
        self.published = Published(
            overviews=self._saved.get("overviews", {}), state_failures=store.failures
        )
        self.steered: list[dict[str, Any]] = self._saved.get("steered", [])
        """What steering has changed (core.rig_steered), as JSON; saved with the rest."""
        self.failed: BaseException | None = None

    # --- swarms ------------------------------------------------------------------------------

    def add_swarm(self, plan: Plan) -> RigSwarm:
        """Keep a swarm from now on; `plan.run_id` is its name. Raises UsageError."""
        name = plan.run_id
        if name is None:
            raise UsageError("A swarm of a rig needs a name.")
        if name in self.swarms and self.swarms[name].state not in {"stopped", "finished"}:
            raise UsageError(
                f"There is a swarm {name} already.", hint=f"`hlsswarm rig stop {name}` ends it."
            )
        saved = self._saved.get("swarms", {}).pop(name, None)
        keeping = Keeping(
            keeper=SwarmKeeper(self._service_manager, name),
            saved=saved,
            kept=self._kept.take(SwarmKeeper.prefix(name)),
            same_boot=self._same_boot,
        )
        plan = replace(plan, manager=self.manager_kind)
        swarm = self.swarms[name] = RigSwarm(plan, keeping, self.events, self.own)
        if saved is not None:
            swarm.paused = name in self._saved.get("paused", [])
        else:
            kept = {key: told for key, told in self.published.overviews.items() if key != name}
            self.published = replace(self.published, overviews=kept)
        self._run(("swarm", name), swarm.live)
        return swarm

    def begun(self) -> None:
        """All is added that was there before; what is added from now on begins anew."""
        self._saved = {}

    def swarm(self, name: str) -> RigSwarm:
        """The swarm of this name. Raises UsageError."""
        found = self.swarms.get(name)
        if found is None:
            names = ", ".join(self.swarms) or "none"
            raise UsageError(f"There is no swarm {name!r}.", hint=f"There is: {names}.")
        return found

    async def remove_swarm(self, name: str) -> None:
        """End a swarm, its clients included, and forget it. Raises UsageError."""
        await self.stop_swarm(name)
        self.swarms.pop(name, None)

    async def stop_swarm(self, name: str) -> None:
        """End a swarm, its clients included; it is still shown. Raises UsageError."""
        self.swarm(name).end()
        await self._ended(("swarm", name))
        SwarmKeeper(self._service_manager, name).drop("listener")

    # --- other items -------------------------------------------------------------------------

    def add_item(self, actions: Actions) -> RigItem:
        """Keep an origin, an encoder, a ladder or publishers from now on."""
        key = (actions.kind, actions.name)
        saved = self._saved.get("items", [])
        started = self._same_boot and list(key) in saved
        if started:
            saved.remove(list(key))  # it counts once: what is added later is to be started
        item = self.items[key] = RigItem(actions, self.events, was_started=started)
        self._run(key, item.live)
        return item

    async def remove_item(self, kind: str, name: str) -> None:
        """Stop an item and forget it."""
        self.items[kind, name].end()
        await self._ended((kind, name))
        del self.items[kind, name]

    # --- tasks -------------------------------------------------------------------------------

    def _run(self, key: object, live: Callable[[], Any]) -> None:
        task = asyncio.get_running_loop().create_task(live())
        self._tasks[key] = task
        task.add_done_callback(self._look_at_end)

    def _look_at_end(self, task: asyncio.Task[None]) -> None:
        """A task that breaks is a bug: the daemon ends with it, and systemd starts it again."""
        if not task.cancelled() and task.exception() is not None:
            self.failed = task.exception()

    async def _ended(self, key: object) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def leave(self) -> None:
        """Let everything go on without us."""
        self.save()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def end(self) -> None:
        """Stop everything."""
        for swarm in self.swarms.values():
            swarm.end()
        for item in self.items.values():
            item.end()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._store.forget()

    # --- what is known -----------------------------------------------------------------------

    def save(self) -> None:
        """Save what the next controller needs, and publish it."""
        documents = {name: swarm.document() for name, swarm in self.swarms.items()}
        figures = {name: swarm.figures() for name, swarm in self.swarms.items()}
        # A swarm that is not open yet keeps what was saved of it before.
        waiting = {
            name: swarm.saved_before
            for name, swarm in self.swarms.items()
            if documents[name] is None and swarm.saved_before is not None
        }
        known = {name: found for name, found in documents.items() if found is not None}
        overviews = {name: self._counters(name) for name in self.swarms}
        trouble = self._store.trouble
        failures = self._store.failures
        was_saved = self._store.save(
            {
                "boot": boot_id(),
                "steered": self.steered,
                "paused": [name for name, swarm in self.swarms.items() if swarm.paused],
                "overviews": overviews,
                "state_failures": failures,
                "swarms": {**waiting, **known},
                "items": [list(key) for key, item in self.items.items() if item.was_started],
            }
        )
        self._tell_trouble(trouble)
        if not was_saved:
            return
        self.published = Published(
            {
                name: (figure, known[name])
                for name, figure in figures.items()
                if figure is not None and name in known
            },
            overviews,
            failures,
        )

    def _tell_trouble(self, before: str | None) -> None:
        trouble = self._store.trouble
        if trouble and not before:
            self.events.add("not-saved", "rig", trouble, role="rig")
        elif before and not trouble:
            self.events.add("saved-again", "rig", "", role="rig")

    def _counters(self, name: str) -> Mapping[str, Any]:
        """Counters of a swarm; of one that is not open, what was known of it last."""
        swarm = self.swarms[name]
        if not swarm.is_open and name in self.published.overviews:
            return self.published.overviews[name]
        overview = swarm.overview()
        return {key: overview[key] for key in _COUNTERS}

    def swarm_overview(self, name: str) -> dict[str, Any]:
        """A swarm as JSON; its counters are those that were saved. Raises UsageError."""
        return {**self.swarm(name).overview(), **self.published.overviews.get(name, {})}

    def figures(self) -> RigFigures:
        """What was published last, for metrics."""
        return RigFigures(
            swarms={
                name: (figures, Measurements.from_dict(document["measured"]))
                for name, (figures, document) in self.published.swarms.items()
            },
            stopped_outside={n: len(swarm.stopped_units()) for n, swarm in self.swarms.items()},
            items={
                **{("swarm", name, swarm.state): 1 for name, swarm in self.swarms.items()},
                **{(kind, name, item.state): 1 for (kind, name), item in self.items.items()},
            },
            state_failures=self.published.state_failures,
        )

    def overview(self) -> dict[str, Any]:
        """The rig as JSON."""
        return {
            "schema": SCHEMA,
            "manager": self.manager_kind,
            "swarms": [self.swarm_overview(name) for name in self.swarms],
            "items": [item.document() for item in self.items.values()],
            "state": {"failures": self._store.failures, "trouble": self._store.trouble},
        }

    def status(self) -> str:
        """One line for `systemctl status`."""
        active = sum(figures.active for figures, _ in self.published.swarms.values())
        target = sum(
            swarm.plan.own_clients
            for swarm in self.swarms.values()
            if swarm.state not in {"stopped", "finished"}
        )
        others = sum(item.state == "running" for item in self.items.values())
        words = f"{active} of {target} clients in {len(self.swarms)} swarms"
        if self.items:
            words += f"; {others} of {len(self.items)} other items"
        return words + (f"; {self._store.trouble}" if self._store.trouble else "")
