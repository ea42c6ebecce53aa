#!/bin/sh
# Installs kaiwo @VERSION@: downloads the executable for this machine, checks it against
# the release's SHA256SUMS, and puts it into a directory.
#
#   sh install.sh                    into /usr/local/bin, or ~/.local/bin
#   KAIWO_BIN=/opt/bin sh install.sh into this directory
#   KAIWO_RELEASE=URL sh install.sh  from this directory of files (https:// or file://)
set -eu

release=${KAIWO_RELEASE:-@RELEASE@}

fail() {
    echo "error: $*" >&2
    exit 1
}

download() { # URL FILE
    if command -v curl >/dev/null; then
        curl -fsSL --retry 3 -o "$2" "$1"
    elif command -v wget >/dev/null; then
        wget -q -O "$2" "$1"
    else
        fail "curl or wget is needed"
    fi || fail "cannot download $1"
}

case $(uname -s) in
    Linux) ;;
    *) fail "there is no executable for $(uname -s); see docs/install.md" ;;
esac
case $(uname -m) in
    x86_64 | amd64) file=kaiwo_linux_amd64 ;;
    aarch64 | arm64) file=kaiwo_linux_arm64 ;;
    *) fail "there is no executable for $(uname -m); see docs/install.md" ;;
esac
command -v sha256sum >/dev/null || fail "sha256sum is needed to check the download"

bin=${KAIWO_BIN:-/usr/local/bin}
if [ -z "${KAIWO_BIN:-}" ] && ! [ -w "$bin" ]; then
    bin=$HOME/.local/bin
fi
mkdir -p "$bin"

# In the directory itself, so that the last step replaces the file at once.
place=$(mktemp -d "$bin/.kaiwo.XXXXXX")
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT TERM
download "$release/$file" "$place/$file"
download "$release/SHA256SUMS" "$place/SHA256SUMS"
grep " $file\$" "$place/SHA256SUMS" >"$place/sum" || fail "SHA256SUMS does not list $file"
(cd "$place" && sha256sum -c sum >/dev/null 2>&1) ||
    fail "the checksum of $file is wrong: nothing was installed"
chmod 755 "$place/$file"
mv -f "$place/$file" "$bin/kaiwo"

echo "$bin/kaiwo: $("$bin/kaiwo" --version)" >&2
case :$PATH: in
    *:"$bin":*) ;;
    *) echo "note: $bin is not on your PATH" >&2 ;;
esac
