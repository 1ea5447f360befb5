/* Patterns of users: PCRE's meaning, with a bound on the time of a search.
 *
 * libpcre2-8 is loaded at run time: it is on every machine that has glibc's usual company (libselinux, git, nginx), its
 * headers are not. Its own match limit is per start position and does not see long scans, so the bound is of CPU time,
 * looked at in callouts, which PCRE2 makes before each item of the pattern. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

#define SEARCH_US 2000u
#define CALLOUTS_PER_LOOK 64u
#define MATCH_LIMIT 200000u
#define DEPTH_LIMIT 20000u
#define HEAP_LIMIT_KIB 4096u
#define MAX_PATTERN 4096u

/* pcre2.h */
#define PCRE2_ANCHORED 0x80000000u
#define PCRE2_AUTO_CALLOUT 0x00000004u
#define PCRE2_CASELESS 0x00000008u
#define PCRE2_ERROR_NOMATCH (-1)
#define PCRE2_ERROR_CALLOUT (-37)
#define PCRE2_UNSET (~(size_t)0)

typedef struct {
    void *(*compile)(const uint8_t *, size_t, uint32_t, int *, size_t *, void *);
    void (*code_free)(void *);
    void *(*match_data_create)(const void *, void *);
    void (*match_data_free)(void *);
    void *(*match_context_create)(void *);
    void (*match_context_free)(void *);
    int (*set_match_limit)(void *, uint32_t);
    int (*set_depth_limit)(void *, uint32_t);
    int (*set_heap_limit)(void *, uint32_t);
    int (*set_callout)(void *, int (*)(void *, void *), void *);
    int (*match)(const void *, const uint8_t *, size_t, size_t, uint32_t, void *, void *);
    size_t *(*ovector)(void *);
    uint32_t (*ovector_count)(void *);
    int (*error_message)(int, uint8_t *, size_t);
} pcre2_api;

static pcre2_api pcre2;
static const char *pcre2_missing;
static pthread_once_t pcre2_once = PTHREAD_ONCE_INIT;

struct srn_pattern {
    void *code;
    void *data;
    void *context;
    uint64_t started_us;
    uint32_t callouts;
};

static void load_pcre2(void) {
    static const char *const names[] = {
        "pcre2_compile_8",          "pcre2_code_free_8",       "pcre2_match_data_create_from_pattern_8", "pcre2_match_data_free_8",
        "pcre2_match_context_create_8", "pcre2_match_context_free_8", "pcre2_set_match_limit_8",        "pcre2_set_depth_limit_8",
        "pcre2_set_heap_limit_8",   "pcre2_set_callout_8",     "pcre2_match_8",                          "pcre2_get_ovector_pointer_8",
        "pcre2_get_ovector_count_8", "pcre2_get_error_message_8",
    };
    _Static_assert(sizeof names / sizeof *names * sizeof(void *) == sizeof pcre2, "one name for each function");
    void *library = dlopen("libpcre2-8.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        pcre2_missing = "libpcre2-8.so.0 is not on this machine";
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *symbol = dlsym(library, names[i]);
        if (symbol == NULL) {
            pcre2_missing = "libpcre2-8.so.0 is too old (10.30 or newer is needed)";
            return;
        }
        memcpy((char *)&pcre2 + i * sizeof symbol, &symbol, sizeof symbol);
    }
}

static uint64_t cpu_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Most searches end within the first callouts and never ask for the time. */
static int on_callout(void *block, void *pattern) {
    srn_pattern *p = pattern;
    (void)block;
    if (++p->callouts % CALLOUTS_PER_LOOK != 0)
        return 0;
    uint64_t now = cpu_us();
    if (p->started_us == 0)
        p->started_us = now;
    return now - p->started_us > SEARCH_US ? PCRE2_ERROR_CALLOUT : 0;
}

srn_pattern *srn_pattern_new(const char *text, size_t len, uint32_t flags, char *err, size_t err_len) {
    pthread_once(&pcre2_once, load_pcre2);
    if (pcre2_missing != NULL || len > MAX_PATTERN) {
        srn_say(err, err_len, pcre2_missing != NULL ? pcre2_missing : "longer than 4096 bytes", "pattern");
        return NULL;
    }
    srn_pattern *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    uint32_t options = PCRE2_AUTO_CALLOUT | (flags & 1u ? PCRE2_CASELESS : 0) | (flags & 2u ? PCRE2_ANCHORED : 0);
    int code = 0;
    size_t at = 0;
    p->code = pcre2.compile((const uint8_t *)text, len, options, &code, &at, NULL);
    if (p->code == NULL) {
        char why[160] = "does not compile", place[200];
        pcre2.error_message(code, (uint8_t *)why, sizeof why);
        snprintf(place, sizeof place, "%s at offset %zu", why, at);
        srn_say(err, err_len, place, "pattern");
        srn_pattern_free(p);
        return NULL;
    }
    p->data = pcre2.match_data_create(p->code, NULL);
    p->context = pcre2.match_context_create(NULL);
    if (p->data == NULL || p->context == NULL) {
        srn_say(err, err_len, "out of memory", "pattern");
        srn_pattern_free(p);
        return NULL;
    }
    pcre2.set_match_limit(p->context, MATCH_LIMIT);
    pcre2.set_depth_limit(p->context, DEPTH_LIMIT);
    pcre2.set_heap_limit(p->context, HEAP_LIMIT_KIB);
    pcre2.set_callout(p->context, on_callout, p);
    return p;
}

void srn_pattern_free(srn_pattern *p) {
    if (p == NULL)
        return;
    if (p->context != NULL)
        pcre2.match_context_free(p->context);
    if (p->data != NULL)
        pcre2.match_data_free(p->data);
    if (p->code != NULL)
        pcre2.code_free(p->code);
    free(p);
}

int srn_pattern_search(srn_pattern *p, const uint8_t *subject, size_t len, int32_t *spans, uint32_t max_spans) {
    p->started_us = 0;
    p->callouts = 0;
    if (len > INT32_MAX)
        return -1;
    int found = pcre2.match(p->code, subject, len, 0, 0, p->data, p->context);
    if (found == PCRE2_ERROR_NOMATCH)
        return 0;
    if (found <= 0)
        return -1;
    const size_t *pairs = pcre2.ovector(p->data);
    uint32_t count = pcre2.ovector_count(p->data);
    for (uint32_t i = 0; i < count && i < max_spans; i++)
        for (uint32_t side = 0; side < 2; side++) {
            size_t offset = i < (uint32_t)found ? pairs[2 * i + side] : PCRE2_UNSET;
            spans[2 * i + side] = offset == PCRE2_UNSET ? -1 : (int32_t)offset;
        }
    return (int)(count < max_spans ? count : max_spans);
}
