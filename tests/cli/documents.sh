#!/bin/bash
# What documents show as a command's output is held by some test: each command line "$ ..." with lines of output under it is
# named by a call of `shows` in tests/, or stands under <!-- not run: REASON -->. (The tutorial has a test that runs it.)
. "$(dirname "$0")/lib.sh"

# unheld DOCUMENT TESTS: the commands whose output no call in the file TESTS names.
unheld() {
    awk '
        FNR == NR { if (match($0, /shows [^ ]+ "[^"]+"/)) { call = substr($0, RSTART, RLENGTH); split(call, part, "\""); held[++n] = part[2] } next }
        /^<!-- not run: .+ -->$/ { excused = 1; next }
        /^```/ { inside = !inside; command = ""; if (!inside) excused = 0; next }
        inside && /<<END/ { here = 1 } here { if (/^END$/) here = 0; next }
        inside && /^\$ / { command = substr($0, 3); next }
        inside && command {
            ok = excused
            for (i = 1; i <= n; i++) ok = ok || index(command, held[i]) == 1
            if (!ok) print command
            command = ""
        }' "$2" "$1"
}
cat tests/cli/*.sh tests/long/*.sh | grep -v '^ *#' >"$TMP/tests"
for document in README.md docs/*.md; do
    case $document in docs/tutorial.md) continue ;; esac
    same "$document: what is shown is held by a test" "$(unheld "$document" "$TMP/tests")" ""
done
echo >"$TMP/none"
check "there were commands to look at" test "$(unheld README.md "$TMP/none" | wc -l)" -ge 3
printf '%s\n' '```' '$ a command' 'prints' '```' '<!-- not run: it takes a year -->' '```' '$ another' 'prints' '```' '```' '$ a third' 'prints' '```' >"$TMP/d.md"
same "what nobody holds is found out" "$(unheld "$TMP/d.md" "$TMP/tests")" "$(printf 'a command\na third')"
finish
