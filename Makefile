# hlsswarm: `make demo` shows it, `make test` proves it. Both install what is missing first.

PYTHON ?= python3
PORT ?= 8080
DEMO_FLAGS ?=
SUITES ?= trixie forky
VM_TESTS ?=
BENCH ?=
# Of a test origin (ORIGIN_FLAGS="--encode once --listen 0.0.0.0") and of a MicroVM.
ORIGIN_FLAGS ?=
MICROVM_FLAGS ?=
PROFILE ?=
URL ?=
CLIENTS ?=
# Of the images: BASE=debian:bookworm-slim CONTAINER_FLAGS=--isolation=chroot
BASE ?=
CONTAINER_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin

# What Debian calls what we need: to run, to build pystemd, and to test.
PACKAGES_RUN := systemd ffmpeg nginx-light procps
PACKAGES_BUILD := python3-venv python3-dev gcc libc6-dev pkg-config libsystemd-dev
# What `hlsswarm ffmpeg build` needs besides.
PACKAGES_FFMPEG := make dpkg-dev xz-utils libmbedtls-dev
# What images are built and run with.
PACKAGES_CONTAINERS := buildah podman runc
PACKAGES_TEST := $(PACKAGES_FFMPEG) dbus dbus-user-session libpam-systemd util-linux iproute2 openssl openssh-server chromium fonts-dejavu-core
# Tests do so on a base that mmdebstrap makes.
PACKAGES_TEST += $(PACKAGES_CONTAINERS) mmdebstrap debian-archive-keyring

# What the disk of a virtual machine is made with; QEMU is unpacked, not installed.
PACKAGES_VM := mmdebstrap e2fsprogs debian-archive-keyring

PREFIX ?= /usr/local
LIBDIR := $(PREFIX)/lib/hlsswarm
BINDIR := $(PREFIX)/bin
UNITDIR := $(PREFIX)/lib/systemd/system
# journalctl(1): the only place where catalogs are looked for besides /etc/systemd/catalog.
CATALOGDIR := /usr/lib/systemd/catalog
POLKITDIR := $(PREFIX)/share/polkit-1/rules.d

ORIGINS := test-origin-low-latency test-origin-4k-abr test-origin-stress

.PHONY: help setup demo dev install clean test-origin $(ORIGINS) test-origin-stop \
  microvm-check-kvm microvm-origin microvm-swarm vm-image containers build ffmpeg-minimal \
  test check lint format test-versions vm-test nix-check bench packages packages-containers \
  packages-test packages-vm

# A line of help is a target and, behind two #, what it does; a group begins with a line of three.
help:
	@echo "hlsswarm: real ffmpeg HLS clients as systemd units. Targets install what they need."
	@awk -F ':.*## ' \
	  '/^### / { printf "\n%s\n", substr($$0, 5) } \
	   /^[a-z0-9-]+:.*## / { printf "  make %-26s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo "Variables: PORT=$(PORT) PREFIX=$(PREFIX) VM_TESTS=smoke,restart TEST_FLAGS=-x BENCH=--quick"
	@echo "           ORIGIN_FLAGS='--encode once' PROFILE= URL= CLIENTS= (MicroVMs)"

### To begin
setup: packages $(VENV)/.hlsswarm-installed ## what is missing, by apt and pip; then .venv/bin/hlsswarm works

demo: setup ## test origin + 20 clients for 30 s + summary + hlsswarm-report/
	@echo "==> hlsswarm demo --port $(PORT) $(DEMO_FLAGS)"
	@$(BIN)/hlsswarm demo --port $(PORT) $(DEMO_FLAGS)

# With Nix its shell; without, one with the tools of $(VENV) in PATH.
dev: setup packages-test $(VENV)/.hlsswarm-test-installed ## a shell with hlsswarm, pytest, ruff, mypy in PATH
	@if command -v nix >/dev/null; then exec nix develop; fi; \
	echo "==> a shell with $(BIN) in PATH; \`exit\` leaves it"; \
	PATH="$(CURDIR)/$(BIN):$$PATH" exec "$${SHELL:-/bin/sh}"

### A stream to test with: http://127.0.0.1:PORT/stream.m3u8
test-origin: setup ## the test origin on port PORT: 720p, segments of 2 s
	@$(BIN)/hlsswarm origin start --port $(PORT) $(ORIGIN_FLAGS)

test-origin-low-latency: setup ## 720p, segments of 1 s
test-origin-4k-abr: setup ## five renditions up to 2160p, encoded once and played in a loop
test-origin-stress: setup ## four small renditions, segments of 1 s: many requests
# A variable of its own: one that is given on the command line is not added to. Given flags come
# after it, so that they have the last word.
test-origin-4k-abr: ENCODED := --encode once
$(ORIGINS):
	@$(BIN)/hlsswarm origin start --profile $(@:test-origin-%=%) --port $(PORT) $(ENCODED) $(ORIGIN_FLAGS)

test-origin-stop: setup ## end it
	@$(BIN)/hlsswarm origin stop --port $(PORT)

### On a virtual machine of its own: docs/vm.md
microvm-check-kvm: setup ## whether KVM can be used here, in a sentence
	@$(BIN)/python -m tests.lab.vm_kvm || :

microvm-origin: setup packages-vm ## a test origin as a MicroVM, on port 17080
	@$(BIN)/python -m tests.lab.vm_micro origin $(if $(PROFILE),--profile $(PROFILE)) $(MICROVM_FLAGS)

microvm-swarm: setup packages-vm ## a swarm as a MicroVM, of that origin or of URL
	@$(BIN)/python -m tests.lab.vm_micro swarm $(if $(URL),--url $(URL)) \
	  $(if $(CLIENTS),--clients $(CLIENTS)) $(MICROVM_FLAGS)

vm-image: setup packages-vm ## Debian trixie with hlsswarm: disk, kernel, and how QEMU boots it
	@$(BIN)/python -m tests.lab.vm_appliance

### To ship
# Puts it on this machine (or below DESTDIR): program, service, configuration. Nothing is started.
install: ## program and service on this machine (PREFIX, DESTDIR)
	$(if $(DESTDIR),,$(call install_missing,$(PACKAGES_RUN) $(PACKAGES_BUILD)))
	@# What an earlier build has left there would be installed along.
	rm -rf build/lib build/bdist.*
	$(PYTHON) -m venv --clear build/pip
	build/pip/bin/python -m pip install -q --disable-pip-version-check --upgrade \
	  --target $(DESTDIR)$(LIBDIR) .
	install -d $(DESTDIR)$(BINDIR)
	sed 's#@libdir@#$(LIBDIR)#; s#@python@#$(shell $(PYTHON) -c \
	  'import sys; print(getattr(sys, "_base_executable", sys.executable))')#' systemd/hlsswarm.launcher >build/hlsswarm
	install -m 755 build/hlsswarm $(DESTDIR)$(BINDIR)/hlsswarm
	sed 's#@bindir@#$(BINDIR)#' systemd/hlsswarm.service >build/hlsswarm.service
	install -D -m 644 build/hlsswarm.service $(DESTDIR)$(UNITDIR)/hlsswarm.service
	install -D -m 644 systemd/hlsswarm.slice $(DESTDIR)$(UNITDIR)/hlsswarm.slice
	install -D -m 644 systemd/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/hlsswarm.conf
	install -D -m 644 systemd/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/hlsswarm.conf
	install -D -m 644 systemd/hlsswarm.catalog $(DESTDIR)$(CATALOGDIR)/hlsswarm.catalog
	install -D -m 644 systemd/50-hlsswarm.rules \
	  $(DESTDIR)$(POLKITDIR)/50-hlsswarm.rules
	[ -e $(DESTDIR)/etc/hlsswarm/hlsswarm.toml ] || \
	  install -D -m 640 systemd/hlsswarm.toml $(DESTDIR)/etc/hlsswarm/hlsswarm.toml
	[ -n "$(DESTDIR)" ] || [ ! -d /run/systemd/system ] || { \
	  systemd-sysusers hlsswarm.conf; systemd-tmpfiles --create hlsswarm.conf; \
	  journalctl --update-catalog; systemctl daemon-reload; }
	@echo "Edit /etc/hlsswarm/hlsswarm.toml, then: systemctl enable --now hlsswarm"

build: ## the Python package: dist/*.whl and *.tar.gz
	$(call install_missing,python3-venv)
	@rm -rf build/lib build/bdist.* dist
	@$(PYTHON) -m venv --clear build/pip
	@build/pip/bin/python -m pip install -q --disable-pip-version-check build
	@build/pip/bin/python -m build --outdir dist . >/dev/null
	@ls dist/*

# An ffmpeg that plays HLS and nothing else; runs take it by themselves once it is there.
ffmpeg-minimal: setup ## an ffmpeg that only plays, for cheaper clients
	$(call install_missing,$(PACKAGES_FFMPEG))
	@$(BIN)/hlsswarm ffmpeg build

# The docker format keeps the health check. BASE is asked for at a registry, unless it is here.
containers: packages-containers ## the two images, by buildah: docs/containers.md  (BASE=image)
	buildah build --format=docker $(if $(BASE),--build-arg BASE=$(BASE)) $(CONTAINER_FLAGS) \
	  -t hlsswarm -f containers/Containerfile .
	buildah build --format=docker $(if $(BASE),--build-arg BASE=$(BASE)) $(CONTAINER_FLAGS) \
	  -t hlsswarm-systemd -f containers/Containerfile.systemd .

### To change it
test: setup packages-test $(VENV)/.hlsswarm-test-installed ## all tests, on a real systemd, ffmpeg and nginx
	@echo "==> pytest"
	@$(BIN)/python -m pytest $(TEST_FLAGS)

# What neither starts a service nor needs one.
check: lint ## ruff, mypy, and the tests of pure parts: a minute
	@$(BIN)/python -m pytest tests/core tests/telemetry tests/metrics tests/report tests/test_imports.py

# The tests that play real streams, on the ffmpegs of later Debian suites as well.
test-versions: setup packages-test $(VENV)/.hlsswarm-test-installed ## real streams on ffmpeg 7.1 and later (SUITES=trixie)
	@echo "==> fetching ffmpeg of: $(SUITES)"
	@ffmpegs=$$($(BIN)/python -m tests.lab.ffmpeg_versions $(SUITES)) && \
	echo "==> pytest on $$ffmpegs" && \
	HLSSWARM_TEST_FFMPEGS=$$ffmpegs $(BIN)/python -m pytest $(TEST_FLAGS) \
	  tests/test_end_to_end.py tests/test_truth.py tests/client_options

# Needs a quiet machine: bench/README.md.
bench: setup ffmpeg-minimal ## what it costs, and how far it goes: half an hour
	@$(BIN)/python -m bench $(BENCH)

# On Debian trixie, in emulation where there is no KVM: docs/vm.md.
comma := ,
vm-test: setup packages-vm ## tests on virtual machines (VM_TESTS=smoke,restart; else all)
	@$(BIN)/python -m tests.lab.vm_driver $(subst $(comma), ,$(VM_TESTS))

# The flake, by a Nix of our own that builds nothing: docs/nix.md. HLSSWARM_NIXPKGS=DIR takes a real
# nixpkgs, HLSSWARM_MICROVM=DIR a real microvm.nix; without them stubs stand for both.
nix-check: setup ## evaluate the Nix flake (HLSSWARM_NIXPKGS=DIR)
	@$(BIN)/python -m tests.nix.flake

lint: $(VENV)/.hlsswarm-test-installed ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.hlsswarm-test-installed ## have ruff put it right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Installs those of the packages $(1) that are missing. A web server or an sshd that comes along must
# not start: policy-rc.d says so while apt runs, and afterwards it stays disabled.
define install_missing
	@set -eu; \
	command -v dpkg-query >/dev/null || { \
	  echo "==> not Debian: these have to be there already: $(1)"; exit 0; }; \
	missing=; for package in $(1); do \
	  case "$$(dpkg-query -W -f='$${Status}' $$package 2>/dev/null)" in \
	    "install ok installed") ;; *) missing="$$missing $$package";; esac; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	echo "==> installing:$$missing"; \
	[ "$$(id -u)" = 0 ] || { echo "Not root. Run: sudo apt-get install$$missing" >&2; exit 1; }; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
	  printf '#!/bin/sh\nexit 101\n' >$$policy; chmod +x $$policy; \
	  trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	install="apt-get install -y -q --no-install-recommends -o Acquire::Retries=3"; \
	$$install $$missing >/dev/null 2>&1 || { \
	  apt-get update -q -o Acquire::Retries=3 >/dev/null; $$install $$missing >/dev/null; }; \
	case "$$missing" in *nginx*) \
	  if [ -d /run/systemd/system ]; then systemctl disable -q nginx.service || true; fi;; esac; \
	case "$$missing" in *openssh-server*) systemctl disable -q ssh.service || true;; esac
endef

packages:
	$(call install_missing,$(PACKAGES_RUN) $(PACKAGES_BUILD))

packages-vm:
	$(call install_missing,$(PACKAGES_VM))

packages-containers:
	$(call install_missing,$(PACKAGES_CONTAINERS))

packages-test:
	$(call install_missing,$(PACKAGES_TEST))

$(BIN)/python:
	@echo "==> making $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.hlsswarm-installed: pyproject.toml | packages $(BIN)/python
	@echo "==> installing hlsswarm and its libraries into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.hlsswarm-test-installed: pyproject.toml | packages $(BIN)/python
	@echo "==> installing the test tools into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@

clean: ## remove .venv, what was built, what tests have cached (2 GB)
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
