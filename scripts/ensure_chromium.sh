#!/bin/sh
# Install Chromium for the browser tests where that is possible without asking anybody; say so where it is not.
set -u
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
    echo "Installing Chromium for the browser tests ..."
    if $as_root apt-get update -qq >/dev/null 2>&1 &&
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq chromium >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "WARNING: no Chromium here and none could be installed. Browser tests are skipped (they fail when CI=true)." >&2
echo "         Install your system's package 'chromium' and run 'make test' again." >&2
