#!/bin/bash
# What the program says of itself is said alike everywhere: --help, the manual page, bash's completion, `make help`.
. "$(dirname "$0")/lib.sh"

page=docs/qinsbench.1
commands=$("$QINSBENCH" --help | sed -n '/^  [a-z]/s/^  \([a-z-]*\) .*/\1/p')
for c in $commands; do "$QINSBENCH" "$c" --help >"$TMP/$c.help"; done
options() { sed -n 's/^  \(-., \|    \)\(--[a-z0-9-]*\).*/\2/p' "$TMP/$1.help" | grep -vx -e --help; }
same "help is the overview" "$("$QINSBENCH" help)" "$("$QINSBENCH" --help)"
same "-V is --version" "$("$QINSBENCH" -V)" "$("$QINSBENCH" --version)"
for c in $commands; do
    [ "$("$QINSBENCH" help "$c")" = "$("$QINSBENCH" "$c" --help)" ] || fail "help $c"
done
pass "help COMMAND is COMMAND --help"
has "help of no command" "$("$QINSBENCH" help shwo 2>&1)" "did you mean 'show'?"

# ---- the manual page: each command, and each of its options in its synopsis or its section, long or short ----

# part COMMAND: what the page has of it.
part() {
    awk -v c="$1" '
        /^\.Nm$/ || /^\.Sh/ || /^\.Ss/ { on = 0 }
        $1 == ".Cm" && prev == ".Nm" { on = $2 == c }
        $1 == ".Ss" { on = $2 == c }
        on { print }
        { prev = $0 }' "$2"
}
# undocumented PAGE: "command option" of each that the page does not have. (chat speaks as generate does.)
undocumented() {
    local c option letter words help
    for c in $commands; do
        words=$(part "$c" "$1")
        help=$(cat "$TMP/$c.help")
        [ -n "$words" ] || echo "$c"
        [ "$c" != chat ] || words="$words $(part generate "$1")"
        for option in $(options "$c"); do
            letter=$(sed -n "s/^  -\(.\), $option .*/\1/p" <<<"$help")
            grep -q -e " ${option#-}\( \|$\)" <<<"$words" || { [ -n "$letter" ] && grep -q " $letter\( \|$\)" <<<"$words"; } ||
                echo "$c $option"
        done
    done
}
same "the manual page has every command and option" "$(undocumented $page)" ""
sed '/Fl -metric/d' $page >"$TMP/page.1"
has "and a page without one is found out" "$(undocumented "$TMP/page.1")" "show --metric"
same "the README names every command" "$(for c in $commands; do grep -q "qinsbench $c\b" README.md || echo "$c"; done)" ""

# Options of llama.cpp that documents name.
foreign=$'--kl-divergence\n--kl-divergence-base'
# overdone PAGE: options that the page has of a command and that are none of it, nor of generate's that chat takes.
overdone() {
    local c
    for c in $commands; do
        part "$c" "$1" | grep -oE 'Fl -[a-z0-9-]+' | sed 's/Fl /-/' | grep -vxF -e --help -e "$foreign" -e "$(options "$c")" | sed "s/^/$c /"
    done
}
same "and no option that is none" "$(overdone $page)" ""
sed 's/Fl -metric/Fl -metrik/' $page >"$TMP/page.1"
has "one is found out" "$(overdone "$TMP/page.1")" "show --metrik"
all_options=$(for c in $commands; do options "$c"; done; printf '%s\n' --help --version)
named=$(grep -oE '(^|[ `(])--[a-z][a-z0-9-]+' README.md docs/*.md | sed 's/.*--/--/' | sort -u)
scripts=$(grep -hoE -e '--[a-z][a-z0-9-]+' scripts/*.sh scripts/*.py scripts/*/*.py tests/*.sh tests/*/*.sh | sort -u)
same "README and documents name options that there are" \
    "$(grep -vxF -e "$all_options" -e "$scripts" <<<"$named" | grep -vxF -e "$foreign")" ""
# environment: what the sources read or set, and what the page lists
same "the manual page's environment is what the sources ask for" \
    "$(sed -n '/^\.Sh ENVIRONMENT/,/^\.Sh FILES/p' $page | grep -oE 'Ev [A-Z_]+' | cut -c4- | sort -u)" \
    "$(grep -rhoE 'etenv\("[A-Z_]+"' harness reports experiments codecs | grep -oE '[A-Z_]{2,}' | sort -u)"
codes() { grep -oE "$1" "$2" | grep -oE '[0-9]+' | sort -nu | tr '\n' ' '; }
same "exit codes: manual page and source" "$(sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/p' $page | codes '^\.It [0-9]+' -)" \
    "$(codes 'QB_EXIT_[A-Z]+ = [0-9]+' harness/cli/cli.h)"

# ---- completion ----

. data/completion/qinsbench.bash
# complete_words WORD...: what the last word can become behind the others.
complete_words() {
    COMP_WORDS=(qinsbench "$@") COMP_CWORD=$#
    _qinsbench "$QINSBENCH" "${COMP_WORDS[$#]}" "${COMP_WORDS[$(($# - 1))]}"
    printf '%s\n' "${COMPREPLY[@]}"
}
same "completion: commands" "$(complete_words '' | sort)" "$(printf '%s\n' $commands help --help --version | sort)"
for c in $commands; do
    [ "$(complete_words "$c" -- | grep -vx -e --help)" = "$(options "$c")" ] || fail "completion of $c" "$(complete_words "$c" --)"
done
pass "completion: options of every command"
same "completion: an option's words" "$(complete_words show --output c)" "$(printf 'console\ncsv')"
same "completion: behind =" "$(complete_words show --output = j)" "json"
same "completion: levels" "$(complete_words run --isa p)" "portable"
same "completion: a file is no word" "$(complete_words convert x -o '')" ""
same "completion: lists" "$(complete_words list exp)" "experiments"
same "completion: shipped suites" "$(complete_words run sour)" "source"
same "completion: variants" "$(complete_words generate m --variant pattern-a-c)" "pattern-a-cached"

# ---- the Makefile ----

said=$(make -s help)
for target in all setup test check test-long fuzz repro models install clean lint asan; do
    grep -q "^  $target  *[A-Z]" <<<"$said" || fail "make help says nothing of $target"
    grep -q "^$target:" Makefile || fail "no target $target"
done
pass "make help"
targets=$(sed -n 's/^\([a-z][a-z-]*\):\( .*\)\{0,1\}$/\1/p' Makefile | sort -u)
same "what make help lists are targets" "$(sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p' <<<"$said" | sort -u | comm -23 - <(printf '%s\n' "$targets"))" ""
# (The tutorial is of another Makefile, and is run.)
same "what README and documents name as well" \
    "$(grep -ohE '(`|^\$ |^)make( -[a-zA-Z0-9]+)* [a-z][a-z-]+' README.md $(ls docs/*.md | grep -v tutorial) | sed 's/.* //' | sort -u | comm -23 - <(printf '%s\n' "$targets"))" ""
said=$(make -n install DESTDIR=/dest PREFIX=/p BUILD="$BUILD")
has "make install: the documents" "$said" "/dest/p/share/doc/qinsbench/docs/"
has "and completion, where bash looks for it" "$said" "/dest/p/share/bash-completion/completions/qinsbench"
has "make check wants a name" "$(make check 2>&1)" "make check T=unit/test_text"
same "and runs what it names alone" "$(BUILD=$BUILD tests/run.sh unit/test_text 2>&1 | tail -n 1)" "1 passed, 0 failed"
finish
