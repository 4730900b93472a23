/* What CI systems read: JUnit XML and Markdown, with hostile texts in them. */
#include "gate_case.h"

#include "base/escape.h"
#include "gate/json_write.h"

static struct qb_gate_row row_of(const char *variant, enum qb_gate_verdict verdict, const char *reason)
{
    struct qb_gate_row row = {.model = "m",
                              .variant = variant,
                              .experiment = "teacher-forced",
                              .metric = "kl_mean",
                              .unit = "nat",
                              .worse_unit = "nat",
                              .verdict = verdict,
                              .baseline = 0.5,
                              .value = 0.75,
                              .worse = 0.25,
                              .has_baseline = true,
                              .has_value = true,
                              .lo = 0.125,
                              .hi = 0.375,
                              .lo_level = 0.995,
                              .hi_level = 0.95,
                              .margin = 0.025,
                              .detectable = 0.0625};
    snprintf(row.reason, sizeof row.reason, "%s", reason);
    return row;
}

static struct qb_gate five(struct qb_gate_row rows[5])
{
    rows[0] = row_of("a", QB_GATE_PASS, "fine");
    rows[1] = row_of("b", QB_GATE_FAIL, "<&\"'> \x01 \xff |x|\n]]>");
    rows[2] = row_of("c", QB_GATE_INCONCLUSIVE, "too little data");
    rows[3] = row_of("d", QB_GATE_NEW, "the baseline lacks this metric");
    rows[3].worse = rows[3].margin = NAN;
    rows[3].model = "n";
    rows[4] = row_of("-", QB_GATE_UNMATCHED, "r.yaml:2: the rule matched nothing");
    rows[4].worse = rows[4].margin = NAN;
    rows[4].model = "-";
    strcpy(rows[4].metric, "rule");
    return (struct qb_gate){
        .rows = rows, .count = 5, .verdicts = {1, 1, 1, 1, 1}, .compared = 3, .family = 2, .alpha = 0.05};
}

Test(gate_report, junit)
{
    struct qb_gate_row rows[5];
    struct qb_gate gate = five(rows);
    struct qb_text out = {0};
    static const char expected[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuites name=\"qinsbench gate\" tests=\"5\" failures=\"1\" errors=\"0\" skipped=\"2\">\n"
        "  <testsuite name=\"m/teacher-forced\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"0\">\n"
        "    <testcase classname=\"m.teacher-forced\" name=\"a kl_mean\" time=\"0\"><system-out>pass: fine; worse by "
        "0.25 [0.125 at 99.5%, 0.375 at 95%] nat, margin 0.025, finds 0.0625</system-out></testcase>\n"
        "    <testcase classname=\"m.teacher-forced\" name=\"b kl_mean\" time=\"0\"><failure message=\""
        "&lt;&amp;&quot;&#39;&gt; \\x01 \\xff |x|\n]]&gt;; worse by 0.25 [0.125 at 99.5%, 0.375 at 95%] nat, margin "
        "0.025, finds 0.0625\"/>"
        "</testcase>\n"
        "    <testcase classname=\"m.teacher-forced\" name=\"c kl_mean\" time=\"0\"><skipped message=\"too little "
        "data; "
        "worse by 0.25 [0.125 at 99.5%, 0.375 at 95%] nat, margin 0.025, finds 0.0625\"/></testcase>\n"
        "  </testsuite>\n"
        "  <testsuite name=\"n/teacher-forced\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"0\">\n"
        "    <testcase classname=\"n.teacher-forced\" name=\"d kl_mean\" time=\"0\"><system-out>new: the baseline "
        "lacks "
        "this metric</system-out></testcase>\n"
        "  </testsuite>\n"
        "  <testsuite name=\"-/teacher-forced\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"1\" time=\"0\">\n"
        "    <testcase classname=\"-.teacher-forced\" name=\"- rule\" time=\"0\"><skipped message=\"r.yaml:2: the rule "
        "matched nothing\"/></testcase>\n"
        "  </testsuite>\n"
        "</testsuites>\n";
    qb_gate_junit(&gate, &out);
    cr_assert_str_eq(out.data, expected);
    qb_text_free(&out);
}

Test(gate_report, markdown)
{
    struct qb_gate_row rows[5];
    struct qb_gate gate = five(rows);
    struct qb_text out = {0};
    qb_gate_markdown_report(&gate, &out);
    const char *fail = strstr(out.data, "| fail | m | b |"), *open = strstr(out.data, "| inconclusive | m | c |"),
               *fresh = strstr(out.data, "| new | n | d |"), *rule = strstr(out.data, "| unmatched | - | - |"),
               *pass = strstr(out.data, "| pass | m | a |");
    cr_assert(fail && open && fresh && rule && pass && fail < open && open < fresh && fresh < rule && rule < pass, "%s",
              out.data);
    cr_assert_not_null(strstr(out.data, "**Gate: 1 pass, 1 fail, 1 inconclusive, 1 new, 1 unmatched**"));
    cr_assert_not_null(strstr(out.data, "&#124;x&#124; \\]\\]&gt;"), "%s", out.data);
    cr_assert_not_null(strstr(out.data, "<details><summary>1 passed</summary>"));
    qb_text_free(&out);
}

/* The Char production of XML 1.0 (fifth edition, 2.2) and the predefined entities. */
Test(gate_report, xml_holds_no_illegal_byte)
{
    struct qb_text out = {0};
    qb_escape_html(&out, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 <\xc0\x80> \xed\xa0\x80 \xef\xbf\xbf \xe2\x82 \x7f\x1b");
    cr_assert_str_eq(out.data,
                     "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 &lt;\\xc0\\x80&gt; \\xed\\xa0\\x80 \\xef\\xbf\\xbf "
                     "\\xe2\\x82 \\x7f\\x1b");
    qb_text_free(&out);
}

Test(gate_report, numbers_read_back)
{
    static const double cases[] = {0.1, 1.0 / 3, 1e-310, 5e-324, 1.7976931348623157e308, 123456789012345680, -0.0, 42};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_text out = {0};
        qb_gate_json_number(&out, cases[i], true);
        double back = strtod(out.data, NULL);
        cr_assert_eq(memcmp(&back, &cases[i], sizeof back), 0, "%s", out.data);
        qb_text_free(&out);
    }
}
