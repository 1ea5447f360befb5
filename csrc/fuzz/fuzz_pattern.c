/* Patterns and subjects of users: no crash, spans inside the subject, and never much more than the bound on time.
 *
 * Input: flags, length of the pattern, pattern, subject (repeated up to 8 KiB when the flags say so). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../serin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SUBJECT 8192u
#define SPANS 16u
#define ALLOWED_US 60000 /* the bound is 2 ms; sanitizers slow what lies between two looks at the clock */

static int64_t cpu_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t subject[SUBJECT];
    int32_t spans[2 * SPANS];
    char err[256];
    if (size < 2)
        return 0;
    size_t length = data[1] < size - 2 ? data[1] : size - 2, rest = size - 2 - length, filled = 0;
    srn_pattern *p = srn_pattern_new((const char *)data + 2, length, data[0] & 3u, err, sizeof err);
    if (p == NULL)
        return 0;
    do {
        size_t part = rest < SUBJECT - filled ? rest : SUBJECT - filled;
        memcpy(subject + filled, data + 2 + length, part);
        filled += part;
    } while ((data[0] & 4u) && rest > 0 && filled < SUBJECT);
    int64_t began = cpu_us();
    int count = srn_pattern_search(p, subject, filled, spans, SPANS);
    if (cpu_us() - began > ALLOWED_US || count > (int)SPANS)
        abort();
    for (int i = 0; i < count; i++) {
        int32_t from = spans[2 * i], to = spans[2 * i + 1];
        if ((from < 0) != (to < 0) || from > (int32_t)filled || to > (int32_t)filled)
            abort();
    }
    srn_pattern_free(p);
    return 0;
}
