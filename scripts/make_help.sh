#!/bin/sh
# The targets of a Makefile that have a comment right above them, and that comment: `scripts/make_help.sh Makefile`.
exec awk '
    /^# / { said = said (said ? " " : "") substr($0, 3); next }
    /^[a-z][a-z-]*:/ && said { sub(":.*", ""); printf "  %-11s%s\n", $0, said }
    { said = "" }' "$1"
