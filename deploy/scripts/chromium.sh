#!/bin/sh
# Browser tests use an installed Chromium. Debian's is installed where we may; else they are skipped.
set -u

has() {
    command -v "$1" >/dev/null 2>&1
}
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1
}

# The one without windows is preferred: each page costs it a third. CI gets it beside another.
# tests/browser/conftest.py has the same names.
found=
for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
    has "$name" && found=$name && break
done
[ "$found" = chromium-headless-shell ] && exit 0
[ -n "$found" ] && [ -z "${CI:-}" ] && exit 0
if [ "$(id -u)" = 0 ] && has apt-get; then
    echo "Installing Chromium for the browser tests (once)" >&2
    apt-get update -qq >/dev/null 2>&1
    install chromium-headless-shell && exit 0
    [ -z "$found" ] && install chromium && exit 0
fi
[ -n "$found" ] && exit 0
echo "NO CHROMIUM: the browser tests will be skipped. Install the package chromium to run them." >&2
