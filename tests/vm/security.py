# The walls around what runs hold on a real machine: files, capabilities, addresses, and who steers.
# A NixOS test script: the driver gives it `machine`, `start_all` and `subtest`.

METRICS = "curl -sf http://127.0.0.1:9090/metrics"
CLIENT = "hlsswarm-watch-client-0001.service"
ENCODER = "hlsswarm-origin8080-encoder-stress.service"
SERVER = "hlsswarm-origin8080-nginx.service"
TOKEN = "/etc/hlsswarm/token"
# At most; 10 is no walls at all.
SCORES = {CLIENT: 1.5, ENCODER: 2.5, SERVER: 3.5, "hlsswarm.service": 2.0}


def within(unit, command, what="-m"):
    """A command in namespaces of a unit's main process, as root."""
    return f"nsenter -t $(systemctl show -P MainPID {unit}) {what} -- {command}"


def in_group(unit, command):
    """A command in a unit's control group, where its IP filter is."""
    group = f"/sys/fs/cgroup$(systemctl show -P ControlGroup {unit})"
    return f"( echo $BASHPID >{group}/cgroup.procs; exec {command} )"


start_all()

with subtest("the API has a token, made on the machine"):
    # Until it is there the service ends and is started again; it refuses one that others may read.
    machine.succeed(
        "mkdir -p /etc/hlsswarm",
        f"umask 077; od -An -N16 -tx1 /dev/urandom | tr -d ' \\n' >{TOKEN}",
    )

with subtest("the rig plays, and nothing that a sandbox needs is missing"):
    machine.wait_for_unit("hlsswarm.service")
    machine.wait_until_succeeds(f"{METRICS} | grep '^hlsswarm_clients_active.* 3'")
    machine.fail("journalctl -u hlsswarm.service -o cat | grep '^Without'")

with subtest("scores of systemd-analyze security"):
    lines = machine.succeed("systemd-analyze security --no-pager | grep hlsswarm").splitlines()
    scores = {line.split()[0]: float(line.split()[1]) for line in lines}
    for unit, most in SCORES.items():
        machine.log(f"{unit}: {scores[unit]}")
        assert scores[unit] <= most, (unit, scores[unit])

with subtest("what runs has no capability, cannot gain one, and is nobody's user"):
    status = machine.succeed(f"cat /proc/$(systemctl show -P MainPID {CLIENT})/status")
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(values["CapBnd"], 16) == 0, values["CapBnd"]
    assert int(values["CapEff"], 16) == 0, values["CapEff"]
    assert values["NoNewPrivs"] == "1"
    assert values["Seccomp"] == "2"
    user = int(values["Uid"].split()[0])
    assert 61184 <= user <= 65519, user  # systemd's dynamic users

with subtest("files: homes are empty, the system is read-only"):
    machine.succeed("echo secret >/root/secret; echo secret >/tmp/secret")
    for unit in (CLIENT, ENCODER, SERVER):
        machine.succeed(within(unit, "test -e /etc/os-release"))
        machine.fail(within(unit, "test -e /root/secret"))
        machine.fail(within(unit, "test -e /tmp/secret"))
        machine.fail(within(unit, "touch /etc/written"))
        machine.fail(within(unit, "touch /usr/written"))

with subtest("addresses: the client's group reaches its origin, and nothing else"):
    machine.succeed("ip address add 192.0.2.7/32 dev lo")
    machine.succeed("systemd-run -q --unit=elsewhere python3 -m http.server --bind 192.0.2.7 8099")
    machine.wait_for_open_port(8099, "192.0.2.7")
    other = "curl -sf -m 10 -o /dev/null http://192.0.2.7:8099/"
    origin = "curl -sf -m 30 -o /dev/null http://127.0.0.1:8080/stream.m3u8"
    machine.succeed(other)
    machine.succeed(in_group(CLIENT, origin))
    machine.fail(in_group(CLIENT, other))
    machine.succeed("systemctl stop elsewhere")

with subtest("who may steer: members of the group, by the socket and by systemctl"):
    machine.succeed("useradd -m -G hlsswarm member", "useradd -m stranger")
    ask = "curl -sf -o /dev/null --unix-socket /run/hlsswarm/api.sock http://localhost/"
    machine.succeed(f"runuser -u member -- {ask}")
    machine.fail(f"runuser -u stranger -- {ask}")
    reload = "systemctl --no-ask-password reload hlsswarm.service"
    machine.succeed(f"runuser -u member -- {reload}")
    machine.fail(f"runuser -u stranger -- {reload}")
    # A transient unit is root's right in effect, and nobody was given it.
    machine.succeed("systemd-run -q true")
    machine.fail("runuser -u member -- systemd-run --no-ask-password -q true")
    machine.fail("runuser -u stranger -- systemd-run --no-ask-password -q true")
    machine.fail("runuser -u stranger -- cat /var/lib/hlsswarm/rig-state.json")

with subtest("the API over TCP: 200 with the token, 401 without"):
    machine.wait_for_open_port(8443)

    def answer(path, *headers):
        """The status of an answer; headers are words of the shell."""
        given = " ".join(f"-H {header}" for header in headers)
        url = f"http://127.0.0.1:8443{path}"
        return machine.succeed(
            f"curl -s -m 30 -o /dev/null -w '%{{http_code}}' {given} {url}"
        ).strip()

    right = f'"Authorization: Bearer $(cat {TOKEN})"'
    assert answer("/v1/rig", right) == "200"
    assert answer("/v1/rig") == "401"
    assert answer("/v1/rig", "'Authorization: Bearer 0123456789abcdef'") == "401"
    # Not even whether there is such a path.
    assert answer("/v1/nothing") == "401"
    assert answer("/metrics") == "401"
    assert answer("/healthz") == "200"
    # A page of elsewhere whose name was made to lead here.
    assert answer("/v1/rig", right, "'Host: elsewhere.example'") == "403"
    machine.fail(f"runuser -u stranger -- cat {TOKEN}")
    machine.fail(f"journalctl --no-pager -o cat | grep -F -f {TOKEN}")
