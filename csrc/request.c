/* Requests of nginx by their address: the choice is kept here from the balancer's first call to the log phase.
 *
 * A table from address to entry with open addressing. Entries come from chunks and never move, so that a choice may be
 * pointed at; chunks and table grow by doubling, seldom, and are kept. More than MAX_REQUESTS at once get SRN_FULL. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define CHUNK 256u
#define MAX_CHUNKS 512u
#define MAX_REQUESTS (CHUNK * MAX_CHUNKS)
#define FIRST_SLOTS 1024u

enum { UNDECIDED, VERSION_KNOWN, CHOSEN };

typedef struct srn_entry {
    struct srn_entry *next; /* of the free ones */
    srn_choice choice;
    const srn_route *route; /* that was asked last, NULL: none */
    uint64_t user; /* 0: nobody */
    int32_t refused;
    uint8_t stage;
    bool granted; /* nginx may make another attempt after this one */
} srn_entry;

typedef struct {
    const void *request; /* NULL: free */
    srn_entry *entry;
} srn_place;

struct srn_requests {
    srn_place *places;
    uint32_t mask;
    uint32_t count;
    uint32_t chunks;
    srn_entry *free;
    srn_entry *chunk[MAX_CHUNKS];
};

static srn_worker *followed; /* the one worker of nginx's process */
/* what srn_request_first found for the request that Lua is asked for next */
static const void *left_to_lua;
static int left_result;

static uint32_t place_of(const srn_requests *t, const void *request) {
    return (uint32_t)(((uint64_t)(uintptr_t)request * SRN_GOLDEN) >> 40) & t->mask;
}

/* The request's place, or the free one where it would go. There is always a free one. */
static uint32_t look_up(const srn_requests *t, const void *request) {
    uint32_t at = place_of(t, request);
    while (t->places[at].request != NULL && t->places[at].request != request)
        at = (at + 1) & t->mask;
    return at;
}

static srn_entry *find(const srn_worker *w, const void *request) {
    const srn_requests *t = w->requests;
    return t == NULL || request == NULL ? NULL : t->places[look_up(t, request)].entry;
}

static bool widen(srn_requests *t, uint32_t slots) {
    srn_place *old = t->places;
    uint32_t old_slots = old == NULL ? 0 : t->mask + 1;
    srn_place *places = calloc(slots, sizeof *places);
    if (places == NULL)
        return false;
    t->places = places;
    t->mask = slots - 1;
    for (uint32_t i = 0; i < old_slots; i++)
        if (old[i].request != NULL)
            places[look_up(t, old[i].request)] = old[i];
    free(old);
    return true;
}

static bool add_chunk(srn_requests *t) {
    if (t->chunks == MAX_CHUNKS)
        return false;
    srn_entry *entries = calloc(CHUNK, sizeof *entries);
    if (entries == NULL)
        return false;
    t->chunk[t->chunks++] = entries;
    for (uint32_t i = 0; i < CHUNK; i++) {
        entries[i].next = t->free;
        t->free = &entries[i];
    }
    return true;
}

/* Half of the places stay free. */
static bool has_room(srn_worker *w) {
    srn_requests *t = w->requests;
    if (t == NULL) {
        t = w->requests = calloc(1, sizeof *t);
        if (t == NULL)
            return false;
    }
    if (t->places == NULL && !widen(t, FIRST_SLOTS))
        return false;
    if (t->free == NULL && !add_chunk(t))
        return false;
    return (t->count + 1) * 2 <= t->mask + 1 || widen(t, (t->mask + 1) * 2);
}

static bool follow_request(const srn_worker *w, const void *request);
static void end_earlier(srn_worker *w, const void *request, srn_entry *e);

static srn_entry *insert(srn_worker *w, const void *request) {
    srn_entry *e = find(w, request);
    if (e != NULL || request == NULL || !has_room(w) || !follow_request(w, request))
        return e;
    srn_requests *t = w->requests;
    e = t->free;
    t->free = e->next;
    e->refused = 0;
    e->user = 0;
    e->route = NULL;
    e->stage = UNDECIDED;
    e->granted = false;
    t->places[look_up(t, request)] = (srn_place){request, e};
    t->count++;
    return e;
}

/* Take a place out; later ones of the same run move up, so that no run has a gap. */
static void erase(srn_requests *t, uint32_t at) {
    for (uint32_t next = (at + 1) & t->mask; t->places[next].request != NULL; next = (next + 1) & t->mask) {
        uint32_t wanted = place_of(t, t->places[next].request);
        if (((next - wanted) & t->mask) < ((next - at) & t->mask))
            continue;
        t->places[at] = t->places[next];
        at = next;
    }
    t->places[at] = (srn_place){NULL, NULL};
}

void srn_forget_requests(srn_worker *w) {
    srn_requests *t = w->requests;
    if (followed == w)
        followed = NULL;
    if (t == NULL)
        return;
    for (uint32_t i = 0; i < t->chunks; i++)
        free(t->chunk[i]);
    free(t->places);
    free(t);
    w->requests = NULL;
}

static bool read_ident(const uint8_t *text, size_t len, uint64_t *out) {
    uint64_t value = 0;
    if (len != 16)
        return false;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = text[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

static uint64_t key_of(const uint8_t *key, size_t len, uint32_t *flags) {
    uint64_t ident = 0;
    if (key == NULL) {
        *flags &= ~(SRN_KEYED | SRN_STICKY | SRN_EXACT);
        return 0;
    }
    if ((*flags & SRN_EXACT) && read_ident(key, len, &ident))
        return ident;
    *flags &= ~SRN_EXACT;
    return srn_hash(key, len);
}

static void settle(srn_worker *w, srn_entry *e, int result, uint32_t flags) {
    bool version_only = result == SRN_KEY_WANTED || (result == 0 && (flags & SRN_VERSION_ONLY));
    e->stage = version_only ? VERSION_KNOWN : result == 0 ? CHOSEN : UNDECIDED;
    e->granted = false;
    srn_rest(w);
}

void srn_request_user(srn_worker *w, const void *request, const uint8_t *text, size_t len) {
    srn_entry *e = insert(w, request);
    if (e == NULL)
        return;
    uint64_t user = text == NULL || len == 0 ? 0 : srn_hash(text, len);
    e->user = user == 0 && text != NULL && len > 0 ? 1 : user;
}

int srn_request_decide(srn_worker *w, const void *request, srn_route *route, int32_t forced, uint32_t excluded,
                       const uint8_t *key, size_t key_len, uint32_t flags) {
    srn_entry *e = insert(w, request);
    if (e == NULL)
        return SRN_FULL;
    if (e->stage == CHOSEN)
        end_earlier(w, request, e);
    uint64_t hash = key_of(key, key_len, &flags);
    e->route = route;
    int result = srn_route_decide(route, forced, excluded, e->user, hash, flags & ~(SRN_DECIDED | SRN_DRAWN), &e->choice);
    settle(w, e, result, flags);
    return result;
}

int srn_request_endpoint(srn_worker *w, const void *request, srn_route *route, const uint8_t *key, size_t key_len,
                         uint32_t flags) {
    srn_entry *e = find(w, request);
    if (e == NULL || e->stage != VERSION_KNOWN)
        return SRN_NO_ENDPOINT;
    int32_t reason = e->choice.reason;
    flags &= ~(SRN_VERSION_ONLY | SRN_ASK_KEY | SRN_DRAWN);
    flags |= SRN_DECIDED | (e->choice.marks & SRN_WAS_DRAWN ? SRN_DRAWN : 0);
    uint64_t hash = key_of(key, key_len, &flags);
    int result = srn_route_decide(route, e->choice.version, 0, e->user, hash, flags, &e->choice);
    e->choice.reason = reason;
    settle(w, e, result, flags);
    return result;
}

const srn_choice *srn_request_choice(const srn_worker *w, const void *request) {
    const srn_entry *e = find(w, request);
    return e == NULL || e->stage == UNDECIDED ? NULL : &e->choice;
}

int srn_request_retry(srn_worker *w, const void *request) {
    srn_entry *e = find(w, request);
    if (e == NULL || e->stage != CHOSEN)
        return SRN_NO_ENDPOINT;
    e->granted = false;
    int result = srn_retry(w, 0, 0, 0, &e->choice);
    srn_rest(w);
    return result;
}

static void grant(srn_worker *w, srn_entry *e, uint32_t tries) {
    e->granted = (tries == 0 || e->choice.tried_count + 1 < tries) && srn_has_untried(w, &e->choice);
}

int srn_request_grant(srn_worker *w, const void *request, uint32_t tries) {
    srn_entry *e = find(w, request);
    if (e == NULL || e->stage != CHOSEN)
        return 0;
    grant(w, e, tries);
    srn_rest(w);
    return e->granted;
}

int srn_request_granted(const srn_worker *w, const void *request) {
    const srn_entry *e = find(w, request);
    return e != NULL && e->granted;
}

void srn_request_refuse(srn_worker *w, const void *request, int status) {
    srn_entry *e = insert(w, request);
    if (e != NULL)
        e->refused = status;
}

int srn_request_refused(const srn_worker *w, const void *request) {
    const srn_entry *e = find(w, request);
    return e == NULL ? 0 : e->refused;
}

static void finish(srn_worker *w, const void *request, int status, int answered, int failed) {
    srn_entry *e = find(w, request);
    if (e == NULL || e->stage != CHOSEN)
        srn_count(w, status);
    else
        srn_done_as(w, &e->choice, status, answered, failed, 0);
    if (e != NULL) {
        srn_requests *t = w->requests;
        erase(t, look_up(t, request));
        t->count--;
        e->next = t->free;
        t->free = e;
    }
    srn_rest(w);
}

void srn_request_done(srn_worker *w, const void *request, int status, int failed) { finish(w, request, status, status, failed); }

/* --- the end of a request as nginx tells it --- */

typedef struct { /* ngx_http_cleanup_t */
    void (*handler)(void *data);
    void *data;
    void *next;
} srn_cleanup;

/* Whether the last attempt was answered: $upstream_header_time then ends with a number. */
static bool is_answered(const srn_worker *w, void *request) {
    static const char name[] = "upstream_header_time";
    char lower[sizeof name], *value = NULL, *err = NULL;
    size_t len = 0;
    if (w->nginx.variable(request, name, sizeof name - 1, lower, 0, &value, &len, &err) != 0 || value == NULL)
        return false;
    return len > 0 && value[len - 1] >= '0' && value[len - 1] <= '9';
}

/* The number that a list by attempt ends with; 0 for none. */
static int last_number(const char *text, size_t len) {
    int n = 0, unit = 1;
    for (size_t i = len; text != NULL && i > 0 && unit < 1000 && text[i - 1] >= '0' && text[i - 1] <= '9'; i--, unit *= 10)
        n += (text[i - 1] - '0') * unit;
    return n;
}

/* What the endpoint of the last attempt said, whatever the client was told: its status, SRN_FAILED, or 0 where the client
 * left before. `told`: nginx's own word for an attempt, 502 or 504 where there was no answer. */
static int answer_of(int told, bool answered) { return answered ? told : told == 502 || told == 504 ? SRN_FAILED : 0; }

static int endpoint_status(const srn_worker *w, void *request, const srn_choice *c) {
    static const char name[] = "upstream_status";
    char lower[sizeof name], *value = NULL, *err = NULL;
    size_t len = 0;
    if (w->nginx.variable(request, name, sizeof name - 1, lower, 0, &value, &len, &err) != 0)
        return 0;
    if (is_answered(w, request))
        return last_number(value, len);
    return c->open ? answer_of(last_number(value, len), false) : SRN_FAILED; /* no endpoint was left to be asked */
}

/* A number that nginx keeps as a variable. */
static uint64_t number_of(const srn_worker *w, void *request, const char *name, size_t name_len) {
    char lower[32], *value = NULL, *err = NULL;
    size_t len = 0;
    uint64_t n = 0;
    if (name_len > sizeof lower || w->nginx.variable(request, name, name_len, lower, 0, &value, &len, &err) != 0 || value == NULL)
        return 0;
    for (size_t i = 0; i < len && value[i] >= '0' && value[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(value[i] - '0');
    return n;
}
#define NUMBER_OF(w, request, name) number_of(w, request, name, sizeof name - 1)

static bool has_facts(const srn_worker *w) { return w->nginx.method != NULL; }

/* How many requests this one's bytes stand for, and those of its times that are nginx's alone: asking for them costs more
 * than all else here. Below BUSY requests a
 * second each stands for itself; beyond, one of SAMPLE does for as many, by chance. 0: do not ask. */
#define BUSY 500u
#define SAMPLE 8u
static uint32_t weight_of_bytes(srn_worker *w, uint64_t now_us) {
    if (now_us - w->bytes_since > 1000000u) {
        w->bytes_since = now_us;
        w->bytes_asked = 0;
    }
    if (w->bytes_asked < BUSY) {
        w->bytes_asked++;
        return 1;
    }
    return srn_random(w) % SAMPLE == 0 ? SAMPLE : 0;
}

static srn_facts facts_of(srn_worker *w, void *request, int status, uint64_t now_us) {
    srn_facts f = {.status = status > 0 ? (uint32_t)status : 0};
    int method = w->nginx.method(request);
    double took = w->nginx.now() - w->nginx.start_time(request);
    f.method = method > 0 ? (uint32_t)__builtin_ctz((unsigned)method) : 0;
    f.request_us = took > 0 ? (uint64_t)(took * 1e6) : 0;
    f.weight = weight_of_bytes(w, now_us);
    if (f.weight != 0) {
        f.received = NUMBER_OF(w, request, "request_length");
        f.sent = NUMBER_OF(w, request, "bytes_sent");
    }
    return f;
}

/* A list of nginx's by attempt, up to the upstream asked at present: ` : ` parts upstreams. */
static const char *earlier(const srn_worker *w, const void *request, const char *name, size_t name_len, size_t *len) {
    char lower[32], *value = NULL, *err = NULL;
    *len = 0;
    if (name_len > sizeof lower ||
        w->nginx.variable((void *)(uintptr_t)request, name, name_len, lower, 0, &value, len, &err) != 0 || value == NULL) {
        *len = 0;
        return NULL;
    }
    size_t end = *len;
    while (end > 0 && value[end - 1] != ':')
        end--;
    if (end == 0)
        end = *len + 1;
    for (end--; end > 0 && value[end - 1] == ' ';)
        end--;
    *len = end;
    return value;
}

/* The last of nginx's seconds with three decimals in a list by attempt, as µs; SRN_NO_RESPONSE: it ends with none. */
static uint64_t last_time(const char *text, size_t len) {
    uint64_t ms = 0, unit = 1;
    size_t digits = 0;
    if (text == NULL || len < 5 || text[len - 4] != '.')
        return SRN_NO_RESPONSE;
    for (size_t at = len; at > 0 && unit < 1000000000u; at--) {
        if (at == len - 3)
            continue; /* the point */
        if (text[at - 1] < '0' || text[at - 1] > '9')
            break;
        ms += (uint64_t)(text[at - 1] - '0') * unit;
        unit *= 10;
        digits++;
    }
    return digits < 4 ? SRN_NO_RESPONSE : ms * 1000;
}

/* Of the upstream asked at present, or of the one before. */
static uint64_t time_of(const srn_worker *w, void *request, const char *name, size_t name_len, bool before) {
    char lower[32], *value = NULL, *err = NULL;
    size_t len = 0;
    if (before) {
        const char *text = earlier(w, request, name, name_len, &len);
        return last_time(text, len);
    }
    if (name_len > sizeof lower || w->nginx.variable(request, name, name_len, lower, 0, &value, &len, &err) != 0)
        return SRN_NO_RESPONSE;
    return last_time(value, len);
}
#define TIME_OF(w, request, name, before) time_of(w, request, name, sizeof name - 1, before)

/* nginx's own times are of whole milliseconds; ours begin with the endpoint's choice. The longer one is nearer. */
static void tell(srn_worker *w, void *request, const srn_entry *e, int status, bool answered, bool before) {
    uint64_t now = srn_now();
    srn_facts f = facts_of(w, request, status, now);
    if (e->stage != CHOSEN) {
        if (e->route != NULL)
            srn_tell_own_facts(&e->route->ref, &f);
        return;
    }
    uint64_t chosen = now - e->choice.started_us;
    if (now > e->choice.started_us && chosen > f.request_us)
        f.request_us = chosen;
    f.response_us = !answered ? SRN_NO_RESPONSE : now > e->choice.attempt_us ? now - e->choice.attempt_us : 0;
    if (f.weight != 0) {
        f.connect_us = TIME_OF(w, request, "upstream_connect_time", before);
        f.header_us = TIME_OF(w, request, "upstream_header_time", before);
    }
    srn_tell_facts(w, &e->choice, &f);
}

/* The request goes on to somebody else (an error page): what its endpoint answered is over. */
static void end_earlier(srn_worker *w, const void *request, srn_entry *e) {
    static const char of_status[] = "upstream_status", of_head[] = "upstream_header_time";
    size_t len = 0;
    if (w->nginx.variable != NULL && followed == w) {
        const char *text = earlier(w, request, of_status, sizeof of_status - 1, &len);
        int status = last_number(text, len);
        text = earlier(w, request, of_head, sizeof of_head - 1, &len);
        bool answered = len > 0 && text[len - 1] >= '0' && text[len - 1] <= '9';
        if (has_facts(w))
            tell(w, (void *)(uintptr_t)request, e, status, answered, true);
        srn_done_as(w, &e->choice, status, answer_of(status, answered), !answered && (status == 502 || status == 504), 0);
    } else
        srn_done(w, &e->choice, 0, 0, 0);
}

void srn_request_own(srn_worker *w, void *request, srn_route *route) {
    int status = w->nginx.status(request);
    srn_count(w, status);
    if (route != NULL && has_facts(w)) {
        srn_facts f = facts_of(w, request, status, srn_now());
        srn_tell_own_facts(&route->ref, &f);
    }
    srn_rest(w);
}

static void request_ended(void *request) {
    srn_worker *w = followed;
    const srn_entry *e = w == NULL ? NULL : find(w, request);
    if (e == NULL)
        return;
    int status = w->nginx.status(request), failed = 0;
    if (status < 0)
        status = 0;
    if (has_facts(w)) {
        bool doubtful = status == 499 || status == 502 || status == 504;
        tell(w, request, e, status, !doubtful || is_answered(w, request), false);
    }
    if ((status == 499 || status == 502 || status == 504) && !is_answered(w, request)) {
        failed = status != 499;
        status = failed ? status : 0; /* the client left before an answer */
    }
    int answered = e->stage == CHOSEN && (e->choice.marks & SRN_IN_TRIAL) ? endpoint_status(w, request, &e->choice) : status;
    finish(w, request, status, answered, failed);
}

static bool follow_request(const srn_worker *w, const void *request) {
    if (w->nginx.add_cleanup == NULL)
        return true;
    void *r = (void *)(uintptr_t)request;
    srn_cleanup *cleanup = w->nginx.add_cleanup(r, 0);
    if (cleanup == NULL)
        return false;
    cleanup->handler = request_ended;
    cleanup->data = r;
    return true;
}

/* Give nginx the endpoint chosen, and room for one attempt more where there is another endpoint. */
static void go(srn_worker *w, void *request, srn_entry *e, uint32_t tries) {
    char text[INET6_ADDRSTRLEN + 2], *err = NULL;
    size_t len = srn_peer_text(&e->choice, text, sizeof text);
    w->nginx.set_peer(request, (const uint8_t *)text, len, e->choice.port, &err);
    grant(w, e, tries);
    if (e->granted)
        w->nginx.more_tries(request, 1, &err);
}

static int forward(srn_worker *w, const void *request) {
    static const char name[] = "serin";
    char lower[sizeof name], *value = NULL, *err = NULL;
    size_t len = 0;
    void *r = (void *)(uintptr_t)request;
    if (w->texts == NULL || w->nginx.variable(r, name, sizeof name - 1, lower, 0, &value, &len, &err) != 0)
        return SRN_LATER;
    const srn_known *known = srn_known_text(w, (const uint8_t *)value, len);
    if (known == NULL || find(w, request) != NULL) /* an attempt has been made, or the request was refused */
        return SRN_LATER;
    int result = srn_request_decide(w, request, known->route, -1, 0, NULL, 0, SRN_ASK_KEY);
    if (result != 0)
        return result;
    srn_entry *e = find(w, request);
    go(w, r, e, known->tries);
    srn_rest(w);
    return e->choice.version;
}

int srn_request_forward(srn_worker *w, const void *request) {
    if (request == NULL || request != left_to_lua)
        return forward(w, request);
    left_to_lua = NULL;
    return left_result;
}

int srn_request_first(const void *request) {
    if (followed == NULL)
        return 0;
    left_result = forward(followed, request);
    left_to_lua = left_result == 0 ? NULL : request;
    return left_result == 0;
}

void srn_follow(srn_worker *w, const srn_nginx *nginx) {
    w->nginx = *nginx;
    followed = w;
}

void srn_leaving(srn_worker *w) {
    w->leaving = true;
    srn_rest(w);
}

/* --- an address as nginx reads it --- */

static size_t put_decimal(char *out, uint32_t n) {
    size_t len = n >= 100 ? 3 : n >= 10 ? 2 : 1;
    for (size_t i = len; i > 0; i--, n /= 10)
        out[i - 1] = (char)('0' + n % 10);
    return len;
}

size_t srn_peer_text(const srn_choice *c, char *out, size_t len) {
    char text[INET6_ADDRSTRLEN + 2];
    size_t at = 0;
    if (c->family == 6) {
        text[0] = '[';
        if (inet_ntop(AF_INET6, c->address, text + 1, INET6_ADDRSTRLEN) == NULL)
            return 0;
        at = strlen(text);
        text[at++] = ']';
    } else {
        for (uint32_t i = 0; i < 4; i++) {
            if (i > 0)
                text[at++] = '.';
            at += put_decimal(text + at, c->address[i]);
        }
    }
    if (at > len)
        return 0;
    memcpy(out, text, at);
    return at;
}
