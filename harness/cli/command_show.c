/* qinsbench show: the summary of a result file. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text_format.h"
#include "cli.h"
#include "show_table.h"

enum { OUTPUT, ONLY, METRIC, ALL };
static const struct qb_flag flags[] = {
    {"output", 0, "FORMAT", "console (default), csv, json or markdown"},
    {"only", 0, "M/V/E", "globs of model, variant and experiment; fewer parts: the rest is *; repeatable"},
    {"metric", 0, "GLOB", "metrics to show; repeatable"},
    {"all", 0, NULL, "tables show all metrics, not the first of each experiment; csv and json always have all"},
    {0}};
static const struct qb_usage usage = {
    "show", "RESULT.h5 [options]",
    "Prints the metrics of a result file; tables show those of each experiment that come first in a report.\n"
    "JSON is an array of {model, variant, experiment, metric, value, lo, hi, n,\n"
    "unit, flags, note, floor, encoded_tensors, encoded_weights, encoded_bytes, unbound}. A value is a number, or\n"
    "\"inf\", \"-inf\" or \"nan\"; one that is missing is null, and its flags and note say why. CSV writes inf, -inf,\n"
    "nan, and nothing.",
    flags,
    "  qinsbench show results/source.h5\n"
    "  qinsbench show results/source.h5 --all\n"
    "  qinsbench show results/source.h5 --only 'kjv-*/*/teacher-forced' --metric 'kl_*'\n"
    "  qinsbench show results/source.h5 --output json | jq '.[] | select(.metric==\"match_rate\")'"};

/* ["degenerate","no-interval"] from the flags' text. */
static void json_flags(uint32_t flag_bits, struct qb_text *out)
{
    struct qb_text text = {0};
    qb_flags_print(flag_bits, &text);
    qb_text_add(out, "[");
    for (const char *at = text.data ? text.data : ""; *at;) {
        size_t length = strcspn(at, ",");
        qb_text_add(out, "%s\"%.*s\"", at == text.data ? "" : ", ", (int)length, at);
        at += length + (at[length] == ',');
    }
    qb_text_add(out, "]");
    qb_text_free(&text);
}

/* What the variant is and encodes of the model; null: the file does not say. */
static void json_variant(const struct qb_cell *cell, struct qb_text *out)
{
    const struct qb_reach *reach = &cell->reach;
    qb_text_add(out, ", \"floor\": ");
    qb_json_string(out, qb_floor_name(cell->floor));
    if (!reach->known) {
        qb_text_add(out, ", \"encoded_tensors\": null, \"encoded_weights\": null, \"encoded_bytes\": null, "
                         "\"unbound\": null, \"otherwise\": null, \"otherwise_tensors\": null, "
                         "\"otherwise_weights\": null");
        return;
    }
    qb_text_add(out,
                ", \"encoded_tensors\": %" PRIu64 ", \"encoded_weights\": %" PRIu64 ", \"encoded_bytes\": %" PRIu64
                ", \"unbound\": ",
                reach->tensors, reach->weights, reach->bytes);
    qb_json_string(out, reach->unbound);
    qb_text_add(out, ", \"otherwise\": ");
    qb_json_string(out, reach->otherwise ? reach->otherwise : "");
    qb_text_add(out, ", \"otherwise_tensors\": %" PRIu64 ", \"otherwise_weights\": %" PRIu64, reach->otherwise_tensors,
                reach->otherwise_weights);
}

static void json_row(const struct qb_cell *cell, const struct qb_value *value, bool first, struct qb_text *out)
{
    qb_text_add(out, "%s\n  {\"model\": ", first ? "" : ",");
    qb_json_string(out, cell->model);
    qb_text_add(out, ", \"variant\": ");
    qb_json_string(out, cell->variant);
    qb_text_add(out, ", \"experiment\": ");
    qb_json_string(out, cell->experiment);
    qb_text_add(out, ", \"metric\": ");
    qb_json_string(out, value->metric);
    qb_text_add(out, ", \"value\": ");
    qb_json_number(out, value->value, qb_value_there(value->flags));
    qb_text_add(out, ", \"lo\": ");
    qb_json_number(out, value->lo, !isnan(value->lo));
    qb_text_add(out, ", \"hi\": ");
    qb_json_number(out, value->hi, !isnan(value->hi));
    qb_text_add(out, ", \"n\": %llu, \"unit\": ", (unsigned long long)value->n);
    qb_json_string(out, value->unit);
    qb_text_add(out, ", \"flags\": ");
    json_flags(value->flags, out);
    qb_text_add(out, ", \"note\": ");
    qb_json_string(out, value->note);
    json_variant(cell, out);
    qb_text_add(out, "}");
}

static void csv_row(const struct qb_cell *cell, const struct qb_value *value, struct qb_text *out)
{
    struct qb_text bits = {0};
    const char *texts[] = {cell->model, cell->variant, cell->experiment, value->metric};
    for (size_t i = 0; i < 4; i++) {
        qb_csv_field(out, texts[i]);
        qb_text_add(out, ",");
    }
    qb_csv_number(out, value->value, qb_value_there(value->flags));
    qb_text_add(out, ",");
    qb_csv_number(out, value->lo, !isnan(value->lo));
    qb_text_add(out, ",");
    qb_csv_number(out, value->hi, !isnan(value->hi));
    qb_text_add(out, ",%llu,", (unsigned long long)value->n);
    qb_csv_field(out, value->unit);
    qb_text_add(out, ",");
    qb_flags_print(value->flags, &bits);
    qb_csv_field(out, bits.data ? bits.data : "");
    qb_text_add(out, ",");
    qb_csv_field(out, value->note);
    qb_text_add(out, "\r\n");
    qb_text_free(&bits);
}

static void show_rows(const struct qb_result *result, const struct qb_show_filter *filter, bool json,
                      struct qb_text *out)
{
    size_t rows = 0;
    qb_text_add(out, json ? "[" : "model,variant,experiment,metric,value,lo,hi,n,unit,flags,note\r\n");
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        if (!qb_show_wants(filter, cell))
            continue;
        for (size_t v = 0; v < cell->value_count; v++) {
            if (!qb_globs_match(&filter->metrics, cell->values[v].metric))
                continue;
            if (json)
                json_row(cell, &cell->values[v], rows == 0, out);
            else
                csv_row(cell, &cell->values[v], out);
            rows++;
        }
    }
    if (json)
        qb_text_add(out, "%s]\n", rows ? "\n" : "");
}

/* Does each filter choose something? A file without cells holds nothing to choose among and is shown as it is. */
static enum qb_status check_filter(const struct qb_result *result, const struct qb_show_filter *filter,
                                   struct qb_error *err)
{
    struct qb_only_cells cells = {0};
    struct qb_choice metrics = {0};
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        qb_only_see(&cells, &filter->only, cell->model, cell->variant, cell->experiment);
        for (size_t v = 0; v < cell->value_count && qb_show_wants(filter, cell); v++)
            qb_choice_add(&metrics, cell->values[v].metric);
    }
    if (qb_result_count(result) && !qb_only_check(&filter->only, &cells, err))
        qb_globs_check(&filter->metrics, &metrics, "--metric", "metric of the chosen cells", err);
    qb_only_cells_free(&cells);
    qb_choice_free(&metrics);
    return err->status;
}

static int show(const char *path, const struct qb_show_filter *filter, enum qb_output output, struct qb_error *err)
{
    struct qb_result *result = NULL;
    struct qb_text out = {0};
    if (qb_result_open(path, &result, err) || check_filter(result, filter, err)) {
        qb_result_close(result);
        return qb_complain_error(err);
    }
    if (output == QB_OUTPUT_CONSOLE || output == QB_OUTPUT_MARKDOWN)
        qb_show_tables(result, filter, output == QB_OUTPUT_CONSOLE ? qb_columns(STDOUT_FILENO) : 100,
                       output == QB_OUTPUT_MARKDOWN, &out);
    else
        show_rows(result, filter, output == QB_OUTPUT_JSON, &out);
    int code = qb_print(&out);
    qb_tell_interrupted(result);
    qb_result_close(result);
    qb_text_free(&out);
    return code;
}

int qb_command_show(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_show_filter filter = {0};
    struct qb_error err = {0};
    enum qb_output output = QB_OUTPUT_CONSOLE;
    bool all = false;
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (flag == ALL)
            all = true;
        else if (flag == METRIC   ? qb_globs_add(&filter.metrics, "--metric", optarg, &err)
                 : flag == OUTPUT ? qb_parse_output(optarg, &output, &err)
                                  : qb_only_add(&filter.only, optarg, &err))
            return qb_complain_error(&err);
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc)
        return qb_complain("show: expected one result file, found %d (qinsbench show --help)", argc - optind);
    filter.headlines = !all && !filter.metrics.count && (output == QB_OUTPUT_CONSOLE || output == QB_OUTPUT_MARKDOWN);
    return show(argv[optind], &filter, output, &err);
}
