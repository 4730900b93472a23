#!/bin/sh
# The version of what computes: SHA-256 over the sources of the rooms that a cell's numbers come from, and over the text
# given (compiler and flags). Content keys cover it: a change of these measures anew, a changed caption or message does
# not. Codecs are not among them, a key covers each plugin's own bytes. Run it in the root; --list prints the files.
rooms="base codec compute weights arch tokenizer model metric"
export LC_ALL=C
files=$(for room in $rooms; do ls harness/"$room"/*.[ch] 2>/dev/null; done; ls experiments/*.[ch])
[ "$1" != --list ] || exec printf '%s\n' "$files"
{
    printf '%s\n' "$1"
    # shellcheck disable=SC2086 # names of this repository
    sha256sum $files
} | sha256sum | cut -d' ' -f1
