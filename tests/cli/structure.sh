#!/bin/bash
# How the house is built (docs/architecture.md): which room includes which, no circle of files, nothing that no other
# file uses, and a page that names files which exist. Read from the sources' includes and the objects' symbols.
. "$(dirname "$0")/lib.sh"

# A room and what it may include; "run/experiment.h" allows one header of a room.
rooms='
base
codec        base
compute      codec base
weights      codec base
arch         weights codec base
tokenizer    weights codec base
model        tokenizer arch weights compute codec base
metric       base compute/kernels.h
store        metric base
gate         run/experiment.h store metric base
run          store metric model tokenizer arch weights compute codec base
experiments  run/experiment.h run/parts.h model weights compute metric codec base
reports      store metric codec/role.h base
cli          reports run gate store metric model tokenizer arch weights compute codec base
codecs       codec.h codec_util.h codec_block.h codec_table.h codec_scaled.h gguf.h gguf_search.h bitsandbytes.h affine.h affine_int.h codebook.h'

# Used by tests alone, each for its reason.
for_tests='
qb_attention_ref     plain loops that the kernels are compared with
qb_gelu_ref          likewise
qb_gelu_tanh_ref     likewise
qb_gemm_nt_ref       likewise
qb_gemm_cuts_freely  whether plans of products may be finer, which a test holds them to
qb_gemv              held against OpenBLAS at every length
qb_kl_plain          likewise
qb_layernorm_ref     likewise
qb_logsumexp_plain   likewise
qb_rmsnorm_ref       likewise
qb_silu_ref          likewise
qb_softcap_ref       likewise
qb_softmax_ref       likewise
qb_mem_fail_at       makes the n-th allocation fail
qb_model_named       how tests take one tensor of a model
qb_beta_cdf          likewise
qb_figure_names      likewise
qb_gate_rules_parse  likewise
qb_rope_frequencies  likewise
qb_top2_margin       likewise
qb_model_named       likewise: of a model, what its tensors hold
qb_transform         likewise
qb_tokenizer_decode  the way back: what encoding lost shows there'

# sources ROOT: the C files and headers of the rooms, relative to it.
sources() { (cd "$1" && find harness experiments reports codecs -name '*.[ch]' 2>/dev/null | sort); }

# includes ROOT: an include that the table does not allow, one a line.
includes() {
    sources "$1" | (cd "$1" && xargs grep -H '^#include "') | awk -F '["]' -v rooms="$rooms" '
        BEGIN {
            for (n = split(rooms, lines, "\n"); n > 0; n--)
                for (k = split(lines[n], word, " "); k > 0; k--)
                    may[word[1], word[k]] = 1
        }
        {
            split($1, path, "[/:]"); split($2, to, "/")
            room = path[1] == "harness" ? path[2] : path[1]
            own = $1; sub("/[^/]*$", "", own)
            beside = $2 !~ "/" && (room != "codecs" || system("test -e " own "/" $2) == 0)
            if (!beside && !((room, to[1]) in may) && !((room, $2) in may))
                print substr($1, 1, index($1, ":") - 1) " includes " $2
        }'
}

# symbols ROOT OBJECTS: "object type symbol" of each source that has one, its global symbols alone.
symbols() {
    sources "$1" | sed -n '/^codecs/d; s/c$/o/p' | (cd "$2" && xargs ls 2>/dev/null | xargs nm -A) |
        awk '{ sub(":.*", "", $1); if ($(NF - 1) ~ /^[UTDRBVC]$/) print $1, $(NF - 1), $NF }'
}

# circles ROOT OBJECTS: files that use one another in a circle, one a line, with what they use.
circles() {
    symbols "$@" | awk '
        $2 == "U" { uses[$1 " " $3] = 1; next }
        { where[$3] = $1 }
        END { for (u in uses) { split(u, p, " "); if (p[2] in where && where[p[2]] != p[1]) print p[1], where[p[2]] } }
    ' | sort -u >"$TMP/edges"
    tsort "$TMP/edges" 2>&1 >/dev/null | awk '
        / loop:$/ { if (loop) print loop; loop = ""; next }
        { loop = loop (loop ? " -> " : "") $2 }
        END { if (loop) print loop }' | sort -u
}

# unused ROOT OBJECTS: global symbols that no other file uses, but those for tests; and of that list what needs no place.
unused() {
    symbols "$@" | awk -v list="$for_tests" '
        BEGIN { for (n = split(list, lines, "\n"); n > 0; n--) if (split(lines[n], word, " ")) listed[word[1]] = 1 }
        $2 == "U" { used[$3] = 1; next }
        { where[$3] = $1 }
        END {
            for (s in where)
                if (!(s in used) && s != "main" && s !~ /^__/) {
                    if (!(s in listed)) print where[s] ": " s
                    delete listed[s]
                }
            for (s in listed) print "for_tests: " s
        }' | sort
}

# writers ROOT OBJECTS: what writes to stdout or stderr and is not the border (harness/cli/border.c), nor on the list.
may_write='harness/codec/guard.o perror'  # words of its own, in a child of the conformance suite
writers() {
    symbols "$@" | awk -v list="$may_write" '
        $2 == "U" && $3 ~ /^_*(stdout|stderr|v?d?printf|puts|putchar|perror|psignal|err|errx|warnx?)(_chk)?$/ &&
            $1 != "harness/cli/border.o" && $1 " " $3 != list { print $1 ": " $3 }'
    sources "$1" | grep -v '^harness/cli/border.c$' | (cd "$1" && xargs grep -H 'write(\(STD\|[12],\)') | cut -d : -f 1
}

# missing PAGE: files that the page names in backquotes, by their path here, and that are not there; NAME stands for any.
missing() {
    grep -o '`[a-z]*/[^` ]*`' "$1" | tr -d '`' | grep -v NAME | sort -u | while read -r name; do
        [ -e "$name" ] || echo "$name"
    done
}

# none NAME FOUND: passes when nothing was found.
none() { if [ -z "$2" ]; then pass "$1"; else fail "$1" "$2"; fi; }

same "every source has its object" "$(cd "$BUILD/obj" && sources "$ROOT" | sed -n '/^codecs/d; s/c$/o/p' | xargs ls 2>&1 >/dev/null)" ""
none "every include goes the way of the rooms" "$(includes .)"
none "no file uses itself through others" "$(circles . "$BUILD/obj")"
none "nothing is there that no other file uses" "$(unused . "$BUILD/obj")"
none "no figure's script evaluates a text" "$(grep -Hn 'eval ' reports/figures/*.gp | sed '/:#/d' |
    grep -v 'eval \(place\|y_name\|key_panel\|key_under\|key_look\|decade_tics\|void_ground\|row_tics\|look\|sprintf("text = tensors_%d\[%d\]", m, t)\)')"
none "nothing is printed past the border" "$(writers . "$BUILD/obj")"
page=docs/architecture.md
none "$page names files that exist" "$(missing $page)"
for room in $(cd harness && ls -d -- */) codecs/ experiments/ reports/; do
    has "$page tells of the room $room" "$(cat $page)" "${room#harness/}"
done

none "every codec has a README" "$(cd codecs && for codec in */; do [ -e "$codec/README.md" ] || echo "$codec"; done)"

# A house with each fault: seen.
mkdir -p "$TMP/house"/{harness/base,harness/cli,codecs/x}
cd "$TMP/house" || exit 2
touch harness/cli/cli.h codecs/x/x.h
printf '#include "cli/cli.h"\nint qb_b(int x);\nint qb_a(int x) { return x ? qb_b(x - 1) : 0; }\n' >harness/base/a.c
printf 'int qb_a(int x);\nint qb_b(int x) { return qb_a(x); }\n' >harness/base/b.c
printf 'int qb_dead(void) { return 0; }\n' >harness/base/c.c
printf '#include "x.h"\n#include "codec.h"\n#include "mem.h"\n' >codecs/x/x.c
printf 'A page: `harness/base/a.c`, `harness/base/gone.c`.\n' >page.md
for file in a b c; do cc -Iharness -c harness/base/$file.c -o harness/base/$file.o || fail "the planted house builds"; done
same "an include upward and a codec's of the harness are seen" "$(includes .)" \
    "codecs/x/x.c includes mem.h
harness/base/a.c includes cli/cli.h"
same "a circle of two files is seen" "$(circles . .)" "harness/base/a.o -> harness/base/b.o"
for_tests='qb_a  listed, and used'
same "a function without a caller is seen, and a place on the list in vain" "$(unused . .)" \
    "for_tests: qb_a
harness/base/c.o: qb_dead"
printf '#include <stdio.h>\nvoid qb_say(const char *s) { fprintf(stderr, "%%s", s); }\n' >harness/base/c.c
cc -Iharness -c harness/base/c.c -o harness/base/c.o
printf '#include <unistd.h>\nlong qb_a(void) { return write(STDOUT_FILENO, "a", 1); }\n' >harness/base/b.c
same "what prints past the border is seen" "$(writers . .)" "harness/base/c.o: stderr
harness/base/b.c"
same "a file that the page names and that is gone is seen" "$(missing page.md)" "harness/base/gone.c"
finish
