/* Counts of a rollout's requests: by trial and version, exact status, latency, and which users got errors.
 *
 * A slot of trials.bin is a trial's for as long as its id is there; a cell is one version's. Both are taken over with the
 * first request of another trial, their counts from zero. An end of a request counts only where its own trial still is. */
#include "internal.h"

/* µs, inclusive, each 2 to the power of 1/5 above the one before (serin.rollout.facts) */
static const uint64_t bounds[SRN_TRIAL_BUCKETS - 1] = {
    100, 115, 132, 152, 174, 200, 230, 264, 303, 348, 400, 459, 528, 606, 696, 800, 919, 1056, 1213, 1393, 1600, 1838, 2111,
    2425, 2786, 3200, 3676, 4222, 4850, 5572, 6400, 7352, 8445, 9701, 11143, 12800, 14703, 16890, 19401, 22286, 25600, 29407,
    33779, 38802, 44572, 51200, 58813, 67559, 77605, 89144, 102400, 117627, 135118, 155209, 178289, 204800, 235253, 270235,
    310419, 356578, 409600, 470507, 540470, 620838, 713155, 819200, 941014, 1080941, 1241675, 1426310, 1638400, 1882027,
    2161882, 2483350, 2852620, 3276800, 3764055, 4323764, 4966700, 5705240, 6553600, 7528110, 8647527, 9933400, 11410480,
    13107200, 15056219, 17295054, 19866800, 22820961, 26214400, 30112438, 34590108, 39733600, 45641921, 52428800,
};

uint32_t srn_trial_bounds(uint64_t *out, uint32_t max) {
    for (uint32_t i = 0; i < SRN_TRIAL_BUCKETS - 1 && i < max; i++)
        out[i] = bounds[i];
    return SRN_TRIAL_BUCKETS - 1;
}

/* A client that left has waited at least so long, which is an answer to how long it takes: who hangs must not look as fast
 * as those that are answered. Less tells nothing but that somebody went on. */
#define SRN_PATIENCE_US 1000000u

static uint64_t get(const srn_word *word) { return atomic_load_explicit(word, memory_order_acquire); }
static uint64_t add(srn_word *word) { return atomic_fetch_add_explicit(word, 1, memory_order_relaxed); }

/* Never one that looks like a row's claim. */
static uint64_t key_of(uint64_t trial, uint32_t place) { return srn_mix64(trial ^ srn_mix64(place)) | 1ull << 63; }

static srn_word *users_of(const srn_worker *w, uint32_t slot) { return w->trial_users + (uint64_t)slot * SRN_BAD_USERS; }

/* Memory behind a part of a slot, once for all processes. False: there is none to be had. */
static bool is_backed(const srn_worker *w, srn_trial_head *head, uint64_t bit, const void *part, size_t size) {
    if (get(&head->backed) & bit)
        return true;
    if (!srn_back(w->trials_map.fd, (uint64_t)((const uint8_t *)part - w->trials_map.base), size))
        return false;
    atomic_fetch_or_explicit(&head->backed, bit, memory_order_release);
    return true;
}

static bool take_slot(srn_worker *w, uint32_t slot, uint64_t trial) {
    srn_trial_head *head = &w->trial_heads[slot];
    int got = srn_claim_begin(w, &head->trial, trial, SRN_CLAIM_TRIAL + 1u + slot);
    if (got != SRN_CLAIMED)
        return got == SRN_MINE;
    atomic_store_explicit(&head->full, 0, memory_order_relaxed);
    srn_word *users = users_of(w, slot);
    for (uint32_t i = 0; (get(&head->backed) & SRN_USERS_BACKED) && i < SRN_BAD_USERS; i++)
        atomic_store_explicit(&users[i], 0, memory_order_relaxed);
    srn_claim_end(w, &head->trial, trial);
    return true;
}

void srn_enter_trial(srn_worker *w, const srn_split *split, const srn_release *release, srn_choice *c) {
    uint64_t trial = release->trial;
    uint32_t slot = release->trial_slot, place = release->place + (uint32_t)c->version;
    if (w->trials == NULL || slot >= w->trials->slots || place >= SRN_MAX_VERSIONS || trial <= w->state->rows)
        return;
    srn_trial_head *head = &w->trial_heads[slot];
    uint32_t at = slot * SRN_MAX_VERSIONS + place;
    srn_trial_cell *cell = &w->trial_cells[at];
    if (get(&head->trial) != trial && !take_slot(w, slot, trial))
        return;
    if (!is_backed(w, head, 1u << place, cell, sizeof *cell))
        return;
    size_t words = (offsetof(srn_trial_cell, pad) - offsetof(srn_trial_cell, counts)) / sizeof(srn_word);
    uint64_t key = key_of(trial, place);
    if (get(&cell->key) != key && !srn_claim(w, &cell->key, key, SRN_CLAIM_PART + 1u + at, &cell->counts[0][0], words))
        return;
    c->trial = trial;
    c->trial_cell = at;
    c->marks |= SRN_IN_TRIAL | (split->flags & SRN_SPLIT_CLIENT_ERRORS ? SRN_CLIENT_ERRORS : 0);
    c->marks |= (split->flags & SRN_SPLIT_SALTED) && c->user == 0 ? SRN_BY_ITSELF : 0;
}

static void see_user(srn_trial_cell *cell, uint64_t user) {
    srn_word *word = &cell->users[user / 64 % SRN_USER_WORDS];
    uint64_t bit = 1ull << (user & 63u);
    if ((get(word) & bit) == 0)
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
}

/* Once for each user, place and status; from the one on that finds no room, none. */
static void note_error(const srn_worker *w, const srn_choice *c, uint64_t user, uint32_t status) {
    uint32_t slot = (uint32_t)c->trial_cell / SRN_MAX_VERSIONS, place = (uint32_t)c->trial_cell % SRN_MAX_VERSIONS;
    srn_trial_head *head = &w->trial_heads[slot];
    srn_word *users = users_of(w, slot);
    uint64_t entry = user >> 16 << 16 | place << 12 | status;
    if (get(&head->full) != 0 || get(&head->trial) != c->trial)
        return;
    if (is_backed(w, head, SRN_USERS_BACKED, users, SRN_BAD_USERS * sizeof *users)) {
        uint32_t at = (uint32_t)srn_mix64(entry);
        for (uint32_t i = 0; i < SRN_BAD_USERS; i++, at++) {
            uint64_t found = get(&users[at % SRN_BAD_USERS]);
            if (found == 0 && atomic_compare_exchange_strong(&users[at % SRN_BAD_USERS], &found, entry))
                return;
            if (found == entry)
                return;
        }
    }
    atomic_store_explicit(&head->full, 1, memory_order_release);
}

void srn_count_trial(srn_worker *w, const srn_choice *c, int status, uint64_t took_us) {
    if (w->trials == NULL || c->trial_cell / SRN_MAX_VERSIONS >= w->trials->slots)
        return;
    srn_trial_cell *cell = &w->trial_cells[c->trial_cell];
    if (get(&cell->key) != key_of(c->trial, (uint32_t)c->trial_cell % SRN_MAX_VERSIONS))
        return;
    if (status != SRN_FAILED && (status < 100 || status >= (int)SRN_TRIAL_STATUSES))
        status = 0;
    uint32_t by = c->marks & SRN_WAS_DRAWN ? 0 : 1;
    uint64_t before = add(&cell->counts[by][status]), user = c->user;
    if (status != 101 && (status != 0 || took_us >= SRN_PATIENCE_US))
        add(&cell->latency[by][srn_bucket_of(took_us, bounds, SRN_TRIAL_BUCKETS - 1)]);
    /* Who has no key where others have one is a user of one request: errors of these must count, too. */
    if (c->marks & SRN_BY_ITSELF) {
        uint64_t which = c->trial_cell % SRN_MAX_VERSIONS << 16 | (uint32_t)status;
        user = srn_mix64(w->trials->instance ^ srn_mix64(which) ^ srn_mix64(~before));
    }
    if (user == 0 || by != 0 || status == 0)
        return;
    see_user(cell, user);
    if (status == SRN_FAILED || status >= 500 || (status >= 400 && (c->marks & SRN_CLIENT_ERRORS)))
        note_error(w, c, user, (uint32_t)status);
}
