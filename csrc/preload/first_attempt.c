/* Loaded before nginx's own libraries (LD_PRELOAD) in Lua mode: the routine is asked before Lua is.
 *
 * A plain request's first attempt is one call of the routine's. The way there through Lua costs as much again, nearly all of
 * it for code and data that no cache holds by then. The Lua module looks its handler of balancer_by_lua up by name, and
 * finds this one: it asks the routine, and goes on to the module's where that leaves something to do. Only for upstream
 * blocks of which Lua has said that it would do the same. A module that looks up another name goes through Lua always. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCKS 64u /* two blocks of one place take turns: each costs the other no more than the way through Lua */
#define NGX_OK 0
#define NGX_ERROR (-1)

#pragma GCC visibility push(default)
/* `attempt`: 1 when all is done for this request, 0 when Lua has to be asked. Each worker says so for itself. */
void srn_preload_first(int (*attempt)(const void *request));
/* While Lua balances: from now on first attempts of this upstream block are made ahead of it. 0: not possible here. */
int srn_preload_ahead(void);
intptr_t ngx_http_lua_balancer_handler_inline(void *request, void *block, void *vm);
#pragma GCC visibility pop

typedef intptr_t (*handler)(void *request, void *block, void *vm);

static int (*first)(const void *request);
static const void *ahead[BLOCKS];
static const void *present; /* the upstream block that Lua is asked for */

static const void **place_of(const void *block) { return &ahead[((uintptr_t)block >> 4) % BLOCKS]; }

void srn_preload_first(int (*attempt)(const void *request)) { first = attempt; }

int srn_preload_ahead(void) {
    if (present == NULL || first == NULL)
        return 0;
    *place_of(present) = present;
    return 1;
}

static __attribute__((noinline)) intptr_t through_lua(void *request, void *block, void *vm) {
    static handler of_module;
    if (of_module == NULL)
        *(void **)&of_module = dlsym(RTLD_NEXT, "ngx_http_lua_balancer_handler_inline");
    if (of_module == NULL)
        return NGX_ERROR;
    present = block;
    intptr_t result = of_module(request, block, vm);
    present = NULL;
    return result;
}

intptr_t ngx_http_lua_balancer_handler_inline(void *request, void *block, void *vm) {
    if (*place_of(block) == block && first(request))
        return NGX_OK;
    return through_lua(request, block, vm);
}
