"""What systemd does with our units, on a real one: see live.py for which."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import signal
from pathlib import Path

import pytest

from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.unit_specs import Limits, Property, UnitSpec, slice_spec
from hlsswarm.errors import UnitError
from hlsswarm.units.bus import UnitExistsError
from tests.support import wait_for
from tests.units.live import (
    KIND,
    SLEEP,
    Live,
    Run,
    gone,
    python,
    run_in,
    shell,
    starts,
    written,
)

ODD = (
    "$HOME", "${HOME}", "$$", "$$$", "${}", "$", "${X", "$1", "%n", "%%", "%", "%h/%i", "&", "a&b",
    "'", '"', "\"a' b\"", " ", "  two  blanks ", "", "tab\there", "line\nbreak", "\\", "\\n",
    "\\x41", "back\\\\slash", ";", "a;b", "#", "*", "?", "~", "!", "`id`", "$(id)", "|",
    ">", "<", "{a,b}", "-", "--", "-e", "@", "+", ":", "=", "A=b", "\x01\x7f", "ä", "€",
    "日本語", "e\u0301", "😀", "\u202e", "\ufeff", "http://h/p?a=$X&b=%20%n&c='d e'&e=ü#f",
)  # fmt: skip
PAUSE = "import signal; signal.pause()"


def nasty_texts(count: int) -> tuple[str, ...]:
    """Random texts out of what shells, systemd and D-Bus treat as special, the same each time."""
    rng = random.Random("arguments")
    alphabet = "$$$%%{}\\'\" \t\n&;#aAnx0u~*|ä😀"
    return tuple("".join(rng.choices(alphabet, k=rng.randrange(1, 12))) for _ in range(count))


def test_arguments_reach_the_program_byte_for_byte(a_run: Run) -> None:
    command = python(PAUSE, *ODD, *nasty_texts(200))
    a_run.start(a_run.spec(1, command))
    said = Path(f"/proc/{a_run.main_pid(1)}/cmdline").read_bytes()
    assert said.split(b"\0")[:-1] == [os.fsencode(word) for word in command]


def test_text_that_dbus_cannot_carry_is_refused_with_a_sentence(a_run: Run) -> None:
    odd = os.fsdecode(b"http://h/caf\xe9.m3u8")
    with pytest.raises(UnitError, match="UTF-8"):
        a_run.start(a_run.spec(1, python(PAUSE, odd)))
    assert a_run.sub_states() == {}


def test_limits_are_there_or_are_said_to_be_lacking(a_run: Run) -> None:
    limits = Limits(memory_max_bytes=96 << 20, cpu_quota=0.25, tasks_max=9)
    a_run.start(a_run.spec(1, SLEEP, limits=limits))
    unit, abilities = a_run.unit(1), a_run.live.abilities
    memory = a_run.limit(unit, "memory", "memory.limit_in_bytes", "memory.max")
    tasks = a_run.limit(unit, "pids", "pids.max", "pids.max")
    cpu = a_run.limit(unit, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0]
    assert (memory == str(96 << 20)) == abilities.memory_limit
    assert (tasks == "9") == abilities.tasks_limit
    assert (cpu not in {"none", "max", "-1"}) == abilities.cpu_limit
    lacking = " ".join(abilities.lacks())
    for word, able in (
        ("memory", abilities.memory_limit),
        ("CPU", abilities.cpu_limit),
        ("tasks", abilities.tasks_limit),
    ):
        assert (word in lacking) != able
    if KIND != "user":
        assert abilities.memory_limit
        assert abilities.cpu_limit
        assert abilities.tasks_limit


def test_a_tasks_limit_holds(a_run: Run) -> None:
    report = a_run.directory / "forks"
    program = (
        "import os, sys, time\n"
        "made = 0\n"
        "try:\n"
        "    while made < 30:\n"
        "        if os.fork() == 0: time.sleep(3600)\n"
        "        made += 1\n"
        "except OSError: pass\n"
        "open(sys.argv[1], 'w').write(f'{made}\\n')\n"
        "time.sleep(3600)"
    )
    a_run.start(a_run.spec(1, python(program, str(report)), limits=Limits(tasks_max=9)))
    assert int(written(report)) == (8 if a_run.live.abilities.tasks_limit else 30)


def test_the_limits_of_the_whole_hold_for_its_clients_together(live: Live) -> None:
    with run_in(live, Limits(memory_max_bytes=512 << 20, tasks_max=40)) as run:
        run.start(run.spec(1, SLEEP), run.spec(2, SLEEP))
        top = names.run_slice(run.run)
        memory = run.limit(top, "memory", "memory.limit_in_bytes", "memory.max")
        assert (memory == str(512 << 20)) == live.abilities.memory_limit
        cgroups = [live.manager.control_group(run.unit(client)) for client in (1, 2)]
        inside = f"{live.manager.control_group(top)}/{names.clients_slice(run.run)}/"
        assert all(cgroup.startswith(inside) for cgroup in cgroups)
        tasks = live.manager.usage(top).tasks
        assert (tasks or 0) >= 2 or not live.abilities.tasks_limit


def test_a_client_out_of_memory_leaves_the_others_alone_and_comes_back(a_run: Run) -> None:
    begun, survived = a_run.directory / "begun", a_run.directory / "survived"
    glutton = python(
        "import sys, time\n"
        "open(sys.argv[1], 'a').write('start\\n')\n"
        "have = bytearray(b'x') * (200 << 20)\n"
        "open(sys.argv[2], 'a').write('start\\n')\n"
        "time.sleep(3600)",
        str(begun),
        str(survived),
    )
    a_run.start(a_run.spec(1, SLEEP), a_run.spec(3, SLEEP))
    others = [a_run.main_pid(1), a_run.main_pid(3)]
    a_run.queue(a_run.spec(2, glutton, backoff=Backoff(0.05, 0.05)))
    if a_run.live.abilities.memory_limit:
        wait_for("three starts", lambda: starts(begun) >= 3)
        assert starts(survived) == 0
    else:
        wait_for("survival", lambda: starts(survived))
    assert [a_run.main_pid(1), a_run.main_pid(3)] == others


def test_start_limits_never_end_a_client(a_run: Run) -> None:
    begun = a_run.directory / "begun"
    fails = shell('echo start >>"$1"; exit 1', str(begun))
    a_run.queue(a_run.spec(1, fails, backoff=Backoff(0.01, 0.01)))
    wait_for("20 starts", lambda: starts(begun) >= 20)


def test_no_child_is_left_when_a_client_is_killed(a_run: Run) -> None:
    pids = a_run.directory / "pids"
    a_run.start(a_run.spec(1, shell('setsid sleep 3600 & echo $! >"$1"; wait', str(pids))))
    child, main = int(written(pids)), a_run.main_pid(1)
    os.kill(main, signal.SIGKILL)
    wait_for("the end of both", lambda: gone(main, child))
    assert wait_for("the wait for a restart", lambda: a_run.sub_states().get(a_run.unit(1)))


def test_stopping_a_run_ends_clients_that_will_not_and_their_children(a_run: Run) -> None:
    pids = a_run.directory / "pids"
    deaf = 'trap "" TERM INT HUP; setsid sleep 3600 & echo $! $$ >"$1"; while :; do wait; done'
    a_run.start(
        a_run.spec(1, shell(deaf, str(pids)), stop_timeout_seconds=0.2), a_run.spec(2, SLEEP)
    )
    there = [int(pid) for pid in written(pids).split()]
    assert a_run.stop() == []
    assert gone(*there)
    assert a_run.sub_states() == {}


def test_a_name_can_be_used_again_after_a_failure(a_run: Run) -> None:
    spec = a_run.spec(1, shell("exit 3"))
    once = tuple(p for p in spec.properties if not p.name.startswith("Restart"))
    for _ in range(3):
        a_run.queue(dataclasses.replace(spec, properties=once))
        # Collected: an inactive one that is still loaded keeps the name.
        wait_for("the unit to go", lambda: not a_run.live.manager.list_units(spec.name))


def test_a_name_in_use_is_refused(a_run: Run) -> None:
    a_run.start(a_run.spec(1, SLEEP))
    there = a_run.main_pid(1)
    with pytest.raises(UnitExistsError):
        a_run.start(a_run.spec(1, SLEEP))
    assert a_run.main_pid(1) == there


def test_a_unit_that_others_stop_stays_stopped(a_run: Run) -> None:
    a_run.start(a_run.spec(1, SLEEP, backoff=Backoff(0.01, 0.01)), a_run.spec(2, SLEEP))
    other = a_run.live.manager.endpoint.open()
    other.call("StopUnit", "ss", a_run.unit(1).encode(), b"replace")
    other.close()
    wait_for("its end", lambda: a_run.unit(1) not in a_run.sub_states())
    assert a_run.live.manager.service_state(a_run.unit(1)).sub == "dead"
    assert list(a_run.sub_states()) == [a_run.unit(2)]


def test_the_end_of_a_process_is_told_as_it_was(a_run: Run) -> None:
    a_run.queue(a_run.spec(1, shell("exit 42")), a_run.spec(2, shell("kill -USR1 $$")))

    def ends() -> list[tuple[int, int]]:
        states = [a_run.live.manager.service_state(a_run.unit(n)) for n in (1, 2)]
        return [(s.exit_code, s.exit_status) for s in states if s.sub == "auto-restart"]

    both = wait_for("both ends", lambda: ends() if len(ends()) == 2 else None)
    assert both == [(os.CLD_EXITED, 42), (os.CLD_KILLED, int(signal.SIGUSR1))]


def test_a_program_that_is_not_there_fails_its_start(a_run: Run) -> None:
    with pytest.raises(UnitError, match="did not start: job failed"):
        a_run.start(a_run.spec(1, ("/no/such/program",)))
    state = a_run.live.manager.service_state(a_run.unit(1))
    assert (state.exit_code, state.exit_status) == (os.CLD_EXITED, 203)


def test_a_stderr_socket_that_nobody_listens_at_fails_the_start(a_run: Run) -> None:
    a_run.stderr.close()
    with pytest.raises(UnitError, match="did not start: job failed"):
        a_run.start(a_run.spec(1, SLEEP))
    assert a_run.live.manager.service_state(a_run.unit(1)).exit_status == 222
    assert a_run.stderr_path.is_socket()


def test_usage_is_what_the_kernel_accounts(a_run: Run) -> None:
    busy = python("import time\nhave = bytearray(b'x') * (30 << 20)\nwhile True: pass")
    a_run.start(a_run.spec(1, busy))
    usage = a_run.live.manager.usage
    slice_name = names.clients_slice(a_run.run)
    if a_run.live.abilities.memory_limit:
        wait_for("memory", lambda: (usage(slice_name).memory_peak_bytes or 0) > 30 << 20)
        wait_for("CPU time", lambda: (usage(slice_name).cpu_seconds or 0) > 0.05)
    assert usage("hlsswarm-nobody-clients.slice").memory_peak_bytes is None


def test_properties_can_be_changed_while_a_unit_runs(a_run: Run) -> None:
    a_run.start(a_run.spec(1, SLEEP))
    a_run.live.manager.set_properties(a_run.unit(1), (Property("Description", "s", "new words"),))
    units = a_run.live.manager.list_units(a_run.unit(1))
    assert [unit.description for unit in units] == ["new words"]


def test_a_property_that_systemd_does_not_know_is_a_sentence(a_run: Run) -> None:
    spec = a_run.spec(1, SLEEP)
    odd = UnitSpec(spec.name, (*spec.properties, Property("NoSuchThing", "u", 1)))
    with pytest.raises(UnitError, match="systemd did not accept StartTransientUnit"):
        a_run.start(odd)


def test_a_restart_counter_is_reset_while_the_unit_runs(a_run: Run) -> None:
    begun = a_run.directory / "begun"
    third = shell('echo start >>"$1"; [ "$(wc -l <"$1")" -ge 3 ] && exec sleep 3600', str(begun))
    a_run.queue(a_run.spec(1, third, backoff=Backoff(0.01, 0.01)))
    wait_for("the third start", lambda: starts(begun) == 3)
    wait_for("it to run", lambda: a_run.sub_states().get(a_run.unit(1)) == "running")
    pid = a_run.main_pid(1)
    assert a_run.restart_counter(1) == 2
    a_run.live.manager.reset_failed(a_run.unit(1))
    assert a_run.restart_counter(1) == 0
    assert a_run.main_pid(1) == pid
    a_run.live.manager.reset_failed("hlsswarm-nobody-client-0001.service")


def test_a_swarm_of_sleepers_is_gone_soon(a_run: Run) -> None:
    loop_specs = [a_run.spec(number, ("/bin/sleep", "3600")) for number in range(1, 101)]
    a_run.start(*loop_specs)
    assert len(a_run.sub_states()) == 100
    assert a_run.stop() == []
    assert a_run.sub_states() == {}


def test_jobs_that_ended_before_anybody_asked_are_remembered(live: Live) -> None:
    manager = live.manager

    async def scenario() -> str:
        job = manager.start(slice_spec("hlsswarm-remembered.slice", "a test", Limits()))
        while not manager.is_active("hlsswarm-remembered.slice"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        ended = await asyncio.wait_for(manager.job(job), 10)
        await manager.stop_and_wait(["hlsswarm-remembered.slice"], timeout_seconds=10)
        return ended.result

    assert live.play(scenario) == "done"


def test_stopping_what_is_not_there_is_done_at_once(live: Live) -> None:
    nobody = names.client_unit("nobody", 1)
    assert live.manager.stop(nobody) is None
    assert live.play(lambda: live.manager.stop_and_wait([nobody], timeout_seconds=1))
    live.manager.kill(nobody, signal.SIGKILL)
