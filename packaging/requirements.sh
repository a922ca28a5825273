#!/bin/sh
# requirements.sh host      tells what is missing to build and run it here, a line each,
#                           apart from packages; 1 if anything is
# requirements.sh build     the same for building alone, and packages
# requirements.sh install   installs what Debian has of it
#
# Environment: GO (go), GOARCH (that of this machine), CC and PKG_CONFIG_LIBDIR, as
# make has them.

set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
ARCH=${GOARCH:-}
for_arch=${ARCH:+ GOARCH=$ARCH}
failed=0

say() { echo "requirements: $1" >&2; }
fail() { say "$1"; failed=1; }
has() { command -v "$1" >/dev/null 2>&1; }
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }
foreign() { [ -n "$ARCH" ] && [ "$ARCH" != "$(own)" ]; }

own() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
    esac
}

# Go 1.21 and newer fetch the Go that go.mod names, if they may.
go_version() {
    wanted=$(sed -n 's/^go //p' go.mod)
    if ! has "$GO"; then
        fail "Go $wanted or newer is not there: https://go.dev/dl has it; GO=PATH where it is not called go"
        return
    fi
    have=$("$GO" env GOVERSION 2>/dev/null) || have=$(GOTOOLCHAIN=local "$GO" env GOVERSION 2>/dev/null) || have=
    at_least "$wanted" "${have#go}" ||
        fail "Go $wanted or newer is needed, and this is ${have:-of no version}: https://go.dev/dl has it; GO=PATH where it is not called go"
}

kernel() {
    release=$(uname -r)
    at_least 5.11 "$release" && return
    if [ "$1" = told ]; then
        say "note: ironwrap runs on Linux 5.11 and newer, and this is $release"
    else
        fail "Linux 5.11 or newer is needed, and this is $release"
    fi
}

gnu_make() {
    make --version 2>/dev/null | grep -q 'GNU Make' || fail "GNU make is not there: apt-get install make"
}

packages() {
    list=$(missing | paste -sd ' ')
    [ -z "$list" ] || fail "not there: $list. make deps$for_arch installs them"
}

# What is missing, as Debian calls it. A Go module that is not there yet has to be
# fetched, and that takes certificates.
missing() {
    has git || [ ! -e .git ] || echo git
    if foreign; then
        c="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" suffix=:$ARCH
        has qemu-aarch64-static || echo qemu-user-static
    else
        c="gcc libc6-dev" suffix=
    fi
    echo '#include <stdlib.h>' | "${CC:-gcc}" -E - >/dev/null 2>&1 || echo "$c"
    has pkg-config || echo pkg-config
    pkg-config --exists libseccomp 2>/dev/null || echo "libseccomp-dev$suffix"
    certificates || modules || echo ca-certificates
}

certificates() {
    [ -n "${SSL_CERT_FILE:-}${SSL_CERT_DIR:-}" ] || [ -s "${CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}" ] ||
        [ -s /etc/pki/tls/certs/ca-bundle.crt ] || [ -s /etc/ssl/ca-bundle.pem ]
}

modules() {
    has "$GO" && GOPROXY=off CGO_ENABLED=1 "$GO" list -deps ./cmd/... >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        say "cannot install packages: not root, and sudo is not there"
        exit 1
    fi
}

install_missing() {
    list=$(missing)
    [ -n "$list" ] || return 0
    if ! has apt-get; then
        fail "not there: $(echo "$list" | paste -sd ' ') (Debian's names). There is no apt-get here to install them with"
        return
    fi
    if foreign; then as_root dpkg --add-architecture "$ARCH"; fi
    as_root apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $list
}

case ${1:-} in
    host)
        go_version
        kernel needed
        gnu_make
        ;;
    build)
        go_version
        kernel told
        gnu_make
        packages
        ;;
    install) install_missing ;;
    *)
        echo "usage: requirements.sh host|build|install" >&2
        exit 2
        ;;
esac
exit $failed
