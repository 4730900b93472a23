#include "run/outlook.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "base/mem.h"

/* Of a file, or of what lies in a folder. */
static double bytes_of(const char *path)
{
    struct stat info;
    double all = 0;
    if (stat(path, &info))
        return 0;
    if (!S_ISDIR(info.st_mode))
        return (double)info.st_size;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (!fstatat(dirfd(dir), entry->d_name, &info, 0) && S_ISREG(info.st_mode))
            all += (double)info.st_size;
    if (dir)
        closedir(dir);
    return all;
}

/* Of model m: the parameters of its generator, or a quarter of its files' bytes. 0: not known. */
static double parameters_of(const struct qb_suite *suite, size_t m)
{
    const struct qb_suite_model *model = &suite->models[m];
    const double hidden = (double)model->generated.hidden;
    if (!model->generator)
        return model->file ? bytes_of(model->file) / 4 : 0;
    return hidden * (double)model->generated.vocab + 12 * hidden * hidden * (double)model->generated.layers;
}

/* How often a cell goes through them, as cells of one experiment compare: the root of the tokens of the text that it
 * reads (of a recorded run's cells, 200 times the text took 9 times as long); 1 where it does not read a text whole. */
static double passes_of(const struct qb_suite *suite, const struct qb_plan_cell *cell)
{
    const struct qb_suite_experiment *experiment = qb_suite_experiment_of(suite, cell->model, cell->experiment);
    const struct qb_words *words = &suite->models[cell->model].corpus;
    if (!(experiment->experiment->reads & (QB_READS_OWN_TEXT | QB_READS_AS_LLAMA)))
        return 1;
    experiment = qb_suite_texts(suite, experiment);
    if (words->kind == QB_WORDS_NONE)
        words = &experiment->corpus;
    if (words->kind == QB_WORDS_GREEDY)
        return sqrt((double)words->length);
    return sqrt((double)(words->length ? words->length : experiment->context) *
                (double)(words->count ? words->count : experiment->chunks));
}

/* What cell i is to a forecast, but for its model's part in its work. */
static struct qb_forecast_cell seen(const struct qb_schedule *schedule, size_t i, double start, double now)
{
    const struct qb_plan_cell *plan = &schedule->plan.cells[i];
    const struct qb_scheduled *cell = &schedule->cells[i];
    struct qb_forecast_cell out = {.model = plan->model,
                                   .kind = plan->experiment * 2 + (plan->variant == QB_PLAN_NONE),
                                   .work = passes_of(schedule->suite, plan),
                                   .exclusive = plan->exclusive,
                                   .started = cell->started - start,
                                   .stage = QB_FORECAST_OVER};
    const struct qb_pieces *pieces = &cell->pieces;
    if (pieces->total > 0) {
        out.taken = (double)pieces->taken / (double)pieces->total;
        out.done = (double)pieces->done / (double)pieces->total;
        out.worked = pieces->at - pieces->from;
        out.since = now - pieces->at;
    }
    if (plan->selected && cell->stage == QB_STAGE_WAITING) {
        out.stage = QB_FORECAST_WAITS;
    } else if (plan->selected && cell->stage == QB_STAGE_RUNNING) {
        out.stage = QB_FORECAST_RUNS;
        out.seconds = now - cell->started;
    } else if (cell->seconds > 0) {
        out.stage = QB_FORECAST_MEASURED;
        out.seconds = cell->seconds;
    }
    return out;
}

double *qb_outlook_parameters(const struct qb_suite *suite, struct qb_error *err)
{
    double *parameters = qb_alloc(suite->model_count, sizeof *parameters, "forecast", err);
    for (size_t m = 0; parameters && m < suite->model_count; m++)
        parameters[m] = parameters_of(suite, m);
    return parameters;
}

enum qb_status qb_outlook(const struct qb_schedule *schedule, const double *parameters, double start, double now,
                          struct qb_forecast *forecast, struct qb_error *err)
{
    const size_t count = schedule->plan.count;
    struct qb_forecast_cell *cells = qb_alloc(count, sizeof *cells, "forecast", err);
    for (size_t i = 0; cells && i < count; i++) {
        cells[i] = seen(schedule, i, start, now);
        cells[i].work *= parameters[cells[i].model];
    }
    if (cells)
        qb_forecast(cells, count, now - start, forecast, err);
    qb_free(cells);
    return err->status;
}
