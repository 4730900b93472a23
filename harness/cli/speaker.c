#include "speaker.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"

enum { BLOCK = 256 }; /* tokens read at once */

struct qb_speaking qb_speaking_default(double temperature)
{
    return (struct qb_speaking){.variant = "fp32",
                                .sampling = {temperature, 40, 0.95, 0.05},
                                .fused = true,
                                .seed = 42,
                                .steps = 256,
                                .threads = qb_cpu()->cores};
}

static enum qb_status take_real(const char *flag, double most, double *value, struct qb_error *err)
{
    char *end = NULL;
    double x = strtod(optarg, &end);
    if (end == optarg || *end || !(x >= 0 && x <= most))
        return qb_fail(err, QB_ERR_INPUT, "%s: expected a number in [0, %g], found '%s'", flag, most, optarg);
    *value = x;
    return QB_OK;
}

enum qb_status qb_speaking_take(int flag, struct qb_speaking *speaking, struct qb_error *err)
{
    long count = 0;
    switch (flag) {
    case QB_SPEAK_VARIANT:
        speaking->variant = optarg;
        return QB_OK;
    case QB_SPEAK_CALIBRATION:
        speaking->calibration = optarg;
        return QB_OK;
    case QB_SPEAK_ARITHMETIC:
        return qb_parse_arithmetic(optarg, &speaking->fused, err);
    case QB_SPEAK_CODEC:
        return qb_plugins_add(&speaking->codecs, optarg, err);
    case QB_SPEAK_TEMPERATURE:
        return take_real("--temperature", 100, &speaking->sampling.temperature, err);
    case QB_SPEAK_TOP_P:
        return take_real("--top-p", 1, &speaking->sampling.top_p, err);
    case QB_SPEAK_MIN_P:
        return take_real("--min-p", 1, &speaking->sampling.min_p, err);
    case QB_SPEAK_TOP_K:
        if (!qb_parse_count("--top-k", optarg, 0, INT32_MAX, &count, err))
            speaking->sampling.top_k = (size_t)count;
        return err->status;
    case QB_SPEAK_SEED:
        return qb_parse_count("--seed", optarg, 0, UINT32_MAX, &speaking->seed, err);
    case QB_SPEAK_STEPS:
        return qb_parse_count("--steps", optarg, 1, INT32_MAX, &speaking->steps, err);
    case QB_SPEAK_CONTEXT:
        return qb_parse_count("--context", optarg, 1, 1 << 24, &speaking->context, err);
    default:
        return qb_parse_count("--threads", optarg, 1, 256, &speaking->threads, err);
    }
}

enum qb_status qb_speaker_make(struct qb_opened *opened, const char *variant, const struct qb_speaking *speaking,
                               struct qb_speaker *speaker, struct qb_error *err)
{
    const struct qb_arch *arch = &opened->model->arch;
    const size_t trained = qb_arch_trained(arch);
    const size_t most = trained && trained < 2048 ? trained : 2048;
    *speaker = (struct qb_speaker){.opened = opened, .capacity = speaking->context ? (size_t)speaking->context : most};
    if (trained && speaker->capacity > trained)
        qb_tell("note: --context %zu: the model was trained for %zu positions", speaker->capacity, trained);
    qb_rng_seed(&speaker->rng, (uint32_t)speaking->seed);
    opened->fused = speaking->fused;
    if (qb_arm_make(opened, variant, &speaker->arm, err) ||
        qb_decoder_create(speaker->arm.net, 1, speaker->capacity, &speaker->decoder, err) ||
        qb_sampler_create(arch->vocab, &speaker->sampler, err))
        return err->status;
    speaker->held = qb_alloc(speaker->capacity, sizeof *speaker->held, "tokens", err);
    speaker->hidden = speaker->held ? qb_alloc(arch->hidden, sizeof *speaker->hidden, "hidden state", err) : NULL;
    speaker->logits = speaker->hidden ? qb_alloc(arch->vocab, sizeof *speaker->logits, "logits", err) : NULL;
    return err->status;
}

void qb_speaker_free(struct qb_speaker *speaker)
{
    qb_decoder_free(speaker->decoder);
    qb_sampler_free(speaker->sampler);
    qb_arm_free(&speaker->arm);
    qb_free(speaker->held);
    qb_free(speaker->hidden);
    qb_free(speaker->logits);
    *speaker = (struct qb_speaker){0};
}

static enum qb_status feed(struct qb_speaker *speaker, const int32_t *tokens, size_t count, struct qb_error *err)
{
    for (size_t at = 0, n; at < count; at += n) {
        n = count - at < BLOCK ? count - at : BLOCK;
        if (qb_decoder_feed(speaker->decoder, tokens + at, n, speaker->hidden, err))
            return err->status;
        memcpy(speaker->held + speaker->held_count, tokens + at, n * sizeof *tokens);
        speaker->held_count += n;
    }
    return QB_OK;
}

/* Reads what of the tokens the decoder has not; at least the last one, for its hidden state. */
static enum qb_status listen(struct qb_speaker *speaker, const int32_t *tokens, size_t count, struct qb_speech *speech,
                             struct qb_error *err)
{
    size_t same = 0;
    if (count > speaker->capacity)
        return qb_fail(err, QB_ERR_INPUT, "%zu tokens, there is room for %zu (--context)", count, speaker->capacity);
    while (same + 1 < count && same < speaker->held_count && speaker->held[same] == tokens[same])
        same++;
    if (speaker->held_count > same && qb_decoder_rewind(speaker->decoder, &same, err))
        return err->status;
    speaker->held_count = same;
    double start = qb_clock();
    feed(speaker, tokens + same, count - same, err);
    speech->read = count - same;
    speech->read_seconds = qb_clock() - start;
    return err->status;
}

enum qb_status qb_speaker_say(struct qb_speaker *speaker, const struct qb_speaking *speaking, const int32_t *tokens,
                              size_t count, qb_heard heard, void *context, struct qb_speech *speech,
                              struct qb_error *err)
{
    const struct qb_tokenizer *tokenizer = speaker->opened->tokenizer;
    *speech = (struct qb_speech){0};
    if (listen(speaker, tokens, count, speech, err))
        return err->status;
    double start = qb_clock();
    while (speech->said < (size_t)speaking->steps) {
        if (qb_net_logits(speaker->arm.net, speaker->hidden, 1, speaker->logits, err))
            break;
        double uniform = qb_rng_u32(&speaker->rng) * 0x1p-32;
        int32_t id = qb_sample(speaker->sampler, &speaking->sampling, speaker->logits, uniform);
        if (qb_tokenizer_ends(tokenizer, id))
            break;
        speech->said++;
        bool more = heard(context, id);
        speech->full = speaker->held_count == speaker->capacity;
        if (!more || speech->full || feed(speaker, &id, 1, err))
            break;
    }
    speech->said_seconds = qb_clock() - start;
    return err->status;
}

void qb_speech_tell(const struct qb_speech *speech, const char *variant, const struct qb_speaker *speaker)
{
    const size_t lacks = qb_net_lacks_copies(speaker->arm.net);
    if (lacks)
        qb_tell("no memory for working copies of %zu matrices: they are multiplied as they are stored, more slowly",
                lacks);
    qb_tell("[%s%s: %zu tokens, %.1f tokens/s; %zu read, %.1f tokens/s; %zu of %zu positions%s]", variant,
            qb_net_fused(speaker->arm.net) ? ", fused" : "", speech->said,
            speech->said_seconds > 0 ? (double)speech->said / speech->said_seconds : 0, speech->read,
            speech->read_seconds > 0 ? (double)speech->read / speech->read_seconds : 0, speaker->held_count,
            speaker->capacity, speech->full ? ", no room is left (--context)" : "");
}

/* ---- text ---- */

static void print(struct qb_stream *stream, size_t size)
{
    struct qb_text text = {0};
    qb_text_bytes(&text, stream->waiting.data, size);
    if (size > 0 && stream->code == QB_EXIT_DONE)
        stream->code = qb_print(&text);
    qb_text_free(&text);
    memmove(stream->waiting.data, stream->waiting.data + size, stream->waiting.size - size + 1);
    stream->waiting.size -= size;
}

/* Bytes at the end of a text that may be the beginning of a character. */
static size_t unfinished(const char *text, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char byte = (unsigned char)text[size - back];
        if (byte >= 0xc0)
            return back < (byte >= 0xf0 ? 4u : byte >= 0xe0 ? 3u : 2u) ? back : 0;
        if (byte < 0x80)
            return 0;
    }
    return 0;
}

void qb_stream_add(struct qb_stream *stream, int32_t id)
{
    struct qb_text *waiting = &stream->waiting;
    size_t before = waiting->size;
    if (qb_tokenizer_is_control(stream->tokenizer, id))
        return;
    qb_tokenizer_bytes(stream->tokenizer, id, waiting);
    if (!waiting->data || waiting->failed)
        return;
    qb_text_bytes(&stream->all, waiting->data + before, waiting->size - before);
    if (stream->skip_blanks) {
        size_t blanks = strspn(waiting->data, " \n");
        memmove(waiting->data, waiting->data + blanks, waiting->size - blanks + 1);
        waiting->size -= blanks;
        stream->skip_blanks = waiting->size == 0;
    }
    print(stream, waiting->size - unfinished(waiting->data, waiting->size));
}

void qb_stream_end(struct qb_stream *stream, bool line)
{
    if (line)
        qb_text_add(&stream->waiting, "\n");
    if (stream->waiting.size > 0)
        print(stream, stream->waiting.size);
    qb_text_free(&stream->waiting);
}
