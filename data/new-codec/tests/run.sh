#!/bin/sh
# Tests the plugin: the host's conformance suite, and stored bytes worked out by hand. `make test` runs it.
set -u
cd "$(dirname "$0")/.." || exit 2
failed=0
echo "# conformance"
"${QINSBENCH:-qinsbench}" inspect ./@NAME@.so --conformance || failed=1
echo "# round trip"
tests/round_trip ./@NAME@.so || failed=1
if [ $failed -eq 0 ]; then echo "all tests passed"; else echo "tests failed"; fi
exit $failed
