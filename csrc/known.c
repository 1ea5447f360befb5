/* Texts of `$serin` that say no more than which split to draw from, each with its route: found without Lua.
 *
 * As many as there are locations; they come one by one, as Lua meets them, and stay as long as the worker. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FIRST_TEXTS 64u
#define IDENT_LENGTH 16u /* every text begins with the split's own name */

struct srn_texts {
    srn_known *places; /* text NULL: free */
    uint32_t mask;
    uint32_t count;
};

static uint32_t place_of(const srn_texts *t, const uint8_t *text) {
    uint64_t high, low;
    memcpy(&high, text, sizeof high);
    memcpy(&low, text + sizeof high, sizeof low);
    return (uint32_t)(srn_mix64(high ^ (low * SRN_GOLDEN)) >> 32) & t->mask;
}

/* Where it is, or would go. There is always a free place. */
static srn_known *look_up(const srn_texts *t, const uint8_t *text, size_t len) {
    uint32_t at = place_of(t, text);
    while (t->places[at].text != NULL && (t->places[at].len != len || memcmp(t->places[at].text, text, len) != 0))
        at = (at + 1) & t->mask;
    return &t->places[at];
}

const srn_known *srn_known_text(const srn_worker *w, const uint8_t *text, size_t len) {
    if (w->texts == NULL || len < IDENT_LENGTH)
        return NULL;
    const srn_known *found = look_up(w->texts, text, len);
    return found->text == NULL ? NULL : found;
}

static bool widen(srn_texts *t, uint32_t size) {
    srn_texts wide = {calloc(size, sizeof *wide.places), size - 1, t->count};
    if (wide.places == NULL)
        return false;
    for (uint32_t i = 0; t->places != NULL && i <= t->mask; i++)
        if (t->places[i].text != NULL)
            *look_up(&wide, t->places[i].text, t->places[i].len) = t->places[i];
    free(t->places);
    *t = wide;
    return true;
}

/* Half of the places stay free. */
static bool has_room(srn_worker *w) {
    srn_texts *t = w->texts;
    if (t == NULL)
        t = w->texts = calloc(1, sizeof *t);
    if (t == NULL)
        return false;
    if (t->places == NULL)
        return widen(t, FIRST_TEXTS);
    return (t->count + 1) * 2 <= t->mask + 1 || widen(t, (t->mask + 1) * 2);
}

void srn_know(srn_worker *w, const uint8_t *text, size_t len, srn_route *route, uint32_t tries) {
    if (w->nginx.set_peer == NULL || len < IDENT_LENGTH || len > UINT32_MAX || !has_room(w))
        return;
    srn_known *at = look_up(w->texts, text, len);
    if (at->text == NULL) {
        uint8_t *copy = malloc(len);
        if (copy == NULL)
            return;
        memcpy(copy, text, len);
        *at = (srn_known){.len = (uint32_t)len, .text = copy};
        w->texts->count++;
    }
    at->route = route;
    at->tries = tries;
}

void srn_forget_texts(srn_worker *w) {
    srn_texts *t = w->texts;
    if (t == NULL)
        return;
    for (uint32_t i = 0; t->places != NULL && i <= t->mask; i++)
        free(t->places[i].text);
    free(t->places);
    free(t);
    w->texts = NULL;
}
