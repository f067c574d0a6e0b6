"""compose.yaml and kubernetes.yaml: against the published schemas, and against hlsswarm itself.

No engine with compose, and no cluster, is to be had where these run: what is proven is that the
files can be meant, not that they have been run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from hlsswarm.cli.main import parse
from hlsswarm.core.environment import OTHERS, SETTINGS, read
from tests.support import REPOSITORY

CONTAINERS = REPOSITORY / "containers"
COMPOSE = CONTAINERS / "compose.yaml"
KUBERNETES = "1.30"
"""The first version with `appArmorProfile`."""
_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
OBJECTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((CONTAINERS / "kubernetes.yaml").read_text())
)


def composed() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


def kubernetes_object(kind: str, name: str) -> dict[str, Any]:
    (found,) = [o for o in OBJECTS if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


def container_of(kind: str, name: str) -> dict[str, Any]:
    (container,) = kubernetes_object(kind, name)["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row.get("value", "") for row in container["env"]}


def read_by_hlsswarm(words: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """What the command takes of the environment; everything in it has to be known."""
    ours = {name for name in environment if name.startswith("HLSSWARM_")}
    assert ours <= {*SETTINGS, *OTHERS}
    keys = vars(parse(words)).keys()
    given = read(environment, keys)
    assert {name for name in ours if name in SETTINGS} == set(given.variables.values())
    return dict(given.values)


def test_compose_is_of_the_specification() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         str(COMPOSE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_compose_mounts_and_builds_is_there() -> None:
    for service in composed()["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (CONTAINERS / source).is_file(), source
        if "build" in service:
            build = service["build"]
            assert (CONTAINERS / build["context"] / build["dockerfile"]).is_file()


def test_compose_means_a_run_and_an_origin() -> None:
    services = composed()["services"]
    swarm = {
        name: _DEFAULT.sub(r"\1", value) for name, value in services["swarm"]["environment"].items()
    }
    given = read_by_hlsswarm(services["swarm"]["command"], swarm)
    assert (given["clients"], given["duration"]) == (20, 300.0)
    assert len(given["threshold"]) == 2
    assert given["url"].startswith("http://origin:8080/")
    assert given["wait_for_stream"] > 0, "it starts together with its origin"
    origin = services["origin"]
    assert read_by_hlsswarm(origin["command"], {"HLSSWARM_PROFILE": "default"})
    assert origin["ports"] == ["127.0.0.1:8080:8080"]


def test_compose_asks_for_health_itself() -> None:
    """An image in OCI's own format has no HEALTHCHECK."""
    asked = re.search(r"HEALTHCHECK (.*) CMD (.*)", (CONTAINERS / "Containerfile").read_text())
    assert asked is not None
    for name in ("origin", "swarm"):
        check = dict(composed()["services"][name]["healthcheck"])
        assert check.pop("test") == ["CMD", *json.loads(asked[2])]
        flags = " ".join(f"--{key.replace('_', '-')}={value}" for key, value in check.items())
        assert flags == asked[1]


def test_grafana_is_told_where_prometheus_is() -> None:
    services = composed()["services"]
    source = yaml.safe_load((REPOSITORY / "monitoring/grafana/datasource.yml").read_text())
    assert source["datasources"][0]["url"] == "${PROMETHEUS_URL}"
    assert services["grafana"]["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"
    assert "PROMETHEUS_URL=" in (REPOSITORY / "docs" / "monitoring.md").read_text()


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda o: f"{o['kind']}-{o['metadata']['name']}")
def test_kubernetes_objects_are_of_the_published_schema(thing: dict[str, Any]) -> None:
    kubernetes_validate.validate(thing, KUBERNETES, strict=True)


def test_the_schema_refuses_what_it_does_not_know() -> None:
    wrong = {**kubernetes_object("Service", "test-origin"), "spce": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_each_pod_has_its_share() -> None:
    job = kubernetes_object("Job", "hlsswarm")["spec"]
    container = container_of("Job", "hlsswarm")
    values = variables(container)
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == int(values["JOB_COMPLETIONS"])
    given = read_by_hlsswarm(container["args"], values)
    assert given["clients"] == 200
    assert given["wait_for_stream"] > 0, "it is scheduled together with its origin"
    # Kubernetes fills in a variable only when it stands before.
    names = list(values)
    assert names.index("JOB_COMPLETION_INDEX") < names.index("HLSSWARM_OUT")
    assert given["out"] == Path("/results/$(JOB_COMPLETION_INDEX)")
    report = container_of("Job", "hlsswarm-report")
    pods = range(job["completions"])
    assert report["args"] == ["report", *(f"/results/{pod}" for pod in pods)]


def test_a_pods_verdict_ends_no_other_pod() -> None:
    job = kubernetes_object("Job", "hlsswarm")["spec"]
    # batch/v1: its backoffLimit is then without bound, and one index fails by itself.
    assert job["backoffLimitPerIndex"] == 0
    assert "backoffLimit" not in job
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_the_service_finds_the_origin_and_the_swarm_the_service() -> None:
    origin = kubernetes_object("Deployment", "test-origin")["spec"]
    service = kubernetes_object("Service", "test-origin")["spec"]
    assert service["selector"] == origin["template"]["metadata"]["labels"]
    (port,) = container_of("Deployment", "test-origin")["ports"]
    assert service["ports"][0]["targetPort"] == port["name"]
    assert port["containerPort"] == 8080
    url = variables(container_of("Job", "hlsswarm"))["HLSSWARM_URL"]
    assert url.startswith(f"http://test-origin:{service['ports'][0]['port']}/")


def test_no_service_gives_pods_variables_like_ours() -> None:
    """A service `hlsswarm` would set HLSSWARM_PORT=tcp://… in every pod of the namespace."""
    for thing in OBJECTS:
        if thing["kind"] == "Service":
            assert not thing["metadata"]["name"].startswith("hlsswarm")
        elif "template" in thing["spec"]:
            assert thing["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_every_volume_that_is_mounted_is_there() -> None:
    for thing in OBJECTS:
        if "template" not in thing["spec"]:
            continue
        pod = thing["spec"]["template"]["spec"]
        there = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == there
