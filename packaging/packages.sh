#!/bin/sh
# packages.sh programs ARCH STAGE   makes the packages ironwrap and ironwrapctl out of STAGE,
#                                   what make stage left for the architecture ARCH
# packages.sh services              makes ironwrap-SERVICE for each line of packaging/services
#
# Both deb and rpm, into dist/. The same source gives the same bytes: every file has the
# time EPOCH. Environment: VERSION, EPOCH and MAINTAINER, as make has them; GO and NFPM, the
# programs.

set -eu
cd "$(dirname "$0")/.."
umask 022
work=bin/packages
# shellcheck disable=SC2153 # from make
version=$(packaging/version.sh "$VERSION" "$EPOCH")

# package   packs the tree $work/$name for $arch and $format; summary, description (of
# further lines, indented), depends, recommends and enhances are the fields of that name
package() {
    {
        cat <<EOF
name: $name
arch: $arch
version: $version
version_schema: none
section: admin
priority: optional
maintainer: >-
  $MAINTAINER
description: |
  $summary
  $description
mtime: $(date -u -d "@$EPOCH" +%Y-%m-%dT%H:%M:%SZ)
depends: [$depends]
recommends: [$recommends]
contents:
EOF
        contents
        case $format in
            deb)
                echo 'deb:' && echo '  compression: gzip'
                [ -z "$enhances" ] || echo "  fields: {Enhances: $enhances}"
                ;;
            rpm)
                printf '%s\n' 'release: 1' 'license: Apache-2.0' "changelog: $work/$name.changes" \
                    "rpm: {compression: gzip, buildhost: localhost, group: System Environment/Base, summary: \"$(capital "$summary")\"}"
                printf -- "- semver: %s\n  date: %s\n  packager: >-\n    %s\n  changes: [{note: See CHANGELOG.md of the source}]\n" \
                    "'$version-1'" "$(date -u -d "@$EPOCH" +%Y-%m-%dT%H:%M:%SZ)" "$MAINTAINER" >"$work/$name.changes"
                ;;
        esac
        scripts
    } >"$work/$name.yaml"
    "$NFPM" package --config "$work/$name.yaml" --packager "$format" --target dist/
}

capital() { echo "$1" | sed 's/./\U&/'; }

# contents   prints the part of nfpm's file that names what is in the package. Only
# directories of our own are listed, and those of shells that need not be there: others
# belong to other packages.
contents() {
    (cd "$work/$name" && find . -mindepth 1 -printf '%y /%P %l\n' | LC_ALL=C sort) | while read -r type path target; do
        case $type:$path in
            d:*ironwrap* | d:/usr/share/fish* | d:/usr/share/zsh*) echo "  - {dst: $path, type: dir, file_info: {mode: 0755}}" ;;
            d:*) ;;
            l:*) echo "  - {src: $target, dst: $path, type: symlink}" ;;
            *:/etc/*) echo "  - {src: $work/$name$path, dst: $path, type: config|noreplace}" ;;
            *:/usr/share/licenses/*) echo "  - {src: $work/$name$path, dst: $path$(kind license)}" ;;
            *:/usr/share/doc/* | *:/usr/share/man/*) echo "  - {src: $work/$name$path, dst: $path$(kind doc)}" ;;
            *) echo "  - {src: $work/$name$path, dst: $path}" ;;
        esac
    done
}

# What only rpm tells apart.
kind() { [ "$format" = deb ] || echo ", type: $1"; }

# scripts   prints the part of nfpm's file that names the scripts of the package
scripts() {
    case $name:$format in
        ironwrap:deb) put_scripts ironwrap preinst=preinstall postinst=postinstall prerm=preremove postrm=postremove ;;
        ironwrap:rpm) put_scripts ironwrap pre.rpm=preinstall post.rpm=postinstall preun.rpm=preremove postun.rpm=postremove ;;
        ironwrap-*:deb) put_scripts service preinst=preinstall postrm=postremove ;;
    esac
}

put_scripts() {
    of=$1
    shift
    echo scripts:
    for pair; do
        script=$work/$name.${pair%%=*}
        sed -e '/@END_OLD@/{r packaging/scripts/end-old' -e 'd}' -e '/@KEEP_READER@/{r packaging/scripts/keep-reader' -e 'd}' \
            -e "s/@SERVICE@/${name#ironwrap-}/; s/@NAMES@/${names:-}/" "packaging/scripts/$of.${pair%%=*}" >"$script"
        echo "  ${pair#*=}: $script"
    done
}

# move STAGE PATH...   copies paths of the stage, patterns too, to the tree $work/$name
move() {
    stage=$1 tree=$work/$name
    shift
    for path; do
        # shellcheck disable=SC2086 # patterns
        for file in "$stage"/$path; do
            [ -e "$file" ] || { echo "packages.sh: there is no $file" >&2; exit 1; }
            to=$tree/${file#"$stage"/}
            mkdir -p "${to%/*}"
            cp -a "$file" "$to"
        done
    done
}

# papers   adds what each package has to say about itself
papers() {
    tree=$work/$name
    doc=$tree/usr/share/doc/$name
    mkdir -p "$doc"
    if [ -d "$tree/usr/share/man" ]; then find "$tree/usr/share/man" -type f -exec gzip -9n {} +; fi
    if [ "$format" = rpm ]; then
        install -D -m 0644 LICENSE "$tree/usr/share/licenses/$name/LICENSE"
        return
    fi
    sed "s|@NAME@|$name|; s|@YEAR@|$(date -u -d "@$EPOCH" +%Y)|" packaging/copyright.in >"$doc/copyright"
    printf '%s (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md of the source.\n\n -- %s  %s\n' \
        "$name" "$version" "$MAINTAINER" "$(date -u -d "@$EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')" | gzip -9n >"$doc/changelog.gz"
    overrides=packaging/lintian/$name
    [ -f "$overrides" ] || overrides=packaging/lintian/service
    install -D -m 0644 "$overrides" "$tree/usr/share/lintian/overrides/$name"
}

programs() {
    arch=$1 stage=$2 enhances=
    licences=bin/licences-$arch
    mkdir -p dist
    GOARCH=$arch packaging/licences.sh ./cmd/ironwrap ./cmd/ironwrap-read ./cmd/ironwrap-daemon ./cmd/ironwrap-launch ./cmd/ironwrap-call >"$licences"
    GOARCH=$arch CGO_ENABLED=1 packaging/licences.sh ./cmd/ironwrapctl >"$licences-ctl"
    for format in deb rpm; do
        rm -rf "$work" && mkdir -p "$work"

        name=ironwrapctl
        move "$stage" usr/bin/ironwrapctl usr/share/bash-completion usr/share/zsh usr/share/fish \
            'usr/share/man/man?/ironwrapctl*' usr/share/doc/ironwrap/check.md
        papers
        gzip -9n <"$licences-ctl" >"$work/$name/usr/share/doc/$name/licences.gz"
        summary="review, explain and compile policies of ironwrap"
        description="It checks the configuration and filters of ironwrap and oslo.rootwrap, tells
  what they give away and why a command is allowed or not, and compiles seccomp
  profiles."
        case $format in
            deb) depends="libc6 (>= 2.34), libseccomp2 (>= 2.5.0)" recommends=ironwrap ;;
            rpm) depends="'libseccomp.so.2()(64bit)'" recommends= ;;
        esac
        package

        name=ironwrap
        move "$stage" usr/bin/ironwrap usr/bin/ironwrap-daemon usr/bin/ironwrap-call usr/lib usr/share/man usr/share/ironwrap usr/share/doc/ironwrap/daemon.md
        rm "$work/$name"/usr/share/man/man?/ironwrapctl*
        mkdir -p "$work/$name/etc/ironwrap"
        papers
        gzip -9n <"$licences" >"$work/$name/usr/share/doc/$name/licences.gz"
        summary="run commands with the rights that a policy gives them"
        description="It reads the configuration and filters of oslo.rootwrap, decides, and becomes
  the command. The packages ironwrap-SERVICE have it answer for a service."
        depends=
        case $format in
            deb) recommends=ironwrapctl ;;
            rpm) recommends= ;;
        esac
        package
    done
}

services() {
    mkdir -p dist
    while read -r service names; do
        name=ironwrap-$service arch=all depends=ironwrap recommends='' enhances=$service-common
        summary="have ironwrap answer for $service"
        description="As long as this package is installed, ironwrap is what $service
  calls through sudo as $(echo "$names" | sed 's/ /\n  and /'). When it is
  removed, that is the original again."
        for format in deb rpm; do
            rm -rf "$work" && mkdir -p "$work/$name"
            "links_$format"
            papers
            package
        done
    done <packaging/services
}

# In the place of the service's own programs, which dpkg diverts.
links_deb() {
    mkdir -p "$work/$name/usr/bin"
    for program in $names; do
        ln -s "ironwrap${program#*-rootwrap}" "$work/$name/usr/bin/$program"
    done
}

# rpm diverts nothing: sudo finds these first, and takes no others.
links_rpm() {
    mkdir -p "$work/$name/usr/libexec/ironwrap/rootwrap" "$work/$name/etc/sudoers.d"
    for program in $names; do
        ln -s "../../../bin/ironwrap${program#*-rootwrap}" "$work/$name/usr/libexec/ironwrap/rootwrap/$program"
    done
    sudoers >"$work/$name/etc/sudoers.d/zz-$name"
    chmod 0440 "$work/$name/etc/sudoers.d/zz-$name"
}

sudoers() {
    dir=/usr/libexec/ironwrap/rootwrap
    echo "# Has $service's calls of its root helper be ironwrap's. Of the lines that match a"
    echo "# command sudo takes the last: the name of this file sorts behind the service's."
    echo "Defaults:$service secure_path = $dir:/sbin:/bin:/usr/sbin:/usr/bin"
    for program in $names; do
        case $program in
            *-daemon) echo "$service ALL = (root) NOPASSWD: $dir/$program /etc/$service/rootwrap.conf" ;;
            *) echo "$service ALL = (root) NOPASSWD: $dir/$program /etc/$service/rootwrap.conf *" ;;
        esac
    done
    for program in $names privsep-helper; do
        echo "$service ALL = (root) NOPASSWD: !/usr/bin/$program"
    done
}

case ${1:-}:$# in
    programs:3) programs "$2" "$3" ;;
    services:1) services ;;
    *)
        echo "usage: packages.sh programs ARCH STAGE | services" >&2
        exit 2
        ;;
esac
