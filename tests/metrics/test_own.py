"""What a process tells of its own work, of one run or of several swarms."""

from __future__ import annotations

from hlsswarm.metrics.own import OwnMetrics


def test_a_process_with_several_swarms_tells_of_all_of_them() -> None:
    whole = OwnMetrics()
    evening, morning = OwnMetrics(whole), OwnMetrics(whole)
    evening.dbus_call(0.001)
    morning.dbus_call(0.002)
    morning.start_lateness(0.3)

    def counts(own: OwnMetrics) -> tuple[float | None, float | None]:
        value = own.registry.get_sample_value
        return (
            value("hlsswarm_dbus_call_seconds_count"),
            value("hlsswarm_ramp_lateness_seconds_count"),
        )

    assert (counts(evening), counts(morning), counts(whole)) == ((1, 0), (1, 1), (2, 1))
    assert (evening.dbus_calls, whole.dbus_calls) == (1, 2)
