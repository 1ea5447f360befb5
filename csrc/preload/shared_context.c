/* Loaded before nginx's own libraries (LD_PRELOAD) in Lua mode, for Lua modules older than 0.10.28.
 *
 * Such a module makes an SSL_CTX of its own for every server and every location, for sockets that Lua might open there;
 * ours opens none. Of 5,000 hosts that is 15,000 contexts: 2.3 of 2.5 s in which nginx reads its configuration, and 250 of
 * 345 MB. Later modules share one as long as no lua_ssl_* directive differs, and here none is ever written. This does the
 * same from outside: the first context that the module asks for is given again. Contexts of nginx itself are untouched. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_method_st SSL_METHOD;

#define MODULE "ngx_http_lua_module.so"

#pragma GCC visibility push(default)
SSL_CTX *SSL_CTX_new(const SSL_METHOD *method);
int SSL_CTX_set_cipher_list(SSL_CTX *ctx, const char *list);
#pragma GCC visibility pop

static SSL_CTX *shared;
static bool has_ciphers;
static const void *module_base;

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static bool in_module(void *address) {
    Dl_info info;
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
        return false;
    if (module_base != NULL)
        return info.dli_fbase == module_base;
    size_t length = strlen(info.dli_fname), wanted = strlen(MODULE);
    if (length < wanted || strcmp(info.dli_fname + length - wanted, MODULE) != 0)
        return false;
    module_base = info.dli_fbase;
    return true;
}

/* Frames: this file's, nginx's ngx_ssl_create, and whoever called that. */
static __attribute__((noinline)) bool asked_by_lua(void) {
    void *frames[4];
    int count = backtrace(frames, 4);
    for (int i = 1; i < count; i++)
        if (in_module(frames[i]))
            return true;
    return false;
}

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method) {
    static SSL_CTX *(*make)(const SSL_METHOD *);
    static int (*hold)(SSL_CTX *);
    if (make == NULL) {
        *(void **)&make = next("SSL_CTX_new");
        *(void **)&hold = next("SSL_CTX_up_ref");
    }
    if (make == NULL)
        return NULL;
    if (hold == NULL || !asked_by_lua())
        return make(method);
    if (shared == NULL)
        shared = make(method);
    /* one reference is ours for ever: the module gives back its own with each configuration that goes */
    return shared != NULL && hold(shared) == 1 ? shared : make(method);
}

int SSL_CTX_set_cipher_list(SSL_CTX *ctx, const char *list) {
    static int (*set)(SSL_CTX *, const char *);
    if (set == NULL)
        *(void **)&set = next("SSL_CTX_set_cipher_list");
    if (set == NULL)
        return 0;
    if (ctx != shared || shared == NULL)
        return set(ctx, list);
    if (!has_ciphers)
        has_ciphers = set(ctx, list) == 1;
    return has_ciphers;
}
