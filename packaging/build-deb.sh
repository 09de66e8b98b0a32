#!/usr/bin/env bash
# Makes a Debian package of a built binary: packaging/build-deb.sh BINARY FOLDER
# Needs dpkg-deb alone, and prints the path of the package. packaging/deb/README.md says what is in it.
set -euo pipefail
umask 022

if [ $# -ne 2 ]; then
    echo "usage: packaging/build-deb.sh BINARY FOLDER" >&2
    exit 2
fi
binary=$1 folder=$2
source=$(cd "$(dirname "$0")/.." && pwd)
[ -x "$binary" ] || { echo "$binary is no program: build it first" >&2; exit 1; }

# The version of the workspace; a source date makes the same source give the same package.
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$source/Cargo.toml")
[ -n "$version" ] || { echo "Cargo.toml names no version" >&2; exit 1; }
architecture=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || echo 0)}

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 0755 "$stage"

install -D -m 0755 "$binary" "$stage/usr/bin/recado"
install -D -m 0644 "$source/packaging/recado.toml" "$stage/etc/recado/recado.toml"
install -D -m 0644 "$source/packaging/recado.service" "$stage/lib/systemd/system/recado.service"
for page in LICENSE-MIT LICENSE-APACHE CHANGELOG.md; do
    install -D -m 0644 "$source/$page" "$stage/usr/share/doc/recado/$page"
done
ln -s LICENSE-MIT "$stage/usr/share/doc/recado/copyright"

# A static binary depends on nothing; any other on the C library it was linked with.
depends=passwd
if ldd "$binary" >/dev/null 2>&1; then
    glibc=$(objdump -T "$binary" 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1 | cut -d_ -f2 || true)
    depends="$depends, libc6${glibc:+ (>= $glibc)}, libgcc-s1"
fi

mkdir "$stage/DEBIAN"
cat > "$stage/DEBIAN/control" <<CONTROL
Package: recado
Version: $version
Architecture: $architecture
Maintainer: The Recado contributors <recado@example.com>
Installed-Size: $(du -sk "$stage" | cut -f1)
Depends: $depends
Section: net
Priority: optional
Description: message broker with durable queues and partitioned topics
 Recado keeps messages on disk before it acknowledges them and serves them
 over REST and gRPC, from one binary.
CONTROL
echo /etc/recado/recado.toml > "$stage/DEBIAN/conffiles"
for script in postinst prerm postrm; do
    install -m 0755 "$source/packaging/deb/$script" "$stage/DEBIAN/$script"
done

mkdir -p "$folder"
package="$folder/recado_${version}_${architecture}.deb"
dpkg-deb --root-owner-group --build "$stage" "$package" >/dev/null
echo "$package"
