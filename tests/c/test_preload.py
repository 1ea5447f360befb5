"""What nginx with Lua is started with: one TLS context for all that its Lua module asks for, and no other is shared;
and the routine is asked before Lua is, for upstream blocks of which Lua has said so."""

import ctypes.util
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRELOAD = sorted(str(path) for path in (ROOT / "csrc" / "preload").glob("*.c"))
HEADER = """
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_method_st SSL_METHOD;
const SSL_METHOD *TLS_method(void);
SSL_CTX *SSL_CTX_new(const SSL_METHOD *method);
int SSL_CTX_set_cipher_list(SSL_CTX *ctx, const char *list);
void SSL_CTX_free(SSL_CTX *ctx);
SSL_CTX *create(void);
SSL_CTX *ask(void);
"""
# As in nginx: the program makes a context for whoever asks, the module is loaded later and asks for two.
MODULE = """
SSL_CTX *ask(void) {
    SSL_CTX *made = create();
    return SSL_CTX_set_cipher_list(made, "DEFAULT") == 1 ? made : 0;
}
"""
PROGRAM = """
#include <dlfcn.h>
#include <stdio.h>
SSL_CTX *create(void) { return SSL_CTX_new(TLS_method()); }
int main(int count, char **paths) {
    SSL_CTX *(*lua)(void), *(*other)(void), *found[5];
    *(void **)&lua = dlsym(dlopen(paths[1], RTLD_NOW), "ask");
    *(void **)&other = dlsym(dlopen(paths[2], RTLD_NOW), "ask");
    found[0] = create(), found[1] = other(), found[2] = lua(), found[3] = lua(), found[4] = other();
    for (int i = 0; i < 5; i++) {
        int first = 0;
        while (found[first] != found[i])
            first++;
        printf("%d ", found[i] == 0 ? -1 : first);
    }
    for (int i = 0; i < 5; i++)
        SSL_CTX_free(found[i]);
    SSL_CTX *again = lua();
    printf("%s %d\\n", again == found[2] ? "kept" : "lost", count);
    return 0;
}
"""


def compiler() -> str:
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("no C compiler on this machine")
    return found


def build(to: Path, text: str, *options: str) -> str:
    source = to.with_suffix(".c")
    source.write_text(HEADER + text)
    subprocess.run([compiler(), "-std=gnu11", str(source), "-o", str(to), *options], check=True)
    return str(to)


def build_preload(to: str) -> None:
    subprocess.run(
        [compiler(), "-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-shared", *PRELOAD, "-o", to, "-ldl"],
        check=True,
    )


@pytest.mark.parametrize(
    ("preloaded", "expected"),
    [(True, "0 1 2 2 4 kept 3"), (False, "0 1 2 3 4 lost 3")],
    ids=["with", "without"],
)
def test_the_module_gets_one_context_and_others_their_own(tmp_path: Path, preloaded: bool, expected: str) -> None:
    openssl = ctypes.util.find_library("ssl")
    assert openssl is not None, "Python itself is linked with OpenSSL"
    library = build(tmp_path / "preload.so", "", "-shared", "-fPIC")
    build_preload(library)
    module = build(tmp_path / "ngx_http_lua_module.so", MODULE, "-shared", "-fPIC")
    other = build(tmp_path / "other.so", MODULE, "-shared", "-fPIC")
    program = build(tmp_path / "program", PROGRAM, "-rdynamic", f"-l:{openssl}", "-ldl")
    environment = {"LD_PRELOAD": library} if preloaded else {}
    said = subprocess.run([program, module, other], env=environment, capture_output=True, text=True, check=True)
    found = said.stdout.strip()
    if not preloaded:  # a context that was freed may be made at the same place again
        found = found.replace("kept", "lost")
    assert found == expected


# The Lua module finds its handler by name; Lua's code in it says `L`, what the routine is asked says `F`.
BALANCER = """
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
typedef intptr_t (*handler)(void *, void *, void *);
intptr_t ngx_http_lua_balancer_handler_inline(void *request, void *block, void *vm) {
    int (*ahead)(void);
    *(void **)&ahead = dlsym(RTLD_DEFAULT, "srn_preload_ahead");
    printf("L%d", ahead != 0 && block != vm ? ahead() : 9);
    return request == 0 ? -5 : 0;
}
static handler handlers[] = {ngx_http_lua_balancer_handler_inline};
long balance(void *request, void *block, void *vm) { return handlers[0](request, block, vm); }
"""
ASKING = """
#include <dlfcn.h>
#include <stdio.h>
static int first(const void *request) { printf("F"); return request != 0; }
int main(int count, char **paths) {
    long (*balance)(void *, void *, void *);
    void (*set)(int (*)(const void *));
    char blocks[4096];
    *(void **)&balance = dlsym(dlopen(paths[1], RTLD_NOW | RTLD_GLOBAL), "balance");
    *(void **)&set = dlsym(RTLD_DEFAULT, "srn_preload_first");
    balance(paths, blocks, paths); /* nothing to ask: 0 */
    printf(" ");
    if (set != 0)
        set(first);
    balance(paths, blocks, paths); /* Lua says that it would do the same */
    printf("%ld ", balance(paths, blocks, paths));
    printf("%ld ", balance(0, blocks, paths)); /* not all is done */
    balance(paths, blocks + 512, blocks + 512); /* another block, of which Lua does not say so */
    balance(paths, blocks + 512, blocks + 512);
    printf(" ");
    balance(paths, blocks + 1024, paths); /* in the same place as the first one */
    balance(paths, blocks, paths);
    return count != 2;
}
"""


@pytest.mark.parametrize(
    ("preloaded", "expected"),
    [(True, "L0 L1F0 FL1-5 L9L9 L1L1"), (False, "L9 L9L90 L9-5 L9L9 L9L9")],
    ids=["with", "without"],
)
def test_the_routine_is_asked_before_lua(tmp_path: Path, preloaded: bool, expected: str) -> None:
    library = str(tmp_path / "preload.so")
    build_preload(library)
    module = build(tmp_path / "ngx_http_lua_module.so", "#define _GNU_SOURCE\n" + BALANCER, "-shared", "-fPIC")
    program = build(tmp_path / "program", "#define _GNU_SOURCE\n" + ASKING, "-ldl")
    environment = {"LD_PRELOAD": library} if preloaded else {}
    said = subprocess.run([program, module], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == expected
