# make run     the demonstration; it installs what it needs
# make test    everything; as root the privileged behaviour too; it installs what it needs
# make deps    what make build needs and is not there, from Debian
# make build   the programs, in bin/. GOARCH=arm64: in bin/arm64/, with make deps GOARCH=arm64
# make packages   deb and rpm for amd64 and arm64, in dist/; make release: with SBOM,
#              licences and checksums; ARCHES=amd64 for fewer; MAINTAINER='A Name <address>':
#              who publishes them. docs/packages.md
# make test-packages  the packages: installed, upgraded, removed in roots of Debian's
# make vm-test the scenarios of docs/scenarios.md, in a virtual machine (part of make test)
# make vagrant-test  the same by vagrant up, with libvirt, on two machines of a box that
#              it makes; then vagrant destroy
# make vagrant-payload  what vagrant up needs of a build; vagrant-box: the box alone
# make test-container  what works with Docker's default capabilities (part of make test)
# make test-all  that, and the parts below that take too long for each change
# make vm-test-long  machines with SELinux, and with packages where systemd runs
# make test-services  the code of OpenStack's services, and neutron's functional tests
# make test-ansible  the Ansible role
# make test-fresh  README.md, to the letter, on a minimal Debian: as root, as a user with sudo
# make soak    the soak test of the daemon at full length, 10 to 20 minutes
# make bench   what a call costs, beside sudo, doas and the peer: docs/performance.md.
#              ROUNDS=300 LIMIT=30m, QUICK=1 to try it, BASE=DIR to compare with the
#              build in that directory, PARTS="calls growth daemons"
# make bench-neutron  networks and routers, as oslo.rootwrap's own numbers; NETWORKS=12
# make fuzz    every fuzz target for FUZZTIME each
# make pictures   those of the documents: docs/pictures
# make lint-ansible  ansible-lint on the role, which it installs
# make install DESTDIR= PREFIX=/usr CONFDIR=/etc/ironwrap SETUID=
#              SETUID=1: for callers without sudo, see docs/configuration.md
# make uninstall DESTDIR= PREFIX=/usr   removes exactly that

# Where Go is by its own instructions, sudo's secure_path does not look.
GO       ?= $(or $(shell command -v go),$(wildcard /usr/local/go/bin/go),go)
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

# Another machine's programs lie apart, and are run by QEMU.
HOSTARCH := $(patsubst x86_64,amd64,$(patsubst aarch64,arm64,$(shell uname -m)))
export GOARCH := $(or $(GOARCH),$(HOSTARCH))
FOREIGN  := $(filter-out $(HOSTARCH),$(GOARCH))
BIN       = bin$(addprefix /,$(FOREIGN))
ifneq ($(FOREIGN),)
RUN       = qemu-aarch64-static
CROSS     = CC=aarch64-linux-gnu-gcc PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig
endif
REQUIRE   = @GO='$(GO)' $(CROSS) packaging/requirements.sh

LIBDIR  = $(PREFIX)/lib/ironwrap
LDFLAGS = -s -w -X main.version=$(VERSION) -X ironwrap/sandbox/seccomp.Dir=$(LIBDIR)/profiles \
          -X ironwrap/exec.LauncherPath=$(LIBDIR)/ironwrap-launch \
          -X ironwrap/exec/reading.Program=$(LIBDIR)/ironwrap-read -X ironwrap/policy/compiled.Build=$(BUILD) -X ironwrap/exec.ConfigDir=$(CONFDIR)
BENCHFLAGS = $(if $(QUICK),-quick) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(LIMIT),-limit $(LIMIT)) \
             $(if $(BASE),-base $(BASE)) $(if $(NETWORKS),-networks $(NETWORKS)) $(if $(OUT),-out $(OUT))
ASROOT  = $(if $(filter 0,$(shell id -u)),,sudo)

.NOTPARALLEL:
.PHONY: pictures where host appetite stage uninstall vet test-go packages release test-packages test-services test-ansible test-all build deps testdeps run test test-container vm-test vm-test-long vm-update vagrant-payload vagrant-box vagrant-test vagrantdeps soak bench bench-neutron fuzz lint lint-ansible install clean

# The privileged programs are static and pure Go: no dynamic loader, no name service
# plug-ins, no C. ironwrapctl compiles seccomp profiles with libseccomp.
# The same source gives the same bytes, in whatever directory, with or without git.
BUILDFLAGS = -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
build:
	$(REQUIRE) build
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o $(BIN)/ ./cmd/ironwrap ./cmd/ironwrap-read ./cmd/ironwrap-daemon ./cmd/ironwrap-launch ./cmd/ironwrap-call
	CGO_ENABLED=1 $(CROSS) $(GO) build -buildmode=pie $(BUILDFLAGS) -o $(BIN)/ironwrapctl ./cmd/ironwrapctl
	@mkdir -p $(BIN)/profiles
	@for p in profiles/*.json; do \
	    $(RUN) $(BIN)/ironwrapctl seccomp compile --output $(BIN)/profiles/$$(basename $$p .json).bpf "$$PWD/$$p" || exit 1; \
	done

# What cannot be installed for whoever calls.
host:
	$(REQUIRE) host

deps:
	$(REQUIRE) install

# Not by go run: sudo's secure_path has no Go below /usr/local/go.
run: host deps build
	$(GO) build -o bin/demo ./integration/demo
	$(ASROOT) bin/demo

# The tests beside the code take no package manager in hand: what they compare with
# is put there first, so that as root none of them has a reason to skip.
testdeps:
	@(for p in strace python3 cvtsudoers git patch ps ip qemu-img mandoc man less; do command -v $$p >/dev/null || exit 1; done) || \
	    { $(ASROOT) apt-get update -qq && $(ASROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      strace python3 sudo git patch procps iproute2 qemu-utils mandoc man-db less; }

# What takes longer than a test of everything may, or has the cores for itself.
LONG = vm services ansible packages fresh

# One after the other: the virtual machine has the cores for itself. What fails does
# not keep the rest from being run.
test: host appetite deps build testdeps
	@failed=; for part in vet test-go vm-test; do \
	    $(MAKE) --no-print-directory $$part || failed="$$failed $$part"; \
	done; [ -z "$$failed" ] || { echo "make test: failed:$$failed" >&2; exit 1; }

appetite:
	@echo "make test: $(APPETITE)"
APPETITE = $(if $(ASROOT),not as root: the privileged behaviour is not tested. About 5 minutes and 3 GB on two cores,as \
    root: about 25 minutes on two cores; 7 GB for Go and below /tmp and /var/lib; up to 430 packages of Debian stay installed)

vet:
	$(GO) vet ./...

test-go:
	$(GO) test -count=1 -timeout 25m $$($(GO) list ./... | grep -v $(LONG:%=-e /integration/%))

test-container:
	$(GO) test -count=1 -timeout 25m -run '^TestContainer' ./integration/oneshot ./integration/peer

# Each of them makes root directories of Debian's packages first.
test-all: test vm-test-long test-packages test-services test-ansible test-fresh

test-fresh:
	$(GO) test -count=1 -timeout 3h -v ./integration/fresh

test-ansible:
	$(GO) test -count=1 -timeout 1h ./integration/ansible

test-services:
	$(GO) test -count=1 -timeout 3h -v ./integration/services -all

vm-test:
	$(GO) test -count=1 -timeout 60m ./integration/vm

vm-test-long:
	$(GO) test -count=1 -timeout 60m -run '^TestScenarios$$' ./integration/vm -long

# Writes what came of the run into docs/scenarios.md. Read the difference. MACHINES=long
# for those of vm-test-long.
vm-update:
	$(GO) test -count=1 -timeout 60m ./integration/vm -update $(addprefix -,$(MACHINES))

vagrant-payload: build
	@mkdir -p bin/vagrant
	integration/vm/payload.sh bin/vagrant/payload.tar.gz

vagrant-box:
	@mkdir -p bin/vagrant
	$(ASROOT) $(GO) test -count=1 -timeout 25m -run '^TestScenarios$$' ./integration/vm -image
	integration/vm/box.sh bin/vm/short-* bin/vagrant/ironwrap.box

vagrant-test: vagrant-payload vagrant-box vagrantdeps
	integration/vm/vagrant.sh bin/vagrant/ironwrap.box
	rm -r bin/vagrant

vagrantdeps:
	@command -v vagrant >/dev/null && command -v virsh >/dev/null || \
	    { $(ASROOT) apt-get update -qq && $(ASROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      vagrant vagrant-libvirt libvirt-daemon-system libvirt-daemon libvirt-clients libvirt-daemon-driver-qemu dnsmasq-base iptables; }

soak: build
	IRONWRAP_SOAK=100000 $(GO) test -count=1 -timeout 3h -v -run '^TestDaemonSoak$$' ./integration/daemon

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

pictures: build
	$(ASROOT) docs/pictures/draw.sh

lint-ansible:
	@command -v ansible-lint >/dev/null || \
	    { $(ASROOT) apt-get update -qq && $(ASROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ansible-lint; }
	cd packaging/ansible && ansible-lint --offline --nocolor ironwrap

# A whole tree, for make install and the packages.
STAGE = $(BIN)/stage
stage: build
	rm -rf $(STAGE)
	install -D -m $(if $(SETUID),4755,0755) $(BIN)/ironwrap $(STAGE)$(PREFIX)/bin/ironwrap
	install -D -m 0755 $(BIN)/ironwrap-daemon $(STAGE)$(PREFIX)/bin/ironwrap-daemon
	install -D -m 0700 $(BIN)/ironwrap-read $(STAGE)$(LIBDIR)/ironwrap-read
	install -D -m 0700 $(BIN)/ironwrap-launch $(STAGE)$(LIBDIR)/ironwrap-launch
	install -D -m 0755 $(BIN)/ironwrap-call $(STAGE)$(PREFIX)/bin/ironwrap-call
	install -D -m 0755 $(BIN)/ironwrapctl $(STAGE)$(PREFIX)/bin/ironwrapctl
	install -d $(STAGE)$(LIBDIR)/profiles
	install -m 0644 profiles/*.json $(BIN)/profiles/*.bpf $(STAGE)$(LIBDIR)/profiles
	install -d $(STAGE)$(PREFIX)/share/bash-completion/completions $(STAGE)$(PREFIX)/share/zsh/vendor-completions \
	    $(STAGE)$(PREFIX)/share/fish/vendor_completions.d $(STAGE)$(PREFIX)/share/man/man1
	$(RUN) $(BIN)/ironwrapctl completion bash > $(STAGE)$(PREFIX)/share/bash-completion/completions/ironwrapctl
	install -D -m 0755 packaging/ironwrap-attach $(STAGE)$(LIBDIR)/ironwrap-attach
	install -d $(STAGE)$(PREFIX)/lib/systemd/system
	for unit in packaging/systemd/*; do \
	    sed 's|/usr/bin/ironwrap-daemon|$(PREFIX)/bin/ironwrap-daemon|; s|/usr/share/doc|$(PREFIX)/share/doc|' $$unit \
	        > $(STAGE)$(PREFIX)/lib/systemd/system/$$(basename $$unit) || exit 1; \
	done
	chmod 0644 $(STAGE)$(PREFIX)/lib/systemd/system/ironwrap-daemon@.*
	install -d $(STAGE)$(PREFIX)/share/ironwrap/apparmor
	sed 's|^@{IRONWRAP}=.*|@{IRONWRAP}=$(PREFIX)|' packaging/apparmor/ironwrap > $(STAGE)$(PREFIX)/share/ironwrap/apparmor/ironwrap
	install -D -m 0644 docs/daemon.md $(STAGE)$(PREFIX)/share/doc/ironwrap/daemon.md
	install -D -m 0644 docs/check.md $(STAGE)$(PREFIX)/share/doc/ironwrap/check.md
	$(RUN) $(BIN)/ironwrapctl completion zsh > $(STAGE)$(PREFIX)/share/zsh/vendor-completions/_ironwrapctl
	$(RUN) $(BIN)/ironwrapctl completion fish > $(STAGE)$(PREFIX)/share/fish/vendor_completions.d/ironwrapctl.fish
	for page in man/*.[1-8]; do \
	    install -D -m 0644 $$page $(STAGE)$(PREFIX)/share/man/man$${page##*.}/$$(basename $$page) || exit 1; \
	done
	SOURCE_DATE_EPOCH=$(EPOCH) $(RUN) $(BIN)/ironwrapctl man $(STAGE)$(PREFIX)/share/man/man1
	find $(STAGE)$(PREFIX)/share -type f -exec chmod 0644 {} +

# Every package is made anew: what is in dist/ is of one version. No mail reaches .invalid
# (RFC 2606): whoever publishes packages has an address of their own.
ARCHES  ?= amd64 arm64
MAINTAINER ?= ironwrap packages <packages@ironwrap.invalid>
export MAINTAINER
TOOLS    = bin/tools/nfpm bin/tools/cyclonedx-gomod
PACK     = VERSION='$(VERSION)' EPOCH=$(EPOCH) GO='$(GO)' NFPM=bin/tools/nfpm packaging/packages.sh
packages: bin/tools/nfpm
	rm -rf dist
	for arch in $(ARCHES); do \
	    $(MAKE) --no-print-directory stage GOARCH=$$arch DESTDIR= PREFIX=/usr CONFDIR=/etc/ironwrap SETUID= && \
	    $(PACK) programs $$arch $$($(MAKE) --no-print-directory -s where GOARCH=$$arch) || exit 1; \
	done
	$(PACK) services

where:
	@echo $(STAGE)

$(TOOLS): packaging/tools/go.mod
	$(REQUIRE) build
	GOARCH= CGO_ENABLED=0 $(GO) build -C packaging/tools -trimpath -o ../../bin/tools/ tool

release: packages bin/tools/cyclonedx-gomod
	VERSION='$(VERSION)' EPOCH=$(EPOCH) GO='$(GO)' packaging/release.sh $(ARCHES)

test-packages:
	IRONWRAP_PACKAGES=all $(GO) test -count=1 -timeout 60m -v ./packaging ./integration/packages

install: stage
	packaging/tree.sh put $(STAGE) '$(DESTDIR)' $(LIBDIR)/installed

uninstall:
	packaging/tree.sh take '$(DESTDIR)' $(LIBDIR)/installed

clean:
	rm -rf bin dist
