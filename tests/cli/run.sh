#!/bin/bash
# Every script of tests/cli, one after the other; ends with "N passed, N failed".
set -u
cd "$(dirname "$0")" || exit 2
passed=0 failed=0
for script in ./*.sh; do
    case $script in ./run.sh | ./lib.sh | ./_*) continue ;; esac
    echo "# $script"
    if bash "$script"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
