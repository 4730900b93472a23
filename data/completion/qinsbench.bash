# Completion for bash. What there is to complete is asked of the program's own help and lists: nothing here repeats it.

# The commands; the options of COMMAND; the words that OPTION of COMMAND takes, where its help names them.
_qinsbench_commands() { "$1" --help 2>/dev/null | sed -n '/^  [a-z]/s/^  \([a-z-]*\) .*/\1/p'; }
_qinsbench_options() { "$1" "$2" --help 2>/dev/null | sed -n 's/^  \(-., \|    \)\(--[a-z0-9-]*\).*/\2/p'; }
_qinsbench_words() {
    "$1" "$2" --help 2>/dev/null | sed -n "s/^  \(-., \|    \)$3 \(FORMAT\|LEVEL\)  *\([^;]*\).*/\3/p" |
        sed 's/ (default)//; s/,/ /g; s/ or / /'
}
# The first column of a list, without its head.
_qinsbench_list() { "$1" list "$2" --output csv 2>/dev/null | sed '1d; s/,.*//'; }

_qinsbench() {
    local program=$1 word=$2 before=$3 command=${COMP_WORDS[1]} words=""
    [ "$before" != = ] || before=${COMP_WORDS[COMP_CWORD - 2]}
    [ "$word" != = ] || word=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="$(_qinsbench_commands "$program") help --help --version"
    elif [ "$command" = help ]; then
        words=$(_qinsbench_commands "$program")
    elif [[ $word == -* ]]; then
        words=$(_qinsbench_options "$program" "$command")
    elif [[ $before == --variant ]]; then
        words=$(_qinsbench_list "$program" variants)
    elif [[ $before == --* ]]; then
        words=$(_qinsbench_words "$program" "$command" "$before")
    elif [[ $command == run || $command == search ]] && [ "$COMP_CWORD" -eq 2 ]; then
        words=$(_qinsbench_list "$program" suites)
    elif [ "$command" = codec ] && [ "$COMP_CWORD" -eq 2 ]; then
        words=$(_qinsbench_list "$program" codecs)
    elif [ "$command" = list ]; then
        words=$("$program" list --help 2>/dev/null | sed -n '1s/|/ /g; 1s/^usage: qinsbench list \(.*\) \[.*/\1/p')
    fi
    # shellcheck disable=SC2207 # names of the program hold no white space
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o bashdefault -o default -F _qinsbench qinsbench
