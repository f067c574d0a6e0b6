"""From the values of a run's settings to its plan, for flags and for files alike.

`values` are by setting's key, one for each row of RUN_SETTINGS, and `url`. Pure: headers of files
and of the environment are the caller's to read.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from hlsswarm.core.backoff import Backoff
from hlsswarm.core.commands import ClientOptions
from hlsswarm.core.headers import Header
from hlsswarm.core.hosts import Hosts
from hlsswarm.core.limit_settings import CLIENT_KINDS, SWARM_KINDS, limits_of
from hlsswarm.core.plan import Plan
from hlsswarm.core.segment import WHOLE
from hlsswarm.core.trust import Trust
from hlsswarm.errors import UsageError


def client_options(values: Mapping[str, Any], headers: Sequence[Header]) -> ClientOptions:
    """What each client is asked to do. Raises UsageError."""
    if values["url"] is None:
        raise UsageError(
            "The playlist's URL is missing.", hint="Give it last, or as `url` in --config."
        )
    return ClientOptions(
        values["url"],
        user_agent=values["user_agent"],
        timeout_seconds=values["timeout"],
        reconnect=values["reconnect"],
        reconnect_delay_max_seconds=values["reconnect_delay"],
        segment_retries=values["seg_retry"],
        measure=values["measure"],
        headers=tuple(headers),
        no_cache=values["no_cache"],
        headers_in_command_line=values["headers_in_command_line"],
        pace=values["pace"],
        trust=Trust(values["tls_verify"], values["ca_file"]),
    )


def plan_of(
    values: Mapping[str, Any],
    *,
    headers: Sequence[Header],
    verbose: bool = False,
    skip_preflight: bool = False,
) -> Plan:
    """The plan that the values mean. Raises UsageError."""
    try:
        backoff = Backoff(values["backoff_min"], values["backoff_max"])
    except ValueError:
        raise UsageError(
            "--backoff-min must be above 0 and at most --backoff-max.",
            hint="The defaults are 0.5s and 30s.",
        ) from None
    return Plan(
        client=client_options(values, headers),
        clients=values["clients"],
        ramp_rate_per_second=values["ramp_rate"],
        ramp_jitter_seconds=values["ramp_jitter"],
        duration_seconds=values["duration"],
        seed=values["seed"],
        run_id=values["run_id"],
        manager=values["manager"],
        ffmpeg=values["ffmpeg"],
        metrics=values["metrics"],
        summary_interval_seconds=values["summary_interval"],
        json_file=values["json"],
        out_directory=values["out"],
        verbose=verbose,
        skip_preflight=skip_preflight,
        variant=values["variant"],
        probe_failure=values["probe_failure"],
        wait_for_stream_seconds=values["wait_for_stream"],
        resolve_address=values["resolve"],
        dangerous=values["dangerous"],
        allow_hosts=functools.reduce(operator.add, values["allow_host"] or (), Hosts()),
        ip_filter=values["ip_filter"],
        sandbox=values["sandbox"],
        thresholds=tuple(values["threshold"] or ()),
        per_client_metrics=values["per_client_metrics"],
        nginx_metrics_url=values["nginx_metrics"],
        origin_metrics_url=values["origin_metrics"],
        faults=tuple(values["fault"] or ()),
        swarm_limits=limits_of(values, SWARM_KINDS),
        client_limits=limits_of(values, CLIENT_KINDS, prefix="client-"),
        backoff=backoff,
        segment=values["segment"] or WHOLE,
        network_namespaces=tuple(values["network_namespace"] or ()),
        start_at=values["start_at"],
    )
