/* A value of a report's table: where it stands, and what its flags say. */
#include "report_content.h"

#include <math.h>
#include <string.h>

const char *qb_floor_says(enum qb_floor floor)
{
    static const char *const says[QB_FLOORS] = {NULL, NULL, "what FP32 arithmetic in another order costs",
                                                "what FP16 weights alone cost", "what BF16 weights alone cost"};
    return says[floor];
}

const char *qb_column_unit(const struct qb_report_column *column)
{
    return strcmp(column->unit, "1") == 0 || strstr(column->name, column->unit) ? "" : column->unit;
}

bool qb_value_void(const struct qb_value *value)
{
    return (value->flags & (QB_FLAG_DEGENERATE | QB_FLAG_NONFINITE)) != 0 || isnan(value->value);
}

const char *qb_missing_word(uint32_t flags, const char *dash)
{
    return flags & QB_FLAG_FAILED ? "failed" : flags & QB_FLAG_SKIPPED ? "skipped" : dash;
}

const struct qb_flag_meaning *qb_flag_meanings(void)
{
    static const struct qb_flag_meaning meanings[] = {
        {QB_FLAG_DEGENERATE, "degenerate",
         "the run loops or its distributions are nearly uniform: the value says little and is void"},
        {QB_FLAG_NONFINITE, "nonfinite", "NaN, or Inf where the metric cannot be infinite"},
        {QB_FLAG_FAILED, "failed", "the cell did not finish"},
        {QB_FLAG_SKIPPED, "skipped", "the cell was not run"},
        {QB_FLAG_UNRESOLVED, "unresolved",
         "no further from \"identical to FP32\" than FP32 arithmetic in another order is"},
        {QB_FLAG_CONTAMINATED, "contaminated", "calibrated on text that it is evaluated on"},
        {QB_FLAG_BIASED, "biased", "FP32 over FP32 was not 1 in the same cell: its times are not to be compared"},
        {QB_FLAG_ABSENT, "absent", "there is no value; its note says why"},
        {QB_FLAG_NO_INTERVAL, "no-interval", "the value has no interval; its note says why"},
        {0, NULL, NULL}};
    return meanings;
}

const struct qb_cell *qb_report_cell(const struct qb_report *report, const struct qb_report_table *table, size_t row)
{
    return qb_result_cell(report->result, table->cells[row]);
}

const struct qb_value *qb_report_value(const struct qb_report *report, const struct qb_report_table *table, size_t row,
                                       size_t column, size_t *summary_row)
{
    const struct qb_cell *cell = qb_report_cell(report, table, row);
    for (size_t i = 0; i < cell->value_count; i++)
        if (strcmp(cell->values[i].metric, table->columns[column].name) == 0) {
            *summary_row = report->first_row[table->cells[row]] + i;
            return &cell->values[i];
        }
    return NULL;
}
