#!/bin/sh
# Installs the Debian packages that are missing: `scripts/setup.sh [build|test|lint|latex]...` (each includes build).
# Asks nothing; does nothing when all are there. Needs root, or sudo.
set -eu

build="gcc libc6-dev make pkg-config libyaml-dev libjansson-dev libssl-dev libhdf5-dev libopenblas-pthread-dev libpcre2-dev libutf8proc-dev gnuplot-nox"
test="libcriterion-dev hdf5-tools libxml2-utils poppler-utils"
latex="texlive-latex-base texlive-latex-recommended texlive-science lmodern poppler-utils"
lint="clang clang-format libclang-rt-14-dev"

want="$build"
for group in "$@"; do
    case "$group" in
    build) ;;
    test) want="$want $test" ;;
    lint) want="$want $lint" ;;
    latex) want="$want $latex" ;;
    *) echo "setup: unknown group '$group'; expected build, test, lint or latex" >&2; exit 2 ;;
    esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "setup: no dpkg here; please install what Debian calls: $want" >&2
    exit 0
fi
missing=""
for package in $want; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "setup: please install as root:$missing" >&2
        exit 2
    }
    root="sudo"
fi
echo "setup: installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for step in "update -q" "install -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Options::=--force-unsafe-io$missing"; do
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get $step >"$log" 2>&1 || {
        cat "$log" >&2
        echo "setup: apt-get ${step%% *} failed" >&2
        exit 2
    }
done
