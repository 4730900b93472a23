#!/bin/sh
# The main job behind `make repro`: run the source suite and the KV cache's, print the ledger, draw the figures, say where
# all is.
set -eu
program=$1
results=$2
start=$(date +%s)
mkdir -p "$results"

# Once more: what still holds is kept, what this program or suite no longer has gives way. The file is this script's own.
"$program" run experiments/suites/source.yaml -o "$results/source.h5" --resume --force
"$program" run experiments/suites/kv.yaml -o "$results/kv.h5" --resume --force
suite=$(($(date +%s) - start))
claims=0
"$program" claims "$results/source.h5" "$results/kv.h5" || claims=$?
"$program" report "$results/source.h5" -o "$results/report"
cat <<EOF

result files $results/source.h5        (h5ls -r, or: $program show $results/source.h5)
             $results/kv.h5            the KV cache, of which the ledger has numbers
page         $results/report/index.html  (one file: tables, floors, flags, figures, ledger)
tables       $results/report/{report.md,tables,tex}
figures      $results/report/figures   (png, svg, pdf, tex; each with its .gp and .dat)
suites $suite s, in all $(($(date +%s) - start)) s
EOF
exit $claims
