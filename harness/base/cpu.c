#include "base/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include "base/utf8.h"
#endif

static const char *const isa_names[] = {"portable", "avx2", "avx512", "amx"};

#if defined(__x86_64__)
/* __builtin_cpu_supports also asks the operating system (XGETBV). clang 14 has no "f16c" in it, so that bit comes from
 * CPUID (leaf 1, ECX bit 29; Intel SDM vol. 2A) and needs AVX's state. */
static bool has_f16c(void)
{
    unsigned eax, ebx, ecx, edx;
    return __builtin_cpu_supports("avx") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx >> 29 & 1);
}

/* AMX TILE and BF16 (CPUID leaf 7, EDX bits 24 and 22), the state of tiles kept by the operating system (XCR0 bits 17
 * and 18; SDM vol. 1, 13.3), and Linux's leave to use them, which a process asks for once (arch_prctl's
 * ARCH_REQ_XCOMP_PERM, Documentation/arch/x86/xstate.rst): its threads and those that it forks have it, too. */
static bool has_amx(void)
{
    enum { TILE_DATA = 18, ASK = 0x1023 };
    unsigned eax, ebx, ecx, edx, low, high;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx >> 27 & 1) || /* XGETBV */
        !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(edx >> 24 & 1) || !(edx >> 22 & 1))
        return false;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    return (low >> 17 & 3) == 3 && syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
}

static void read_features(struct qb_cpu *cpu)
{
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2"), fma = __builtin_cpu_supports("fma"), f16c = has_f16c();
    bool f = __builtin_cpu_supports("avx512f"), cd = __builtin_cpu_supports("avx512cd"),
         bw = __builtin_cpu_supports("avx512bw"), dq = __builtin_cpu_supports("avx512dq"),
         vl = __builtin_cpu_supports("avx512vl"), vbmi = __builtin_cpu_supports("avx512vbmi"),
         vnni = __builtin_cpu_supports("avx512vnni");
    const bool avx512 = avx2 && fma && f16c && f && cd && bw && dq && vl, amx = avx512 && has_amx();
    const struct {
        const char *name;
        bool have;
    } flags[] = {{"sse4.2", __builtin_cpu_supports("sse4.2")},
                 {"avx", __builtin_cpu_supports("avx")},
                 {"avx2", avx2},
                 {"fma", fma},
                 {"f16c", f16c},
                 {"avx512f", f},
                 {"avx512cd", cd},
                 {"avx512bw", bw},
                 {"avx512dq", dq},
                 {"avx512vl", vl},
                 {"avx512vbmi", vbmi},
                 {"avx512vnni", vnni},
                 {"avx512bf16", __builtin_cpu_supports("avx512bf16")},
                 {"amx_bf16", amx}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].have) {
            size_t used = strlen(cpu->features);
            snprintf(cpu->features + used, sizeof cpu->features - used, "%s%s", used ? " " : "", flags[i].name);
        }
    if (avx2 && fma && f16c)
        cpu->isa = amx ? QB_ISA_AMX : avx512 ? QB_ISA_AVX512 : QB_ISA_AVX2;
    cpu->byte_permutes = avx512 && vbmi && vnni;
}
#else
static void read_features(struct qb_cpu *cpu)
{
    cpu->isa = QB_ISA_PORTABLE;
}
#endif

static void read_model(struct qb_cpu *cpu)
{
    snprintf(cpu->model, sizeof cpu->model, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file)
        return;
    char line[512];
    while (fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        line[strcspn(line, "\n")] = '\0';
        colon += 1 + strspn(colon + 1, " \t");
        qb_clean_into(cpu->model, sizeof cpu->model, colon, strlen(colon));
        break;
    }
    fclose(file);
}

static unsigned count_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* over 1024 processors the set above is too small */
    return online > 0 ? (unsigned)online : 1;
}

/* The third level's, or the second's where that is the last. A virtual machine may name its host's. */
static size_t count_cache(void)
{
    long bytes = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
    if ((bytes = sysconf(_SC_LEVEL3_CACHE_SIZE)) <= 0)
        bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return bytes > 0 ? (size_t)bytes : 0;
}

static struct qb_cpu cpu_read;

static void read_cpu(void)
{
    read_features(&cpu_read);
    read_model(&cpu_read);
    cpu_read.cores = count_cores();
    cpu_read.cache = count_cache();
}

const struct qb_cpu *qb_cpu(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_cpu);
    return &cpu_read;
}

const char *qb_isa_name(enum qb_isa isa)
{
    return (size_t)isa < sizeof isa_names / sizeof *isa_names ? isa_names[isa] : "unknown";
}

bool qb_isa_parse(const char *name, enum qb_isa *isa)
{
    for (size_t i = 0; i < sizeof isa_names / sizeof *isa_names; i++)
        if (strcmp(name, isa_names[i]) == 0) {
            *isa = (enum qb_isa)i;
            return true;
        }
    return false;
}

const char *qb_blas_coretype(void)
{
    switch (qb_cpu()->isa) {
    case QB_ISA_AMX:
    case QB_ISA_AVX512:
        return "SKYLAKEX";
    case QB_ISA_AVX2:
        return "Haswell";
    case QB_ISA_PORTABLE:
        break;
    }
    return NULL;
}
