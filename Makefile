# hlsswarm: `make demo` shows it, `make test` proves it. Both install what is missing first.

PYTHON ?= python3
PORT ?= 8080
DEMO_FLAGS ?=
SUITES ?= trixie forky
VM_TESTS ?=
BENCH ?=

VENV := .venv
BIN := $(VENV)/bin

# What Debian calls what we need: to run, to build pystemd, and to test.
PACKAGES_RUN := systemd ffmpeg nginx-light
PACKAGES_BUILD := python3-venv python3-dev gcc libc6-dev pkg-config libsystemd-dev
# What `hlsswarm ffmpeg build` needs besides.
PACKAGES_FFMPEG := make dpkg-dev xz-utils libmbedtls-dev
PACKAGES_TEST := $(PACKAGES_FFMPEG) dbus dbus-user-session libpam-systemd util-linux procps iproute2 openssl openssh-server chromium fonts-dejavu-core
# Images are built and run by tests: buildah, podman, and a base by mmdebstrap.
PACKAGES_TEST += buildah podman runc mmdebstrap debian-archive-keyring

# What the disk of a virtual machine is made with; QEMU is unpacked, not installed.
PACKAGES_VM := mmdebstrap e2fsprogs debian-archive-keyring

PREFIX ?= /usr/local
LIBDIR := $(PREFIX)/lib/hlsswarm
BINDIR := $(PREFIX)/bin
UNITDIR := $(PREFIX)/lib/systemd/system
# journalctl(1): the only place where catalogs are looked for besides /etc/systemd/catalog.
CATALOGDIR := /usr/lib/systemd/catalog
POLKITDIR := $(PREFIX)/share/polkit-1/rules.d

.PHONY: nix-check bench vm-image vm-test install ffmpeg-minimal help setup demo test test-versions lint format clean packages packages-test packages-vm

help:
	@echo "make setup   install what is missing (apt packages, $(VENV)); then $(BIN)/hlsswarm works"
	@echo "make demo    test origin + 20 clients for 30 s + summary + hlsswarm-report/  (PORT=$(PORT))"
	@echo "make test    all tests, on a real systemd, ffmpeg and nginx"
	@echo "make test-versions   the tests with real streams on ffmpeg of Debian's $(SUITES)"
	@echo "make vm-test tests on a virtual machine: Debian trixie, cgroup v2  (VM_TESTS=smoke,restart)"
	@echo "make vm-image   the disk and kernel that those boot"
	@echo "make nix-check   evaluate the Nix flake  (HLSSWARM_NIXPKGS=DIR)"
	@echo "make install the program and its service on this machine  (PREFIX=$(PREFIX), DESTDIR)"
	@echo "make ffmpeg-minimal   build an ffmpeg that only plays, for cheaper clients"
	@echo "make bench   what it costs, and how far it goes: half an hour  (BENCH=--quick)"
	@echo "make lint    ruff and mypy alone"
	@echo "make clean   remove $(VENV) and what tests have cached"

setup: packages $(VENV)/.hlsswarm-installed

demo: setup
	@echo "==> hlsswarm demo --port $(PORT) $(DEMO_FLAGS)"
	@$(BIN)/hlsswarm demo --port $(PORT) $(DEMO_FLAGS)

test: setup packages-test $(VENV)/.hlsswarm-test-installed
	@echo "==> pytest"
	@$(BIN)/python -m pytest $(TEST_FLAGS)

# The tests that play real streams, on the ffmpegs of later Debian suites as well.
test-versions: setup packages-test $(VENV)/.hlsswarm-test-installed
	@echo "==> fetching ffmpeg of: $(SUITES)"
	@ffmpegs=$$($(BIN)/python -m tests.lab.ffmpeg_versions $(SUITES)) && \
	echo "==> pytest on $$ffmpegs" && \
	HLSSWARM_TEST_FFMPEGS=$$ffmpegs $(BIN)/python -m pytest $(TEST_FLAGS) \
	  tests/test_end_to_end.py tests/test_truth.py tests/client_options

# Needs a quiet machine: bench/README.md.
bench: setup ffmpeg-minimal
	@$(BIN)/python -m bench $(BENCH)

# Virtual machines of Debian trixie, in emulation where there is no KVM: docs/vm.md.
vm-image: setup packages-vm
	@$(BIN)/python -m tests.lab.vm_image

comma := ,
vm-test: setup packages-vm
	@$(BIN)/python -m tests.lab.vm_driver $(subst $(comma), ,$(VM_TESTS))

# The flake, by a Nix of our own that builds nothing: docs/nix.md. HLSSWARM_NIXPKGS=DIR takes a real
# nixpkgs, HLSSWARM_MICROVM=DIR a real microvm.nix; without them stubs stand for both.
nix-check: setup
	@$(BIN)/python -m tests.nix.flake

# An ffmpeg that plays HLS and nothing else; runs take it by themselves once it is there.
ffmpeg-minimal: setup
	$(call install_missing,$(PACKAGES_FFMPEG))
	@$(BIN)/hlsswarm ffmpeg build

# Puts it on this machine (or below DESTDIR): program, service, configuration. Nothing is started.
install:
	$(if $(DESTDIR),,$(call install_missing,$(PACKAGES_RUN) $(PACKAGES_BUILD)))
	@# What an earlier build has left there would be installed along.
	rm -rf build/lib build/bdist.*
	$(PYTHON) -m venv build/pip
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

lint: $(VENV)/.hlsswarm-test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.hlsswarm-test-installed
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

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache build *.egg-info
