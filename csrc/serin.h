/* Serin's request decision: which version, then which endpoint, counted. Plain C ABI, no Python, no allocation and no
 * lock between srn_decide and srn_done. The same library serves the proxy (cffi) and nginx (LuaJIT FFI).
 *
 * Files (docs/run-directory.md has the layouts):
 *   plan/pools.bin   splits and pools, written by the controller alone, mapped read-only here
 *   state/state.bin  draw counters, requests in flight, failures, epochs, resolved names
 *   state/stats.bin  requests by split, version, status class; latency histograms
 *   state/trials.bin requests of rollouts by trial, version, exact status and latency; users who got errors
 *   state/limits.bin requests and connections by zone and client, where there are limits
 *
 * Times are microseconds of CLOCK_MONOTONIC and come in as arguments, 0 for now; so does the seed of the random source.
 */
#ifndef SERIN_H
#define SERIN_H

#include <stddef.h>
#include <stdint.h>

#define SRN_ABI 4
#define SRN_MAX_VERSIONS 16
#define SRN_MAX_TRIED 8
#define SRN_NO_SLOT UINT32_MAX

/* results of srn_decide and srn_retry; 0 is success */
#define SRN_NO_ENDPOINT (-1) /* nothing left that has an endpoint: answer 503 */
#define SRN_STALE (-2)       /* the version list is not the caller's any more: reload the plan or map with srn_versions */
#define SRN_GONE (-3)        /* the slot does not hold this split (any more) */
#define SRN_CORRUPT (-4)     /* a block failed its checks */
#define SRN_MOVED (-5)       /* pools.bin was replaced: srn_remap, srn_find_split, and ask again */
#define SRN_KEY_WANTED (-6)  /* SRN_ASK_KEY: the version is known, its pool hashes; go on with srn_request_endpoint */
#define SRN_FULL (-7)        /* more requests at once than there are places for (131072): answer 503 */
#define SRN_LATER (-8)      /* see srn_request_forward */

/* reason: who decided the version */
#define SRN_BY_DEFAULT 0 /* only one version was possible: main has all the weight, or is out of this request */
#define SRN_BY_CALLER 1  /* `forced` */
#define SRN_BY_WEIGHT 2  /* the stratified draw, or a canary that has all the weight */

/* flags of srn_decide */
#define SRN_KEYED 1u        /* `key` chooses the endpoint where the pool hashes; without it such a pool takes any */
#define SRN_STICKY 2u       /* `key` chooses the endpoint whatever the pool's algorithm (cookie affinity) */
#define SRN_VERSION_ONLY 4u /* stop after the version: `out->version` and `out->reason` only, nothing counted in flight */
#define SRN_EXACT 8u        /* with SRN_STICKY: `key` is the endpoint's ident (persistent affinity); absent: hashed */
#define SRN_ASK_KEY 16u     /* a key can be had, but has its price: SRN_KEY_WANTED where the pool would use it */
#define SRN_DECIDED 32u     /* `forced` is what an earlier call for this request decided: taken even if suspended since */
#define SRN_DRAWN 64u       /* with SRN_DECIDED: that choice said SRN_WAS_DRAWN */

typedef struct srn_worker srn_worker; /* the mapped files and this process's row in them */
typedef struct srn_pattern srn_pattern;

typedef struct srn_choice {
    int32_t version;      /* index in the split's version list */
    int32_t reason;       /* SRN_BY_* */
    uint64_t endpoint;    /* ident: a hash of address and port */
    uint64_t pool;        /* id of the pool */
    uint8_t address[16];  /* IPv4 in the first 4 bytes */
    uint16_t port;        /* host byte order */
    uint8_t family;       /* 4 or 6 */
    uint8_t exact;        /* SRN_EXACT was met: the very endpoint was there */
    uint32_t endpoint_cell;
    uint32_t stats_cell;
    uint64_t started_us;
    uint32_t tried_count;
    uint64_t tried[SRN_MAX_TRIED];
    /* what srn_retry and srn_done need again */
    uint64_t attempt_us;
    uint64_t key;
    uint64_t split;
    uint64_t version_ident;
    uint32_t flags;
    uint32_t pool_slot;
    uint32_t algorithm;
    uint32_t open;    /* 1 while an attempt is under way */
    uint32_t counted; /* 1 when it is counted in flight */
    uint32_t marks;   /* SRN_WAS_DRAWN … */
    /* of splits that are salted or in a trial */
    uint64_t user;    /* key by which the split may choose the version, 0: none */
    uint64_t trial;   /* srn_done counts for it */
    uint64_t trial_cell;
} srn_choice;

/* marks of a choice */
#define SRN_WAS_DRAWN 1u     /* by weight or by the user's key, while every version with a weight could be chosen */
#define SRN_IN_TRIAL 2u      /* without it no trial counts the request */
#define SRN_CLIENT_ERRORS 4u /* answers of 4xx are errors of the trial, too */

/* A split as a caller asks for it again and again. */
typedef struct srn_ref {
    srn_worker *worker;
    uint64_t split;
    uint32_t slot;
    uint32_t shape;
} srn_ref;

#pragma GCC visibility push(default)

uint32_t srn_abi(void);

/* Map DIR/plan/pools.bin, DIR/state/state.bin and DIR/state/stats.bin; NULL and a text in err when one is missing or bad.
 * `index` is this process's row, given by the parent, or SRN_ANY_ROW for one that is free; its pid is written to it. A
 * worker belongs to one thread. */
srn_worker *srn_attach(const char *dir, uint32_t index, uint64_t seed, char *err, size_t err_len);
/* The row is free then, and nothing of it in flight. */
void srn_detach(srn_worker *w);
/* Map pools.bin again if it was replaced; 0, or SRN_CORRUPT and the old one stays in force. Slots may have changed. */
int srn_remap(srn_worker *w, char *err, size_t err_len);
/* Say that no block is held any more; to be called at least once a second by an idle process. */
void srn_quiet(srn_worker *w);

uint32_t srn_find_split(const srn_worker *w, uint64_t split_id);
/* The split's version idents in order; their number, or a negative result. */
int srn_versions(srn_worker *w, uint32_t slot, uint64_t split_id, uint64_t out[SRN_MAX_VERSIONS], uint32_t *shape);

/* `shape` is srn_shape of the caller's version list; `forced` an index or -1; `excluded` a bit for each version that is out
 * of this request. A forced version without endpoints gives SRN_NO_ENDPOINT (the caller may ask again without it). */
int srn_decide(srn_worker *w, uint32_t slot, uint64_t split_id, uint32_t shape, int32_t forced, uint32_t excluded,
               uint64_t key, uint32_t flags, uint64_t now_us, srn_choice *out);
/* The same at the time of now, and for what most requests are: nothing forced, excluded or keyed. (Each argument less is
 * 15 ns less in cffi.) */
int srn_decide_at(const srn_ref *ref, int32_t forced, uint32_t excluded, uint64_t key, uint32_t flags, srn_choice *out);
int srn_decide_plain(const srn_ref *ref, srn_choice *out);
/* srn_decide for a user: `user` (a hash; 0: none) chooses the version where the split is salted, always the same one as
 * long as weights stay. What rules and cookies force comes first as ever. */
int srn_decide_keyed(const srn_ref *ref, int32_t forced, uint32_t excluded, uint64_t user, uint64_t key, uint32_t flags,
                     uint64_t now_us, srn_choice *out);
/* The attempt in `c` failed: count that, and take another endpoint of the same version that was not tried yet.
 * After SRN_NO_ENDPOINT the choice is still to be ended by srn_done, with the status that the client gets. */
int srn_retry(srn_worker *w, uint32_t slot, uint64_t split_id, uint64_t now_us, srn_choice *c);
/* The answer is complete. status 0: no answer from the endpoint. `failed`: counts towards ejection. In a trial it is an
 * error without answer when it failed, else status 0 is a client that left. */
void srn_done(srn_worker *w, const srn_choice *c, int status, int failed, uint64_t now_us);
/* The same where the client gets another status than the endpoint of the last attempt gave (an error page): trials have
 * `answered`. */
void srn_done_as(srn_worker *w, const srn_choice *c, int status, int answered, int failed, uint64_t now_us);
/* An answer that no split had a part in (404, redirects, 401 …): counted for the process alone. */
void srn_count(srn_worker *w, int status);


/* For ingress-nginx's metrics, beside srn_done: what the client got, with the bytes of both heads and bodies. `method` is
 * the number of the bit that nginx has for it (1 GET, 2 HEAD, 3 POST … 16 CONNECT), 0 for any other. */
#define SRN_METHODS 17
#define SRN_NO_RESPONSE UINT64_MAX /* of the last three times: no endpoint answered, or was connected to */
/* Times of the endpoint that was asked last: until the end of its answer, until it was connected, until it began. */
void srn_tell(srn_worker *w, const srn_choice *c, uint32_t status, uint32_t method, uint64_t received, uint64_t sent,
              uint64_t request_us, uint64_t response_us, uint64_t connect_us, uint64_t header_us);
/* srn_done and srn_tell of an answer that came to its end, in one call. Times in seconds; of the last three below 0: none. */
void srn_over(srn_worker *w, const srn_choice *c, int status, uint32_t method, uint64_t received, uint64_t sent,
              double request_time, double response_time, double connect_time, double header_time);
/* As srn_tell, of an answer of our own to a request of this split's route: main counts it. */
void srn_tell_own(const srn_ref *ref, uint32_t status, uint32_t method, uint64_t received, uint64_t sent, uint64_t request_us);

uint32_t srn_shape(const uint64_t *idents, uint32_t n);
uint64_t srn_hash(const uint8_t *data, size_t len);
uint64_t srn_hash_more(uint64_t seed, const uint8_t *data, size_t len);
/* Upper bounds (inclusive, µs) of the latency buckets; the last bucket has none. Their number without that one. */
uint32_t srn_bucket_bounds(uint64_t *out, uint32_t max);
/* The same of trials. */
uint32_t srn_trial_bounds(uint64_t *out, uint32_t max);

/* --- for nginx: what Lua would have to keep between phases is kept here, under the request's own address --- */

#define SRN_ANY_ROW UINT32_MAX /* index for srn_attach: any row that no process has */

/* A split as a location of nginx.conf knows it; follows a replaced pools.bin and versions in another order by itself. */
typedef struct srn_route {
    srn_ref ref;
    uint32_t count;
    uint32_t mapped; /* 1: the block's versions are not ours; the two tables translate, -1 for none */
    uint32_t left_out;
    uint64_t idents[SRN_MAX_VERSIONS];
    int32_t to_block[SRN_MAX_VERSIONS];
    int32_t from_block[SRN_MAX_VERSIONS];
} srn_route;

void srn_route_init(srn_route *route, srn_worker *w, uint64_t split_id, const uint64_t *idents, uint32_t count);
/* srn_decide_at for a request; `key` is text (hashed here; with SRN_EXACT the ident in 16 lower-case hex digits, any other
 * text is hashed), NULL: no key. An earlier choice of the same address, whose end was never seen, is ended first. Versions
 * are the route's. GONE, MOVED and STALE are followed here; what is left of them says that the split is not there. */
int srn_request_decide(srn_worker *w, const void *request, srn_route *route, int32_t forced, uint32_t excluded,
                       const uint8_t *key, size_t key_len, uint32_t flags);
/* Who the request's user is, before srn_request_decide; NULL: nobody. A split that is not salted does not ask. */
void srn_request_user(srn_worker *w, const void *request, const uint8_t *text, size_t len);
/* After SRN_VERSION_ONLY or SRN_KEY_WANTED: an endpoint of that version, by this key; the reason stays. */
int srn_request_endpoint(srn_worker *w, const void *request, srn_route *route, const uint8_t *key, size_t key_len,
                         uint32_t flags);
/* The choice of a request (or only its version), NULL when it has none; good until its end. */
const srn_choice *srn_request_choice(const srn_worker *w, const void *request);
int srn_request_retry(srn_worker *w, const void *request);
/* 1 when nginx may be allowed an attempt after the present one: less than `tries` were begun (0: no bound) and
 * srn_request_retry would find an endpoint. The answer is kept for srn_request_granted. */
int srn_request_grant(srn_worker *w, const void *request, uint32_t tries);
int srn_request_granted(const srn_worker *w, const void *request);
/* Note that we answer ourselves with `status` (no endpoint: 503; a pattern failed: 500); srn_request_refused: 0 without. */
void srn_request_refuse(srn_worker *w, const void *request, int status);
int srn_request_refused(const srn_worker *w, const void *request);
/* The end: srn_done for its choice, srn_count where it had none. */
void srn_request_done(srn_worker *w, const void *request, int status, int failed);
/* Functions of nginx and its Lua module, given by Lua: by these the end of a request is seen here, which spares a Lua phase
 * for each. `add_cleanup` is ngx_http_cleanup_add, `status` and `variable` are ngx_http_lua_ffi_get_resp_status and _var_get. */
typedef struct srn_nginx {
    void *(*add_cleanup)(void *request, size_t size);
    int (*status)(void *request);
    int (*variable)(void *request, const char *name, size_t name_len, char *lower_buf, int capture, char **value,
                    size_t *value_len, char **err);
    int (*set_peer)(void *request, const uint8_t *address, size_t len, int port, char **err);
    int (*more_tries)(void *request, int count, char **err);
    int (*method)(void *request);         /* ngx_http_lua_ffi_req_get_method */
    double (*start_time)(void *request);  /* ngx_http_lua_ffi_req_start_time */
    double (*now)(void);                  /* ngx_http_lua_ffi_now */
} srn_nginx;
/* From now on each request that comes to be known here ends by itself when nginx is done with it; srn_request_done is not to
 * be called. One worker of a process can have this. Its answer: an attempt without one counts as the endpoint's failure. */
void srn_follow(srn_worker *w, const srn_nginx *nginx);
/* A text that `$serin` may have, of a location whose requests need nothing but a draw: `route` has to stay. Copied; where
 * there is no memory it is not known, and the same for set_peer NULL. */
void srn_know(srn_worker *w, const uint8_t *text, size_t len, srn_route *route, uint32_t tries);
/* The first attempt of a request whose `$serin` is known, done as a whole: the version (the route's), nginx has its endpoint
 * and leave for one more attempt where there is another one. Negative: what srn_request_decide would give with SRN_ASK_KEY.
 * SRN_LATER: it is no such request, nothing has been done. */
int srn_request_forward(srn_worker *w, const void *request);
/* The same before Lua is entered (csrc/preload), for the worker that is followed. 1: all is done, the version is the first one.
 * 0: Lua is to be asked at once; its srn_request_forward gives what was found here. */
int srn_request_first(const void *request);
/* `1.2.3.4` or `[::1]`, not ended by 0; its length. */
size_t srn_peer_text(const srn_choice *c, char *out, size_t len);
/* In the log phase of a request that nginx answered itself: srn_count, and srn_tell_own for its route (NULL: none). */
void srn_request_own(srn_worker *w, void *request, srn_route *route);
/* The process is ending (an old nginx worker): between calls of srn_request_* it holds no block. */
void srn_leaving(srn_worker *w);

/* --- limits of requests and connections, over all processes that have DIR/state/limits.bin --- */

typedef struct srn_limits srn_limits;
/* Thousandths of a request a second, and how many may come beyond the first at once. */
typedef struct srn_rate {
    uint64_t milli_per_s;
    uint32_t burst;
} srn_rate;

/* `index` is this process's row, as for srn_attach. NULL and a text in err when there is no sound file or no room. */
srn_limits *srn_limits_attach(const char *dir, uint32_t index, char *err, size_t err_len);
/* Nothing of this process is counted as a connection any more. */
void srn_limits_detach(srn_limits *l);
/* nginx's limit_req with nodelay: 1, the request is within all `rates` of `key` in `zone` and counted in each; 0: it is
 * beyond one of them and counted in none. */
int srn_limit_requests(srn_limits *l, uint64_t zone, uint64_t key, const srn_rate *rates, uint32_t count, uint64_t now_us);
/* 1: counted, with at most `most` at a time, to be ended by srn_limit_leave; 0: there are as many, or no place to count. */
int srn_limit_enter(srn_limits *l, uint64_t zone, uint64_t key, uint32_t most);
void srn_limit_leave(srn_limits *l, uint64_t zone, uint64_t key);

/* For the writers of the files: one atomic 64-bit word. */
uint64_t srn_load(const void *base, size_t offset);
void srn_store(void *base, size_t offset, uint64_t value);

/* PCRE2 (libpcre2-8, loaded at first use) with a bound on the work of one search. flags: 1 without regard to case,
 * 2 anchored at the start. NULL and a text in err: does not compile, or no libpcre2-8 on this machine. */
srn_pattern *srn_pattern_new(const char *text, size_t len, uint32_t flags, char *err, size_t err_len);
void srn_pattern_free(srn_pattern *p);
/* Number of captures + 1 written as offset pairs to `spans` (unset: -1), 0 no match, -1 the bound was met or an error. */
int srn_pattern_search(srn_pattern *p, const uint8_t *subject, size_t len, int32_t *spans, uint32_t max_spans);

#pragma GCC visibility pop

#endif
