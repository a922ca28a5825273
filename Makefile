# make run     the demonstration
# make test    everything; as root the privileged behaviour too
# make vm-test the scenarios of docs/scenarios.md, in a virtual machine (part of make test)
# make vagrant-test  the same by vagrant up, with libvirt, on two machines of a box that
#              it makes; then vagrant destroy
# make vagrant-payload  what vagrant up needs of a build; vagrant-box: the box alone
# make test-container  what works with Docker's default capabilities (part of make test)
# make test-all  that, and the parts below that take too long for each change
# make test-services  the code of OpenStack's services, and neutron's functional tests
# make test-ansible  the Ansible role
# make soak    the soak test of the daemon at full length, 10 to 20 minutes
# make bench   what a call costs, beside sudo, doas and the peer: docs/performance.md.
#              ROUNDS=300 LIMIT=30m, QUICK=1 to try it, BASE=DIR to compare with the
#              build in that directory, PARTS="calls growth daemons"
# make bench-neutron  networks and routers, as oslo.rootwrap's own numbers; NETWORKS=12
# make fuzz    every fuzz target for FUZZTIME each
# make lint-ansible  ansible-lint on the role, which it installs
# make install DESTDIR= PREFIX=/usr CONFDIR=/etc/ironwrap SETUID=
#              SETUID=1: for callers without sudo, see docs/configuration.md

GO       ?= go
PREFIX   ?= /usr
CONFDIR  ?= /etc/ironwrap
DESTDIR  ?=
SETUID   ?=
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 30s
# The day on the man pages: that of the last change.
EPOCH    ?= $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || echo 0))

# What tells the programs of one build from those of another: a compiled policy is obeyed
# by its own.
SOURCES  = $(shell find cmd exec filters policy sandbox -name '*.go' | LC_ALL=C sort)
BUILD   := $(VERSION)-$(firstword $(shell cat go.mod go.sum $(SOURCES) | cksum))

LIBDIR  = $(PREFIX)/lib/ironwrap
LDFLAGS = -s -w -X main.version=$(VERSION) -X ironwrap/sandbox/seccomp.Dir=$(LIBDIR)/profiles \
          -X ironwrap/exec.LauncherPath=$(LIBDIR)/ironwrap-launch \
          -X ironwrap/exec/reading.Program=$(LIBDIR)/ironwrap-read -X ironwrap/policy/compiled.Build=$(BUILD) -X ironwrap/exec.ConfigDir=$(CONFDIR)
BENCHFLAGS = $(if $(QUICK),-quick) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(LIMIT),-limit $(LIMIT)) \
             $(if $(BASE),-base $(BASE)) $(if $(NETWORKS),-networks $(NETWORKS)) $(if $(OUT),-out $(OUT))
ASROOT  = $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: build deps testdeps run test test-container test-services test-ansible test-all vm-test vm-update vagrant-payload vagrant-box vagrant-test vagrantdeps soak bench bench-neutron fuzz lint lint-ansible install clean

# The privileged programs are static and pure Go: no dynamic loader, no name service
# plug-ins, no C. ironwrapctl compiles seccomp profiles with libseccomp.
build: deps
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/ironwrap ./cmd/ironwrap-read ./cmd/ironwrap-daemon ./cmd/ironwrap-launch ./cmd/ironwrap-call
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ironwrapctl ./cmd/ironwrapctl
	@mkdir -p bin/profiles
	@for p in profiles/*.json; do \
	    bin/ironwrapctl seccomp compile --output bin/profiles/$$(basename $$p .json).bpf $$PWD/$$p || exit 1; \
	done

# What Debian has to have for the build.
deps:
	@command -v gcc >/dev/null && command -v pkg-config >/dev/null && pkg-config --exists libseccomp || \
	    { $(ASROOT) apt-get update -qq && $(ASROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      gcc libc6-dev pkg-config libseccomp-dev; }

# Not by go run: sudo's secure_path has no Go below /usr/local/go.
run: build
	$(GO) build -o bin/demo ./integration/demo
	$(ASROOT) bin/demo

# The tests beside the code take no package manager in hand: what they compare with
# is put there first, so that as root none of them has a reason to skip.
testdeps:
	@(for p in strace python3 cvtsudoers git patch ip qemu-img mandoc man; do command -v $$p >/dev/null || exit 1; done) || \
	    { $(ASROOT) apt-get update -qq && $(ASROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      strace python3 sudo git patch iproute2 qemu-utils mandoc man-db; }

# What takes longer than a test of everything may, or has the cores for itself.
LONG = vm services ansible

test: build testdeps
	$(GO) vet ./...
	$(GO) test -count=1 -timeout 25m $$($(GO) list ./... | grep -v $(LONG:%=-e /integration/%))
	$(MAKE) vm-test

test-container:
	$(GO) test -count=1 -timeout 25m -run '^TestContainer' ./integration

# Each of them makes root directories of Debian's packages first.
test-all: test test-services test-ansible

test-ansible:
	$(GO) test -count=1 -timeout 1h ./integration/ansible

test-services:
	$(GO) test -count=1 -timeout 3h -v ./integration/services -all

vm-test:
	$(GO) test -count=1 -timeout 25m ./integration/vm

# Writes what came of the run into docs/scenarios.md. Read the difference.
vm-update:
	$(GO) test -count=1 -timeout 25m ./integration/vm -update

vagrant-payload: build
	@mkdir -p bin/vagrant
	integration/vm/payload.sh bin/vagrant/payload.tar.gz

vagrant-box:
	@mkdir -p bin/vagrant
	$(ASROOT) $(GO) test -count=1 -timeout 25m -run '^TestScenarios$$' ./integration/vm -image
	integration/vm/box.sh bin/vm/* bin/vagrant/ironwrap.box

vagrant-test: vagrant-payload vagrant-box vagrantdeps
	integration/vm/vagrant.sh bin/vagrant/ironwrap.box
	rm -r bin/vagrant

vagrantdeps:
	@command -v vagrant >/dev/null && command -v virsh >/dev/null || \
	    { $(ASROOT) apt-get update -qq && $(ASROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      vagrant vagrant-libvirt libvirt-daemon-system libvirt-daemon libvirt-clients libvirt-daemon-driver-qemu dnsmasq-base iptables; }

soak: build
	IRONWRAP_SOAK=100000 $(GO) test -count=1 -timeout 3h -v -run '^TestDaemonSoak$$' ./integration

bench: build
	$(if $(QUICK),,$(GO) test -run '^$$' -bench . -benchmem ./policy/... ./filters/...)
	$(GO) build -o bin/bench-program ./integration/bench
	$(ASROOT) env PATH="$$PATH" bin/bench-program $(BENCHFLAGS) $(PARTS)

bench-neutron: build
	$(GO) build -o bin/bench-program ./integration/bench
	$(ASROOT) env PATH="$$PATH" bin/bench-program $(BENCHFLAGS) neutron

# A worker that is busy when the time is over makes go test say "context deadline
# exceeded", which is no finding.
fuzz:
	@for package in $$($(GO) list ./...); do \
	    for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	        echo "== $$package $$target"; \
	        out=$$($(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x $$package 2>&1) || \
	            case "$$out" in *"context deadline exceeded"*) ;; *) echo "$$out"; exit 1 ;; esac; \
	        echo "$$out" | grep execs | tail -1; \
	    done; \
	done

lint:
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.6.2 run

lint-ansible:
	@command -v ansible-lint >/dev/null || \
	    { $(ASROOT) apt-get update -qq && $(ASROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ansible-lint; }
	cd packaging/ansible && ansible-lint --offline --nocolor ironwrap

install: build
	install -D -m $(if $(SETUID),4755,0755) bin/ironwrap $(DESTDIR)$(PREFIX)/bin/ironwrap
	install -D -m 0755 bin/ironwrap-daemon $(DESTDIR)$(PREFIX)/bin/ironwrap-daemon
	install -D -m 0700 bin/ironwrap-read $(DESTDIR)$(LIBDIR)/ironwrap-read
	install -D -m 0700 bin/ironwrap-launch $(DESTDIR)$(LIBDIR)/ironwrap-launch
	install -D -m 0755 bin/ironwrap-call $(DESTDIR)$(PREFIX)/bin/ironwrap-call
	install -D -m 0755 bin/ironwrapctl $(DESTDIR)$(PREFIX)/bin/ironwrapctl
	install -d $(DESTDIR)$(LIBDIR)/profiles
	install -m 0644 profiles/*.json bin/profiles/*.bpf $(DESTDIR)$(LIBDIR)/profiles
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)$(PREFIX)/share/man/man1
	bin/ironwrapctl completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ironwrapctl
	install -D -m 0755 packaging/ironwrap-attach $(DESTDIR)$(LIBDIR)/ironwrap-attach
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in packaging/systemd/*; do \
	    sed 's|/usr/bin/ironwrap-daemon|$(PREFIX)/bin/ironwrap-daemon|; s|/usr/share/doc|$(PREFIX)/share/doc|' $$unit \
	        > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$(basename $$unit) || exit 1; \
	done
	chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/ironwrap-daemon@.*
	install -d $(DESTDIR)$(PREFIX)/share/ironwrap/apparmor
	sed 's|^@{IRONWRAP}=.*|@{IRONWRAP}=$(PREFIX)|' packaging/apparmor/ironwrap > $(DESTDIR)$(PREFIX)/share/ironwrap/apparmor/ironwrap
	chmod 0644 $(DESTDIR)$(PREFIX)/share/ironwrap/apparmor/ironwrap
	install -D -m 0644 docs/daemon.md $(DESTDIR)$(PREFIX)/share/doc/ironwrap/daemon.md
	install -D -m 0644 docs/check.md $(DESTDIR)$(PREFIX)/share/doc/ironwrap/check.md
	bin/ironwrapctl completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_ironwrapctl
	bin/ironwrapctl completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ironwrapctl.fish
	for page in man/*.[1-8]; do \
	    install -D -m 0644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$(basename $$page) || exit 1; \
	done
	SOURCE_DATE_EPOCH=$(EPOCH) bin/ironwrapctl man $(DESTDIR)$(PREFIX)/share/man/man1

clean:
	rm -rf bin
