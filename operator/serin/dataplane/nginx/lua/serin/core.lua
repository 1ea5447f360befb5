-- The phases of a forwarded request: the balancer's first call decides, later ones are retries.
--
-- A plain route's first attempt is one call of the routine's; where nginx was started with csrc/preload, that call is made
-- before Lua is entered at all. No table and no closure is made for a request, and nginx variables are read only where
-- something depends on them. The end of a request is seen by the routine (srn_follow), since a Lua phase for it would cost
-- more than all of this. What a failure means is serin.dataplane.proxy.retries.

local routine = require "serin.routine"
local specs = require "serin.spec"
local keys = require "serin.keys"
local rules = require "serin.rules"
local sticky = require "serin.sticky"
local users = require "serin.users"
local balancer = require "ngx.balancer"
local attempts = require "serin.attempts"
local ffi = require "ffi"
local get_request = require("resty.core.base").get_request
local ngx = ngx

local ffi_string, find, match, var = ffi.string, string.find, string.match, ngx.var
local set_current_peer, set_more_tries = balancer.set_current_peer, balancer.set_more_tries
local get_last_failure = balancer.get_last_failure
local ERROR = ngx.ERROR
local ASK_KEY, KEY_WANTED, NO_ENDPOINT = routine.ASK_KEY, routine.KEY_WANTED, routine.NO_ENDPOINT
local BY_WEIGHT, LATER = routine.BY_WEIGHT, routine.LATER
local PEER_SIZE = 64
local COOKIES = {"serin_auth_cookie", "serin_auth_cookie_1", "serin_auth_cookie_2", "serin_auth_cookie_3"}
local peer = ffi.new("char[?]", PEER_SIZE)

local core = {}

-- This request is answered by ourselves: @serin_failed finds the status. No choice is counted for it any more.
local function refuse(worker, r, status)
    if worker then
        routine.C.srn_request_refuse(worker, r, status)
    end
    return ngx.exit(ERROR)
end

-- Give nginx the endpoint chosen, and room for one attempt more where there is another endpoint.
local function go(C, worker, r, spec, choice)
    set_current_peer(ffi_string(peer, C.srn_peer_text(choice, peer, PEER_SIZE)), choice.port)
    if C.srn_request_grant(worker, r, spec.tries) == 1 then
        set_more_tries(1)
    end
end

local function set(name, value)
    var[name] = value
end

-- Variables that only some logs need exist only where they do; nil: not known yet.
local named, described

-- What the log says of the version.
local function describe(spec, choice, reason)
    local version = choice.version
    local name = spec.versions[version].name
    if version ~= 0 and named ~= false then
        named = pcall(set, "proxy_alternative_upstream_name", name)
    end
    if described ~= false then
        described = pcall(set, "serin_version", name)
        if described then
            var.serin_reason = reason or (choice.reason == BY_WEIGHT and "weight" or "default")
        end
    end
end

local function describe_where_asked(spec, choice, reason)
    if described ~= false or choice.version ~= 0 and named ~= false then
        describe(spec, choice, reason)
    end
end

-- Who decided: the rules where they did and their version was there, else the split.
local function reason_of(choice, forced, reason)
    if reason and (forced == -1 or forced == choice.version) then
        return reason
    end
    return nil
end

local function decide_by_rules(spec)
    if spec.user then
        users.tell(spec.user)
    end
    if spec.affinity then
        return sticky.pick(spec)
    end
    local forced, excluded, reason = rules.verdict(spec)
    local result = keys.decide(spec, forced, excluded)
    if result == 0 and reason then
        reason = reason_of(routine.choice(), forced, reason)
    end
    return result, reason
end

local function chosen(C, worker, r, spec, reason)
    local choice = C.srn_request_choice(worker, r)
    describe_where_asked(spec, choice, reason)
    return go(C, worker, r, spec, choice)
end

local function decide(C, worker, r, spec)
    if not spec.plain then
        return decide_by_rules(spec)
    end
    local result = C.srn_request_decide(worker, r, spec.route, -1, 0, nil, 0, ASK_KEY)
    if result == KEY_WANTED then
        result = keys.endpoint(spec)
    end
    return result
end

local function first(C, worker, r, spec)
    if not spec then
        return refuse(worker, r, 503)
    end
    local choice = C.srn_request_choice(worker, r)
    if choice ~= nil then -- enter() has chosen
        return go(C, worker, r, spec, choice)
    end
    local result, reason = decide(C, worker, r, spec)
    if result ~= 0 then
        return refuse(worker, r, 503)
    end
    return chosen(C, worker, r, spec, reason)
end

-- An attempt failed. `status` is what the client gets for it when no other is made.
local function again(C, worker, r, spec, status)
    local choice = C.srn_request_choice(worker, r)
    if not spec or choice == nil then
        return refuse(worker, r, status)
    end
    local granted = C.srn_request_granted(worker, r) == 1
    if attempts.was_kept(granted, status) then
        return set_current_peer(ffi_string(peer, C.srn_peer_text(choice, peer, PEER_SIZE)), choice.port)
    end
    if not granted or C.srn_request_retry(worker, r) ~= 0 then
        return refuse(worker, r, status)
    end
    return go(C, worker, r, spec, choice)
end

-- Nothing was left to do for a first attempt here: from now on the routine is asked before Lua is.
local function go_ahead()
    if routine.ahead and routine.ahead() == 0 then
        routine.ahead = nil
    end
end

-- The routine has done the first attempt by itself, as first() does for a plain route; or has got as far as `version` says.
local function forwarded(C, worker, r, version)
    if version == 0 and described == false then
        return go_ahead()
    elseif version == KEY_WANTED then
        local spec = specs.of_request()
        if keys.endpoint(spec) == 0 then
            return chosen(C, worker, r, spec)
        end
    elseif version >= 0 then
        return describe_where_asked(specs.of_request(), C.srn_request_choice(worker, r))
    end
    return refuse(worker, r, 503)
end

-- balancer_by_lua of every upstream block.
function core.balance()
    local worker, r = routine.worker, get_request()
    if not worker then
        return refuse(worker, r, 503)
    end
    local version = routine.C.srn_request_forward(worker, r)
    if version ~= LATER then
        return forwarded(routine.C, worker, r, version)
    end
    local state, status = get_last_failure()
    if state then
        return again(routine.C, worker, r, specs.of_request(), status)
    end
    return first(routine.C, worker, r, specs.of_request())
end

-- balancer_by_lua of those who are asked beside a route's versions. Their upstream blocks tell the spec: variables belong
-- to the whole request, whose retries would read another's.
function core.beside(text)
    local worker, r = routine.worker, get_request()
    if not worker then
        return ngx.exit(ERROR)
    end
    local C, spec = routine.C, specs.parse(text)
    local state, status = get_last_failure()
    if state then
        return again(C, worker, r, spec, status)
    end
    if decide(C, worker, r, spec) ~= 0 then
        return refuse(worker, r, 503)
    end
    return go(C, worker, r, spec, C.srn_request_choice(worker, r))
end

-- Whether the endpoint of a subrequest gave no answer.
local function has_failed(status)
    return (status == 502 or status == 504) and not find(var.upstream_header_time or "", "%d$")
end

-- header_filter_by_lua of a location that asks whether a request may come in: its server has answered. nginx ends
-- subrequests with the request that they are of, which may go on for hours. Variables belong to both: the cookies that it
-- sets, of which nginx would know the first one alone, are for the request's own answer.
function core.asked()
    local worker, r = routine.worker, get_request()
    local cookies = ngx.header["Set-Cookie"]
    if type(cookies) == "table" then
        for i = 1, math.min(#cookies, #COOKIES) do
            var[COOKIES[i]] = cookies[i]
        end
    elseif cookies then
        var[COOKIES[1]] = cookies
    end
    if not worker or routine.C.srn_request_choice(worker, r) == nil then
        return
    end
    local status = ngx.status
    routine.C.srn_request_done(worker, r, status, has_failed(status) and 1 or 0)
end

-- header_filter_by_lua of a location that sends copies: the answer is dropped after its head, which is its end. nginx would
-- count it until the end of the request that it is a copy of.
function core.copied()
    local worker, r = routine.worker, get_request()
    if worker and routine.C.srn_request_choice(worker, r) ~= nil then
        local status = ngx.status
        routine.C.srn_request_done(worker, r, status, has_failed(status) and 1 or 0)
    end
end

-- content_by_lua of a route with pages for errors or a fallback: the endpoint is chosen before it is asked, in @p and the
-- number, so that 503 is an answer of the location's, with its page. Where nobody is there, @f has the fallback.
function core.enter()
    local worker, r, spec = routine.worker, get_request(), specs.of_request()
    if not spec then
        return ngx.exit(503)
    end
    local number, fallback = match(var.serin_enter, "^(%d+)(f?)$")
    local C = routine.C
    local result, reason = decide(C, worker, r, spec)
    if result == 0 then
        sticky.keep()
        describe_where_asked(spec, C.srn_request_choice(worker, r), reason)
        return ngx.exec("@p" .. number)
    elseif fallback == "f" then
        return ngx.exec("@f" .. number)
    end
    C.srn_request_refuse(worker, r, 503)
    return ngx.exit(503)
end

-- log_by_lua where an answer may have come from nginx itself: counts those; the routine sees the end of the others.
function core.log()
    local worker = routine.worker
    local r = get_request()
    -- what was refused is known to the routine, which sees its end
    if worker and not var.upstream_status and routine.C.srn_request_refused(worker, r) == 0 then
        local spec = specs.of_request()
        routine.C.srn_request_own(worker, r, spec and spec.route)
    end
end

-- content_by_lua of @serin_failed: the status noted by refuse(), 500 for what is an error of nginx's own.
function core.failed()
    local worker = routine.worker
    if not worker then
        return ngx.exit(503)
    end
    local status = routine.C.srn_request_refused(worker, get_request())
    return ngx.exit(status ~= 0 and status or 500)
end

return core
