/* Escaping for HTML, Markdown and LaTeX, anchors, number formats, and SVG made fit for a page. Expected texts are
 * written by hand from the rules of each language. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "reports/escape.h"
#include "reports/svg_inline.h"
#include "reports/value_format.h"

static const char hostile[] =
    "<script>alert(\"1\")</script> | a\\b `c` *d* _e_ [f](g) 5% $x$ #1 {z} ~ ^ & 'q'\n\x1b[31m";

static void same(struct qb_text *out, const char *expected)
{
    cr_expect_str_eq(out->data ? out->data : "", expected);
    qb_text_free(out);
    *out = (struct qb_text){0};
}

Test(report_escape, html)
{
    struct qb_text out = {0};
    qb_escape_html(&out, hostile);
    same(&out, "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; | a\\b `c` *d* _e_ [f](g) 5% $x$ #1 {z} ~ ^ &amp; "
               "&#39;q&#39;\n\\x1b[31m");
}

Test(report_escape, markdown)
{
    struct qb_text out = {0};
    qb_escape_markdown(&out, hostile);
    same(&out, "&lt;script&gt;alert\\(\"1\"\\)&lt;/script&gt; &#124; a\\\\b \\`c\\` \\*d\\* \\_e\\_ \\[f\\]\\(g\\) 5% "
               "\\$x\\$ \\#1 \\{z\\} \\~ ^ &amp; 'q' \\\\x1b\\[31m");
    /* what GitHub makes links and mentions of (cmark-gfm 0.29 with its extensions finds none in these) */
    static const char *const cases[][2] = {{"@someone", "@<!-- -->someone"},
                                           {"a@b.org", "a@<!-- -->b.org"},
                                           {"http://x.org/y", "http:<!-- -->//x.org/y"},
                                           {"ftp://x", "ftp:<!-- -->//x"},
                                           {"WWW.x.org", "WWW<!-- -->.x.org"},
                                           {"a: b/c", "a: b/c"},
                                           /* and what begins a block */
                                           {"- a - b", "\\- a - b"},
                                           {"===", "\\==="},
                                           {"12. a 3. b", "12\\. a 3. b"},
                                           {"2.5", "2.5"},
                                           {"-2.5", "-2.5"},
                                           {"    code", "&#32;   code"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        qb_escape_markdown(&out, cases[i][0]);
        same(&out, cases[i][1]);
    }
}

Test(report_escape, latex)
{
    struct qb_text out = {0};
    qb_escape_latex(&out, "a\\b {5%} $x$ #1 _e ~ ^ & <|> -- 'q'");
    same(&out, "a\\textbackslash{}b \\{5\\%\\} \\$x\\$ \\#1 \\_e \\textasciitilde{} \\textasciicircum{} \\& "
               "\\textless{}\\textbar{}\\textgreater{} -{}- {}'q{}'");
    qb_escape_latex(&out, "\xc2\xb1 \xe2\x89\xa4 \xe2\x98\x83 pattern-a");
    same(&out, "\\textpm{} \\ensuremath{\\leq} [U+2603] pattern-a");
}

/* Cleaning comes first, in every language (base/utf8.h); the backslash of \xNN is then one to escape. */
Test(report_escape, every_language_cleans)
{
    struct qb_text out = {0};
    qb_escape_html(&out, "\xff\xe2\x80\xae<");
    same(&out, "\\xff\\xe2\\x80\\xae&lt;");
    qb_escape_markdown(&out, "\xff|\n");
    same(&out, "\\\\xff&#124; ");
    qb_escape_latex(&out, "\x1b\\input{/etc/passwd}\n");
    same(&out, "\\textbackslash{}x1b\\textbackslash{}input\\{/etc/passwd\\} ");
}

Test(report_escape, anchors_are_unique)
{
    struct qb_text out = {0};
    qb_anchor(&out, "kjv-transformer", "pattern-a", "teacher-forced", "kl_mean");
    same(&out, "kjv-transformer.pattern-a.teacher-forced.kl_mean");
    qb_anchor(&out, "a.b", "c", "greedy", NULL);
    same(&out, "a:2eb.c.greedy");
    qb_anchor(&out, "a", "b.c", "greedy", NULL);
    same(&out, "a.b:2ec.greedy");
    qb_anchor(&out, "m", "v", "e", "x\"><b");
    same(&out, "m.v.e.x:22:3e:3cb");
}

/* ---- number formats ---- */

static void prints(const double *x, size_t n, const char *unit, const char *plain, const char *siunitx)
{
    struct qb_text out = {0};
    struct qb_value_format format = qb_value_format_for(x, n, unit);
    for (size_t i = 0; i < n; i++) {
        qb_text_add(&out, i ? " " : "");
        qb_value_plain(&out, format, x[i]);
    }
    same(&out, plain);
    qb_value_siunitx(&out, format, x, n);
    same(&out, siunitx);
}

Test(report_escape, columns_print_evenly)
{
    prints((double[]){100, 98.4765625, 0, NAN}, 4, "%", "100.00 98.48 0.00 NaN", "3.2");
    prints((double[]){10962016, 15680512}, 2, "bytes", "10962016 15680512", "8.0");
    prints((double[]){4.424e-4, 6.514, 432.1, 0, 3.5e4}, 5, "nat", "4.42e-4 6.51 432 0 3.50e4", "3.2e-1");
    prints((double[]){-33.84, 36.05, 73.669}, 3, "dB", "-33.84 36.05 73.67", "-2.2");
    prints((double[]){9.9996e-5, 1e-12}, 2, "nat", "1.00e-4 1.00e-12", "1.2e-2");
    prints((double[]){INFINITY, -INFINITY}, 2, "nat", "\u221e -\u221e", "1.0");
}

Test(report_escape, html_numbers)
{
    struct qb_text out = {0};
    qb_value_html(&out, (struct qb_value_format){QB_STYLE_SCIENTIFIC, 2}, -4.43e-4);
    same(&out, "&minus;4.43e&minus;4");
    qb_value_html(&out, (struct qb_value_format){QB_STYLE_INTEGER, 0}, 10962016);
    same(&out, "10&#8239;962&#8239;016");
    qb_value_html(&out, (struct qb_value_format){QB_STYLE_INTEGER, 0}, 2560);
    same(&out, "2560");
}

/* ---- SVG ---- */

static enum qb_status inlined(const char *svg, struct qb_text *out)
{
    struct qb_error err = {0};
    return qb_svg_inline(svg, "kl-", "KL \"divergence\"", out, &err);
}

Test(report_escape, svg_ids_and_colours)
{
    struct qb_text out = {0};
    cr_expect_eq(
        inlined("<?xml version=\"1.0\"?>\n<!DOCTYPE svg>\n<svg width=\"672\" height=\"453\" viewBox=\"0 0 672 453\" "
                "xmlns=\"http://www.w3.org/2000/svg\"><title>Gnuplot</title><!-- note --><defs>"
                "<path id='p1' stroke='currentColor' d='M0,0'/></defs><use xlink:href='#p1' "
                "fill=\"rgb( 0,  0, 0)\" stroke=\"rgb(200, 200, 200)\" color=\"rgb(0,114,178)\"/>"
                "<rect fill=\"#ffffff\"/><g fill=\"url(#pat)\"><text>a &lt; b</text></g></svg>\n",
                &out),
        QB_OK);
    same(&out,
         "<svg viewBox=\"0 0 672 453\" role=\"img\" aria-label=\"KL &quot;divergence&quot;\"><defs><path "
         "id=\"kl-p1\" stroke=\"currentColor\" d=\"M0,0\"/></defs><use xlink:href=\"#kl-p1\" fill=\"currentColor\" "
         "stroke=\"var(--rule)\" color=\"rgb(0,114,178)\"/><rect fill=\"var(--paper)\"/><g "
         "fill=\"url(#kl-pat)\"><text>a &lt; b</text></g></svg>\n");
}

Test(report_escape, svg_that_could_run_or_load_is_refused)
{
    static const char *const bad[] = {
        "<svg><script>alert(1)</script></svg>",
        "<svg><SCRIPT>alert(1)</SCRIPT></svg>",
        "<svg onload=\"alert(1)\"></svg>",
        "<svg><g OnClick='alert(1)'/></svg>",
        "<svg><image href=\"#x\"/></svg>",
        "<svg><foreignObject/></svg>",
        "<svg><a href=\"#x\">x</a></svg>",
        "<svg><use xlink:href=\"http://example.org/x.svg#a\"/></svg>",
        "<svg><rect fill=\"url(http://example.org/p)\"/></svg>",
        "<svg><rect fill=\"URL( 'http://example.org/p')\"/></svg>",
        "<svg><g id=bare></g></svg>",
        "<svg><g id='a\"><b'/></svg>",
        "<svg><style>@import 'x'</style></svg>",
        "<p>no picture</p>",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct qb_text out = {0};
        cr_expect_eq(inlined(bad[i], &out), QB_ERR_INPUT, "%s gave %s", bad[i], out.data ? out.data : "");
        qb_text_free(&out);
    }
}
