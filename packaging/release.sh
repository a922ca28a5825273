#!/bin/sh
# release.sh ARCH...   adds to the packages in dist/: what each program is made of
# (CycloneDX), the licences of that, and checksums of all
#
# Environment: VERSION, EPOCH and GO as make has them.
set -eu
cd "$(dirname "$0")/.."
# shellcheck disable=SC2153 # from make
version=$(packaging/version.sh "$VERSION" "$EPOCH")
work=bin/release

for arch; do
    rm -rf $work
    mkdir -p $work
    for deb in dist/*_"$arch".deb; do dpkg-deb -x "$deb" $work; done
    for program in "$work"/usr/bin/* $work/usr/lib/ironwrap/ironwrap-launch $work/usr/lib/ironwrap/ironwrap-read; do
        # As Go has written it into the program. Neither serial number nor time: the same
        # source gives the same file. Licences are not guessed: their texts are beside it.
        bin/tools/cyclonedx-gomod bin -json -noserial -notimestamp -std -version "$version" \
            -output "dist/$(basename "$program")-$version-$arch.cdx.json" "$program"
    done
    GOARCH=$arch CGO_ENABLED=1 packaging/licences.sh ./cmd/... >"dist/licences-$version-$arch.txt"
done
(cd dist && rm -f SHA256SUMS && sha256sum -- *) >bin/SHA256SUMS
mv bin/SHA256SUMS dist/
