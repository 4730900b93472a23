#!/bin/bash
# Every reader of strangers' files under libFuzzer, 60 s each: no findings; and a planted fault is one.
set -u
cd "$(dirname "$0")/../.." || exit 2
make --no-print-directory -s fuzz TIME="${TIME:-60}" || exit 1
if PROGRAM=planted tests/fuzz/run.sh yaml || ! grep -q 'stack-buffer-overflow' build-fuzz/yaml.log; then
    echo "the planted fault was not found"
    exit 1
fi
rm -f build-fuzz/findings/planted-*
