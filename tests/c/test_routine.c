/* The C routine from C, under sanitizers: the whole way from attach to detach, all algorithms, pattern, damaged input.
 * What is right in detail is the Python tests' business; here it is that no byte outside is touched and nothing leaks. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../csrc/fuzz/files.h"

static int failures;
#define CHECK(what)                                                                                                            \
    do {                                                                                                                       \
        if (!(what)) {                                                                                                         \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #what);                                                                  \
            failures++;                                                                                                        \
        }                                                                                                                      \
    } while (0)

static const char *dir;
static uint32_t shape;

static srn_worker *attach(uint32_t index) {
    char err[256] = "";
    srn_worker *w = srn_attach(dir, index, 5, err, sizeof err);
    if (w == NULL) {
        printf("attach: %s\n", err);
        exit(1);
    }
    return w;
}

static int decide(srn_worker *w, int forced, uint32_t excluded, uint64_t key, uint32_t flags, uint64_t now, srn_choice *c) {
    return srn_decide(w, srn_find_split(w, FILES_SPLIT), FILES_SPLIT, shape, forced, excluded, key, flags, now, c);
}

static void put_pools(uint32_t algorithm) {
    static _Alignas(64) uint8_t image[FILES_POOLS_SIZE];
    files_pools(image, algorithm);
    CHECK(files_write(dir, "plan/pools.bin", image, sizeof image));
}

static void learn_shape(void) {
    uint64_t idents[SRN_MAX_VERSIONS];
    srn_worker *w = attach(0);
    CHECK(srn_versions(w, srn_find_split(w, FILES_SPLIT), FILES_SPLIT, idents, &shape) == 3);
    CHECK(srn_shape(idents, 3) == shape);
    CHECK(srn_versions(w, 0, 12345, idents, &shape) == SRN_GONE);
    CHECK(srn_versions(w, SRN_NO_SLOT, FILES_SPLIT, idents, &shape) == SRN_GONE);
    srn_detach(w);
}

static void test_weights(void) {
    srn_worker *a = attach(0), *b = attach(1);
    uint32_t count[3] = {0};
    srn_choice c;
    for (uint32_t i = 0; i < 1000; i++) {
        srn_worker *w = i % 3 == 0 ? a : b;
        CHECK(decide(w, -1, 0, 0, 0, i, &c) == 0 && c.reason == SRN_BY_WEIGHT);
        count[c.version]++;
        srn_done(w, &c, 200, 0, i + 1);
    }
    CHECK(count[0] == 700 && count[1] == 100 && count[2] == 200);
    CHECK(decide(a, -1, 6, 0, 0, 1, &c) == 0 && c.version == 0 && c.reason == SRN_BY_DEFAULT);
    srn_done(a, &c, 200, 0, 2);
    CHECK(decide(a, -1, 7, 0, 0, 1, &c) == SRN_NO_ENDPOINT);
    CHECK(decide(a, 2, 0, 0, 0, 1, &c) == 0 && c.reason == SRN_BY_CALLER && c.port == 5432);
    srn_done(a, &c, 200, 0, 2);
    CHECK(decide(a, 3, 0, 0, 0, 1, &c) == SRN_NO_ENDPOINT);
    CHECK(decide(a, -1, 0, 0, SRN_VERSION_ONLY, 1, &c) == 0 && !c.open);
    shape++;
    CHECK(decide(a, -1, 0, 0, 0, 1, &c) == SRN_STALE);
    shape--;
    srn_count(a, 404);
    srn_detach(a);
    srn_detach(b);
}

static void test_algorithm(uint32_t algorithm) {
    put_pools(algorithm);
    srn_worker *w = attach(2);
    srn_choice held[64];
    uint64_t now = 1000000u * (algorithm + 1);
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t i = 0; i < 64; i++) {
            uint32_t flags = round % 3 == 1 ? SRN_KEYED : round % 3 == 2 ? SRN_STICKY : 0;
            CHECK(decide(w, 0, 0, i * SRN_GOLDEN, flags, now, &held[i]) == 0);
            now += 700;
        }
        for (uint32_t i = 0; i < 64; i++) {
            bool bad = held[i].address[3] == 1 && round < 20;
            if (bad && i % 2 == 0)
                CHECK(srn_retry(w, 0, FILES_SPLIT, now, &held[i]) == 0 && held[i].tried_count == 1);
            bad = bad && i % 2 == 1;
            srn_done(w, &held[i], bad ? 0 : 200, bad, now);
        }
        now += round == 30 ? 200000000u : 5000;
    }
    for (uint32_t i = 1; i < 5; i++)
        CHECK(srn_in_flight(w, &(srn_endpoint){.ident = held[i].endpoint, .cell = held[i].endpoint_cell}) == 0);
    srn_detach(w);
}

static void test_retries(void) {
    put_pools(SRN_ROUND_ROBIN);
    srn_worker *w = attach(0);
    srn_choice c;
    uint32_t attempts = 1;
    CHECK(decide(w, 0, 0, 0, 0, 1, &c) == 0);
    while (srn_retry(w, 0, FILES_SPLIT, 2, &c) == 0)
        attempts++;
    CHECK(attempts == 4);
    CHECK(srn_retry(w, 0, FILES_SPLIT, 2, &c) == SRN_NO_ENDPOINT);
    srn_done(w, &c, 502, 1, 3);
    CHECK(decide(w, 1, 0, 0, 0, 100000000, &c) == 0);
    uint64_t ident = c.endpoint;
    CHECK(decide(w, 1, 0, ident, SRN_STICKY | SRN_EXACT, 100000000, &c) == 0 && c.exact && c.endpoint == ident);
    srn_detach(w);
}

static void test_moved(void) {
    char err[128], path[4096];
    put_pools(SRN_RANDOM);
    srn_worker *w = attach(1);
    srn_choice c;
    CHECK(decide(w, -1, 0, 0, 0, 1, &c) == 0);
    srn_done(w, &c, 200, 0, 1);
    snprintf(path, sizeof path, "%s/plan/pools.bin", dir);
    FILE *old = fopen(path, "r+b");
    put_pools(SRN_HASH);
    uint64_t one = 1;
    CHECK(old != NULL && fseek(old, offsetof(srn_pools_header, moved), SEEK_SET) == 0 && fwrite(&one, 8, 1, old) == 1);
    fclose(old);
    CHECK(decide(w, -1, 0, 0, 0, 1, &c) == SRN_MOVED);
    CHECK(srn_remap(w, err, sizeof err) == 0);
    CHECK(decide(w, -1, 0, 0, 0, 1, &c) == 0);
    srn_done(w, &c, 200, 0, 1);
    CHECK(files_write(dir, "plan/pools.bin", "short", 5));
    CHECK(srn_remap(w, err, sizeof err) == SRN_CORRUPT);
    CHECK(decide(w, -1, 0, 0, 0, 1, &c) == 0);
    srn_done(w, &c, 200, 0, 1);
    srn_quiet(w);
    srn_detach(w);
    CHECK(srn_attach(dir, 0, 1, err, sizeof err) == NULL && strstr(err, "pools.bin") != NULL);
    CHECK(srn_attach("/nonexistent", 0, 1, err, sizeof err) == NULL && strstr(err, "state.bin") != NULL);
    put_pools(SRN_ROUND_ROBIN);
}

static uint64_t counted(const srn_worker *w, uint32_t place, uint32_t by, uint32_t status) {
    return atomic_load(&w->trial_cells[SRN_MAX_VERSIONS + place].counts[by][status]);
}

/* Users, and the counts of the split's trial; then a trial that takes the slot over. */
static void test_trial(void) {
    put_pools(SRN_ROUND_ROBIN);
    srn_worker *w = attach(0);
    srn_ref ref = {.worker = w, .split = FILES_SPLIT, .slot = srn_find_split(w, FILES_SPLIT), .shape = shape};
    srn_choice c, late;
    uint64_t before[3] = {0}, errors = 0;
    for (uint32_t v = 0; v < 3; v++)
        before[v] = counted(w, v + 2, 0, 500);
    for (uint32_t i = 1; i <= 9000; i++) {
        uint64_t user = srn_mix64(i % 4500 + 1);
        CHECK(srn_decide_keyed(&ref, -1, 0, user, 0, 0, i, &c) == 0 && c.user == user);
        CHECK(c.marks == (SRN_WAS_DRAWN | SRN_IN_TRIAL | SRN_CLIENT_ERRORS) && c.trial == FILES_TRIAL);
        int32_t version = c.version;
        srn_done(w, &c, 500, 0, i + 300);
        CHECK(srn_decide_keyed(&ref, -1, 0, user, 0, SRN_VERSION_ONLY, i, &c) == 0 && c.version == version);
    }
    for (uint32_t v = 0; v < 3; v++)
        errors += counted(w, v + 2, 0, 500) - before[v];
    CHECK(errors == 9000 && atomic_load(&w->trial_heads[1].full) == 1);
    CHECK(srn_decide_keyed(&ref, -1, 0, 7, 0, 0, 1, &late) == 0);
    static _Alignas(64) uint8_t image[FILES_POOLS_SIZE];
    files_pools(image, SRN_ROUND_ROBIN);
    srn_split *split = (void *)(image + files_block(FILES_SPLIT));
    srn_release *release = (void *)&split->versions[3];
    release->trial = FILES_TRIAL + 1;
    split->first = 3;
    split->suspended = 2;
    files_seal_blocks(image);
    CHECK(files_write(dir, "plan/pools.bin", image, sizeof image));
    CHECK(srn_remap(w, NULL, 0) == 0);
    CHECK(srn_decide_keyed(&ref, 1, 0, 0, 0, 0, 1, &c) == SRN_NO_ENDPOINT);
    CHECK(srn_decide_keyed(&ref, 1, 0, 0, 0, SRN_DECIDED | SRN_DRAWN, 1, &c) == 0 && c.version == 1);
    srn_done(w, &c, 200, 0, 2);
    srn_done(w, &late, 503, 0, 2);
    CHECK(counted(w, 3, 0, 200) == 1 && counted(w, 3, 0, 500) == 0 && atomic_load(&w->trial_heads[1].full) == 0);
    for (uint32_t v = 0; v < 3; v++)
        CHECK(counted(w, v + 2, 0, 503) <= (late.version == (int32_t)v && v != 1 ? 1u : 0u));
    srn_detach(w);
    put_pools(SRN_ROUND_ROBIN);
}

static srn_route route_of(srn_worker *w) {
    uint64_t idents[SRN_MAX_VERSIONS];
    uint32_t found;
    srn_route route;
    int count = srn_versions(w, srn_find_split(w, FILES_SPLIT), FILES_SPLIT, idents, &found);
    CHECK(count == 3);
    uint64_t other[4] = {idents[2], 77, idents[0], idents[1]};
    srn_route_init(&route, w, FILES_SPLIT, other, 4);
    return route;
}

/* Addresses that fall together in the table, more than fit in the first one, ended in another order. */
static void test_requests(void) {
    enum { MANY = 5000 };
    char err[128];
    put_pools(SRN_LEAST_CONN);
    srn_worker *w = srn_attach(dir, SRN_ANY_ROW, 5, err, sizeof err);
    if (w == NULL) {
        printf("attach: %s\n", err);
        exit(1);
    }
    srn_route route = route_of(w);
    for (uintptr_t i = 1; i <= MANY; i++) {
        const void *request = (const void *)(i * 4096);
        const uint8_t *key = i % 3 == 0 ? (const uint8_t *)"0123456789abcdef" : NULL;
        int result = srn_request_decide(w, request, &route, i % 5 == 0 ? 2 : -1, i % 7 == 0 ? 1 : 0, key, key == NULL ? 0 : 16,
                                        SRN_STICKY | SRN_EXACT);
        const srn_choice *c = srn_request_choice(w, request);
        CHECK(result == 0 && c != NULL && c->version != 1 && (i % 5 != 0 || c->version == 2));
        CHECK(i % 7 != 0 || i % 5 == 0 || c->version != 0);
        if (srn_request_grant(w, request, 2) && i % 2 == 0)
            CHECK(srn_request_retry(w, request) == 0 && !srn_request_grant(w, request, 2));
    }
    srn_leaving(w);
    for (uintptr_t i = 1; i <= MANY; i++) {
        uintptr_t at = (i * 2999) % (MANY + 1);
        CHECK(srn_request_choice(w, (const void *)(at * 4096)) != NULL);
        srn_request_done(w, (const void *)(at * 4096), at % 11 == 0 ? 502 : 200, at % 11 == 0);
        CHECK(srn_request_choice(w, (const void *)(at * 4096)) == NULL);
        CHECK(atomic_load(&w->row->epoch) == UINT64_MAX);
    }
    srn_request_refuse(w, (const void *)64, 503);
    CHECK(srn_request_refused(w, (const void *)64) == 503);
    srn_row *row = w->row;
    CHECK(atomic_load(&row->pid) == (uint64_t)getpid());
    srn_detach(w);
}

static void test_peer_text(void) {
    char text[8];
    srn_choice c = {.family = 4, .address = {10, 0, 200, 1}};
    CHECK(srn_peer_text(&c, text, sizeof text) == 0);
    CHECK(srn_peer_text(&c, NULL, 0) == 0);
    c.address[2] = 0;
    CHECK(srn_peer_text(&c, text, sizeof text) == 8 && memcmp(text, "10.0.0.1", 8) == 0);
}

static void test_pattern(void) {
    char err[256];
    int32_t spans[8];
    srn_pattern *p = srn_pattern_new("(a)(b)?", 7, 1, err, sizeof err);
    if (p == NULL) {
        printf("no pattern engine: %s\n", err);
        return;
    }
    CHECK(srn_pattern_search(p, (const uint8_t *)"xA", 2, spans, 4) == 3);
    CHECK(spans[0] == 1 && spans[1] == 2 && spans[4] == -1);
    CHECK(srn_pattern_search(p, (const uint8_t *)"x", 1, spans, 4) == 0);
    CHECK(srn_pattern_search(p, (const uint8_t *)"ab", 2, spans, 1) == 1);
    srn_pattern_free(p);
    srn_pattern_free(NULL);
    CHECK(srn_pattern_new("(", 1, 0, err, sizeof err) == NULL && strlen(err) > 0);
    CHECK(srn_pattern_new("(", 1, 0, err, 3) == NULL && strlen(err) < 3);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    dir = argv[1];
    CHECK(files_make(dir));
    CHECK(srn_abi() == SRN_ABI);
    learn_shape();
    test_weights();
    for (uint32_t algorithm = 0; algorithm < SRN_ALGORITHMS; algorithm++)
        test_algorithm(algorithm);
    test_retries();
    test_moved();
    test_trial();
    test_requests();
    test_peer_text();
    test_pattern();
    if (failures == 0)
        printf("all is well\n");
    return failures != 0;
}
