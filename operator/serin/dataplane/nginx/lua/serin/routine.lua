-- The C routine in an nginx worker: loaded once, attached to the run directory, kept up to date.
-- Knows nothing of routes; serin.h says what each function does.

local ffi = require "ffi"
local get_request = require("resty.core.base").get_request
local ngx = ngx

-- The part of serin.h that nginx needs, word for word (a test compares).
ffi.cdef [[
typedef struct srn_worker srn_worker;
typedef struct srn_pattern srn_pattern;
typedef struct srn_choice {
    int32_t version;
    int32_t reason;
    uint64_t endpoint;
    uint64_t pool;
    uint8_t address[16];
    uint16_t port;
    uint8_t family;
    uint8_t exact;
    uint32_t endpoint_cell;
    uint32_t stats_cell;
    uint64_t started_us;
    uint32_t tried_count;
    uint64_t tried[8];
    uint64_t attempt_us;
    uint64_t key;
    uint64_t split;
    uint64_t version_ident;
    uint32_t flags;
    uint32_t pool_slot;
    uint32_t algorithm;
    uint32_t open;
    uint32_t counted;
    uint32_t marks;
    uint64_t user;
    uint64_t trial;
    uint64_t trial_cell;
} srn_choice;
typedef struct srn_ref {
    srn_worker *worker;
    uint64_t split;
    uint32_t slot;
    uint32_t shape;
} srn_ref;
typedef struct srn_route {
    srn_ref ref;
    uint32_t count;
    uint32_t mapped;
    uint32_t left_out;
    uint64_t idents[16];
    int32_t to_block[16];
    int32_t from_block[16];
} srn_route;
uint32_t srn_abi(void);
srn_worker *srn_attach(const char *dir, uint32_t index, uint64_t seed, char *err, size_t err_len);
void srn_detach(srn_worker *w);
int srn_remap(srn_worker *w, char *err, size_t err_len);
void srn_quiet(srn_worker *w);
uint64_t srn_hash(const uint8_t *data, size_t len);
void srn_route_init(srn_route *route, srn_worker *w, uint64_t split_id, const uint64_t *idents, uint32_t count);
int srn_request_decide(srn_worker *w, const void *request, srn_route *route, int32_t forced, uint32_t excluded,
                       const uint8_t *key, size_t key_len, uint32_t flags);
void srn_request_user(srn_worker *w, const void *request, const uint8_t *text, size_t len);
int srn_request_endpoint(srn_worker *w, const void *request, srn_route *route, const uint8_t *key, size_t key_len,
                         uint32_t flags);
const srn_choice *srn_request_choice(const srn_worker *w, const void *request);
int srn_request_retry(srn_worker *w, const void *request);
int srn_request_grant(srn_worker *w, const void *request, uint32_t tries);
int srn_request_granted(const srn_worker *w, const void *request);
void srn_request_refuse(srn_worker *w, const void *request, int status);
int srn_request_refused(const srn_worker *w, const void *request);
void srn_request_done(srn_worker *w, const void *request, int status, int failed);
typedef struct srn_nginx {
    void *(*add_cleanup)(void *request, size_t size);
    int (*status)(void *request);
    int (*variable)(void *request, const char *name, size_t name_len, char *lower_buf, int capture, char **value,
                    size_t *value_len, char **err);
    int (*set_peer)(void *request, const uint8_t *address, size_t len, int port, char **err);
    int (*more_tries)(void *request, int count, char **err);
    int (*method)(void *request);
    double (*start_time)(void *request);
    double (*now)(void);
} srn_nginx;
void srn_follow(srn_worker *w, const srn_nginx *nginx);
void srn_know(srn_worker *w, const uint8_t *text, size_t len, srn_route *route, uint32_t tries);
int srn_request_forward(srn_worker *w, const void *request);
int srn_request_first(const void *request);
size_t srn_peer_text(const srn_choice *c, char *out, size_t len);
void srn_request_own(srn_worker *w, void *request, srn_route *route);
void srn_leaving(srn_worker *w);
srn_pattern *srn_pattern_new(const char *text, size_t len, uint32_t flags, char *err, size_t err_len);
void srn_pattern_free(srn_pattern *p);
int srn_pattern_search(srn_pattern *p, const uint8_t *subject, size_t len, int32_t *spans, uint32_t max_spans);
]]

-- nginx's own: the cleanup list of a request, kept in the same form since nginx 0.7.
ffi.cdef [[
void *ngx_http_cleanup_add(void *r, size_t size);
]]

-- Of what nginx is started with (csrc/preload/first_attempt.c).
ffi.cdef [[
void srn_preload_first(int (*attempt)(const void *request));
int srn_preload_ahead(void);
]]

local ABI, ANY_ROW = 4, 0xffffffff
local REFRESH, ATTACH_AGAIN = 1, 0.1

local routine = {
    ffi = ffi,
    C = nil, -- the library, after configure()
    worker = nil, -- the attached worker, nil as long as there is none
    ahead = nil, -- see srn_preload_ahead; nil where nginx was started without

    NO_ENDPOINT = -1,
    KEY_WANTED = -6,
    LATER = -8,
    BY_WEIGHT = 2,
    KEYED = 1,
    STICKY = 2,
    VERSION_ONLY = 4,
    EXACT = 8,
    ASK_KEY = 16,
}

local C, run_dir, functions, said

-- Functions of ngx.balancer's for the routine to call, where they take what we know: later modules have more arguments.
-- Without a request they do nothing but say so; with another number of arguments LuaJIT does not call them at all.
local function functions_of_balancer(made)
    require "ngx.balancer" -- declares them
    local nginx, err = ffi.C, ffi.new("char *[1]")
    local function probe()
        return nginx.ngx_http_lua_ffi_balancer_set_current_peer(nil, "", 0, 0, err),
            nginx.ngx_http_lua_ffi_balancer_set_more_tries(nil, 0, err)
    end
    if pcall(probe) then
        made.set_peer = ffi.cast(
            "int (*)(void *, const uint8_t *, size_t, int, char **)",
            nginx.ngx_http_lua_ffi_balancer_set_current_peer
        )
        made.more_tries = ffi.cast("int (*)(void *, int, char **)", nginx.ngx_http_lua_ffi_balancer_set_more_tries)
    end
end

-- What the routine needs of nginx to see the end of a request. resty.core has declared all
-- others.
local function functions_of_nginx()
    local made, nginx = ffi.new("srn_nginx"), ffi.C
    made.add_cleanup = nginx.ngx_http_cleanup_add
    made.status = ffi.cast("int (*)(void *)", nginx.ngx_http_lua_ffi_get_resp_status)
    made.variable = ffi.cast(
        "int (*)(void *, const char *, size_t, char *, int, char **, size_t *, char **)", nginx.ngx_http_lua_ffi_var_get
    )
    made.method = ffi.cast("int (*)(void *)", nginx.ngx_http_lua_ffi_req_get_method)
    made.start_time = ffi.cast("double (*)(void *)", nginx.ngx_http_lua_ffi_req_start_time)
    made.now = ffi.cast("double (*)(void)", nginx.ngx_http_lua_ffi_now)
    functions_of_balancer(made)
    return made
end

-- In init_by_lua. `run_dir` and `library` are absolute paths.
function routine.configure(options)
    C = ffi.load(options.library)
    if C.srn_abi() ~= ABI then
        error("serin: " .. options.library .. " is of another version than the Lua modules beside it")
    end
    routine.C = C
    functions = functions_of_nginx() -- here, so that a nginx without them is refused by its test
    run_dir = options.run_dir
end

local function seed()
    local bytes = ffi.new("uint64_t[1]")
    local random = io.open("/dev/urandom", "rb")
    if random then
        ffi.copy(bytes, random:read(8), 8)
        random:close()
    else
        bytes[0] = ngx.now() * 1000 + ngx.worker.pid() * 2654435761
    end
    return bytes[0]
end

local function attach()
    local err = ffi.new("char[512]")
    local worker = C.srn_attach(run_dir, ANY_ROW, seed(), err, 512)
    if worker ~= nil then
        -- the row is given back when the Lua VM is closed, which nginx does last of all
        routine.worker = ffi.gc(worker, C.srn_detach)
        C.srn_follow(worker, functions)
        return true
    end
    local text = ffi.string(err)
    if text ~= said then
        said = text
        ngx.log(ngx.ERR, "serin: cannot attach, every request gets 503 until this is better: ", text)
    end
    return false
end

local function refresh(exiting)
    local worker = routine.worker
    if not worker then
        return
    elseif exiting then
        C.srn_leaving(worker)
    else
        C.srn_remap(worker, nil, 0)
        C.srn_quiet(worker)
    end
end

local function attach_again(exiting)
    if exiting or routine.worker then
        return
    elseif attach() then
        ngx.log(ngx.NOTICE, "serin: attached")
    else
        ngx.timer.at(ATTACH_AGAIN, attach_again)
    end
end

local function ask_before_lua()
    ffi.C.srn_preload_first(C.srn_request_first)
    routine.ahead = ffi.C.srn_preload_ahead
end

-- In init_worker_by_lua.
function routine.start()
    if not ngx.worker.id() then
        return -- a helper process of nginx's, which serves nobody
    end
    pcall(ask_before_lua)
    if not attach() then
        ngx.timer.at(ATTACH_AGAIN, attach_again)
    end
    ngx.timer.every(REFRESH, refresh)
end

-- srn_request_decide for the request at hand; `key` is a text or nil. 0 or a negative SRN_*.
local function decide_exactly(spec, forced, excluded, key, flags)
    return C.srn_request_decide(
        routine.worker, get_request(), spec.route, forced, excluded, key, key and #key or 0, flags
    )
end
routine.decide_exactly = decide_exactly

-- The same, but a forced version without endpoints is as if absent: it is left out and asked again.
function routine.decide(spec, forced, excluded, key, flags)
    local result = decide_exactly(spec, forced, excluded, key, flags)
    if result == -1 and forced >= 0 then
        return decide_exactly(spec, -1, bit.bor(excluded, bit.lshift(1, forced)), key, flags)
    end
    return result
end

-- After VERSION_ONLY or KEY_WANTED: an endpoint of the version decided.
function routine.endpoint(spec, key, flags)
    return C.srn_request_endpoint(routine.worker, get_request(), spec.route, key, key and #key or 0, flags)
end

-- The request's choice, nil when it has none.
function routine.choice()
    local worker = routine.worker
    local choice = worker and C.srn_request_choice(worker, get_request())
    return choice ~= nil and choice or nil
end

function routine.hash(text)
    return C.srn_hash(text, #text)
end

return routine
