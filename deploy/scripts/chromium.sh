#!/bin/sh
# Browser tests use an installed Chromium. Debian's is installed where we may; else they are skipped.
set -u

# The one without windows first: each page costs it a third. tests/browser/conftest.py has the same.
for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1
}
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests (once)" >&2
    apt-get update -qq >/dev/null 2>&1
    install chromium-headless-shell && exit 0
    install chromium && exit 0
fi
echo "NO CHROMIUM: the browser tests will be skipped. Install the package chromium to run them." >&2
