/* What the C files share and nobody else sees. */
#ifndef SERIN_INTERNAL_H
#define SERIN_INTERNAL_H

#include <stdbool.h>

#include "layout.h"

typedef struct {
    uint8_t *base; /* NULL: not mapped */
    size_t length;
    int fd;
} srn_map;

typedef struct srn_requests srn_requests;
typedef struct srn_texts srn_texts;

struct srn_worker {
    char *dir;
    /* pools.bin */
    srn_map pools_map;
    const srn_pools_header *pools;
    const srn_slot *slots;
    uint32_t slot_mask;
    uint64_t *verified;     /* by slot: the last word whose block passed its checks */
    uint64_t remap_refused; /* the replaced file's `moved` when its successor was bad: go on without it */
    /* state.bin */
    srn_map state_map;
    srn_state_header *state;
    srn_row *rows;
    srn_row *row;
    uint32_t index;
    srn_word *counters;
    srn_endpoint_cell *endpoints;
    srn_word *flight;       /* rows × endpoints: tag of the endpoint (high half), requests (low half) */
    const srn_name *names;
    uint32_t counter_limit;
    uint32_t endpoint_limit; /* cells that may be touched: inside the file, with memory behind them */
    uint32_t flight_limit;
    uint32_t name_limit;
    /* stats.bin */
    srn_map stats_map;
    srn_stats_header *stats;
    srn_stats_row *stats_row;
    srn_stats_cell *stats_cells;
    uint32_t stats_limit;
    srn_detail *details;
    uint32_t detail_limit;
    /* trials.bin; no mapping: nothing is counted there */
    srn_map trials_map;
    srn_trials_header *trials;
    srn_trial_head *trial_heads;
    srn_trial_cell *trial_cells;
    srn_word *trial_users;
    uint64_t random;
    srn_requests *requests; /* NULL until the first one */
    srn_texts *texts;       /* NULL until the first one */
    bool leaving;
    uint64_t bytes_since; /* µs; see weight_of_bytes */
    uint32_t bytes_asked;
    srn_nginx nginx; /* add_cleanup NULL: requests are ended by srn_request_done */
};

/* hash.c */
static inline uint64_t srn_mix64(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
#define SRN_GOLDEN 0x9e3779b97f4a7c15u
uint64_t srn_endpoint_ident(uint8_t family, const uint8_t address[16], uint16_t port);

static inline uint64_t srn_random(srn_worker *w) {
    w->random += SRN_GOLDEN;
    return srn_mix64(w->random);
}

/* The first of `count` ascending inclusive bounds that holds the value; `count` where none does. */
static inline uint32_t srn_bucket_of(uint64_t value, const uint64_t *bounds, uint32_t count) {
    uint32_t lo = 0, hi = count;
    while (lo < hi) {
        uint32_t middle = (lo + hi) / 2;
        if (value <= bounds[middle])
            hi = middle;
        else
            lo = middle + 1;
    }
    return lo;
}

/* CLOCK_MONOTONIC in µs */
uint64_t srn_now(void);
static inline uint64_t srn_time(uint64_t now_us) { return now_us != 0 ? now_us : srn_now(); }

/* map.c */
bool srn_map_file(srn_map *m, const char *dir, const char *name, bool writable, char *err, size_t err_len);
void srn_unmap(srn_map *m);
void srn_say(char *err, size_t err_len, const char *text, const char *what);
bool srn_check_pools(const srn_map *m);
bool srn_check_state(const srn_map *m);
bool srn_check_stats(const srn_map *m);
bool srn_check_trials(const srn_map *m);
/* Memory behind [offset, offset + size) of a sparse file, or as good as its file system gives. */
bool srn_back(int fd, uint64_t offset, uint64_t size);
/* Put memory behind the cells that the controller has given out; not for the decide path. */
void srn_back_cells(srn_worker *w);

/* block.c */
static inline void srn_announce(srn_worker *w) {
    uint64_t epoch = atomic_load_explicit(&w->pools->epoch, memory_order_acquire);
    atomic_store_explicit(&w->row->epoch, epoch, memory_order_release);
    if (w->leaving) /* the row said that nothing is held: it must be seen to say otherwise before a slot is read */
        atomic_thread_fence(memory_order_seq_cst);
}
/* An ending process holds nothing between its calls: no epoch of the controller's is later than this. */
static inline void srn_rest(srn_worker *w) {
    if (w->leaving)
        atomic_store_explicit(&w->row->epoch, UINT64_MAX, memory_order_release);
}
static inline bool srn_has_moved(const srn_worker *w) {
    uint64_t moved = atomic_load_explicit(&w->pools->moved, memory_order_relaxed);
    return moved != w->remap_refused;
}
uint32_t srn_find(const srn_worker *w, uint64_t id, uint32_t kind);
bool srn_verify(const srn_worker *w, uint64_t word, uint64_t id);
/* The block in force of slot and id, or NULL and *why. */
const srn_block *srn_block_at(srn_worker *w, uint32_t slot, uint64_t id, uint32_t kind, int *why);

/* route.c: srn_decide_at that follows what changed; the choice's version is the route's */
int srn_route_decide(srn_route *route, int32_t forced, uint32_t excluded, uint64_t user, uint64_t key, uint32_t flags, srn_choice *c);

/* request.c */
void srn_forget_requests(srn_worker *w);

/* known.c */
typedef struct {
    srn_route *route;
    uint32_t tries;
    uint32_t len;
    uint8_t *text;
} srn_known;
const srn_known *srn_known_text(const srn_worker *w, const uint8_t *text, size_t len);
void srn_forget_texts(srn_worker *w);

/* decide.c: whether srn_retry would find an endpoint */
bool srn_has_untried(srn_worker *w, const srn_choice *c);
/* Who counts for the split's main version; false when the split is not there. */
bool srn_main_of(const srn_ref *ref, srn_choice *out);

/* draw.c */
typedef struct {
    uint64_t weight[SRN_MAX_VERSIONS];
    uint64_t total;
} srn_shares;
/* count: of the split's versions, at most SRN_MAX_VERSIONS whatever the block says by now */
void srn_share_out(const srn_split *split, uint32_t count, uint32_t present, srn_shares *out);
int srn_draw(srn_shares *shares, uint32_t count, uint32_t first, uint64_t n, uint64_t seed);

/* users.c: the version of a user; `first` as in the block. Only where at least two have a share. */
int srn_version_of(const srn_split *split, uint32_t count, uint32_t present, const uint64_t salts[2], uint64_t user);

/* trial.c */
#define SRN_BY_ITSELF (1u << 31) /* a mark of choices: a request without a user's key where the split asks for one */
/* The choice's request is one of the release's trial, if there is room for its counts. */
void srn_enter_trial(srn_worker *w, const srn_split *split, const srn_release *release, srn_choice *c);
/* status: SRN_FAILED, 0, or the endpoint's */
void srn_count_trial(srn_worker *w, const srn_choice *c, int status, uint64_t took_us);

/* endpoint.c */
uint64_t srn_in_flight(const srn_worker *w, const srn_endpoint *e);
bool srn_is_ejected(const srn_worker *w, const srn_endpoint *e, uint64_t now_us);
bool srn_may_try(srn_worker *w, const srn_endpoint *e, uint64_t now_us);
uint64_t srn_pace(const srn_worker *w, const srn_endpoint *e, uint64_t now_us);
void srn_enter(srn_worker *w, uint64_t ident, uint32_t cell);
void srn_leave(srn_worker *w, uint64_t ident, uint32_t cell);
void srn_note_failure(srn_worker *w, uint64_t ident, uint32_t cell, uint64_t now_us);
void srn_note_answer(srn_worker *w, uint64_t ident, uint32_t cell, uint64_t took_us, uint64_t now_us, bool pace);
uint64_t srn_pace_after(uint64_t word, uint64_t sample_us, uint64_t now_us);

/* balance.c */
typedef struct {
    srn_worker *w;
    const srn_endpoint *list;
    uint32_t count;
    uint32_t tried_count;
    const uint64_t *tried;
    bool shun; /* leave ejected endpoints out */
    uint64_t now_us;
} srn_pick;
typedef struct {
    uint32_t algorithm;
    uint32_t subset;
    uint32_t counter;
    bool keyed; /* `key` is there; hashing ways use it */
    uint64_t key;
} srn_how;
#define SRN_NONE UINT32_MAX
uint32_t srn_pick_endpoint(srn_pick *p, const srn_how *how);

/* stats.c */
void srn_count_failure(srn_worker *w, const srn_choice *c);
/* Of the choice's split and version; NULL: no memory behind it, or being claimed just now. */
srn_stats_cell *srn_cell_of(srn_worker *w, const srn_choice *c);

/* detail.c */
/* What is told of a request. Sizes and the last two times are those of `weight` requests, 0: not known. */
typedef struct {
    uint32_t status, method, weight;
    uint64_t received, sent, request_us, response_us, connect_us, header_us; /* times: SRN_NO_RESPONSE for none */
} srn_facts;
void srn_tell_facts(srn_worker *w, const srn_choice *c, const srn_facts *f);
/* Of an answer of our own: main counts it, without times of an endpoint. */
void srn_tell_own_facts(const srn_ref *ref, srn_facts *f);
void srn_back_details(srn_worker *w);
void srn_empty_details(srn_worker *w, srn_stats_cell *cell);

/* claim.c: begin to make a cell `mine`; SRN_CLAIMED: its words are to be made zero, then srn_claim_end. */
enum { SRN_TAKEN, SRN_MINE, SRN_CLAIMED };
int srn_claim_begin(srn_worker *w, srn_word *ident, uint64_t mine, uint64_t claim);
void srn_claim_end(srn_worker *w, srn_word *ident, uint64_t mine);
/* Make a cell `mine`, its words after the ident zero. False: another process is at it just now. */
bool srn_claim(srn_worker *w, srn_word *ident, uint64_t mine, uint64_t claim, srn_word *from, size_t words);

#endif
