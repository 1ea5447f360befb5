-- Cookie affinity: serin.dataplane.proxy.sticky for nginx. The version and endpoint are picked in balancer_by_lua, the
-- cookie is written in header_filter_by_lua, once it is known which endpoint answered; ngx.ctx goes between the two.

local bit = require "bit"
local cookies = require "serin.cookies"
local fields = require "serin.fields"
local keys = require "serin.keys"
local routine = require "serin.routine"
local rules = require "serin.rules"
local specs = require "serin.spec"
local resp = require "ngx.resp"
local ngx = ngx
local lower, match, sub = string.lower, string.match, string.sub

local NO_ENDPOINT, STICKY, VERSION_ONLY = routine.NO_ENDPOINT, routine.STICKY, routine.VERSION_ONLY
local PINNED = bit.bor(routine.STICKY, routine.EXACT)

-- The verdict's reason where it decided; nil: the split did.
local function reason_of(reason, forced)
    if reason and (forced == -1 or forced == routine.choice().version) then
        return reason
    end
    return nil
end

-- What header() needs. `fixed`: this very key, whoever answers; else the cookie follows the endpoint: `due`, the client
-- needs one in any case, otherwise it gets one when the request moved on from `first`.
local function note(spec, key, due, fixed)
    local choice = routine.choice()
    ngx.ctx.serin_sticky = {
        affinity = spec.affinity,
        ident = spec.versions[choice.version].ident,
        key = key,
        first = choice.endpoint,
        due = due,
        fixed = fixed,
    }
end

local function by_key(spec, version, key)
    local flags = spec.affinity.persistent and PINNED or STICKY
    return routine.decide_exactly(spec, version, 0, key, flags)
end

local function returning(spec, key)
    local affinity = spec.affinity
    local due = affinity.persistent and key ~= cookies.endpoint_key(routine.choice().endpoint)
    if due or affinity.change_on_failure then
        note(spec, key, due, false)
    end
    return 0, "sticky"
end

local function newcomer(spec, key, forced, excluded, reason)
    local affinity = spec.affinity
    local result
    if affinity.persistent then
        result = keys.decide(spec, forced, excluded)
    elseif spec.all_sticky then
        result = routine.decide(spec, forced, excluded, key, STICKY)
    else
        result = routine.decide(spec, forced, excluded, nil, VERSION_ONLY)
        if result >= 0 then
            if spec.versions[routine.choice().version].sticky then
                result = routine.endpoint(spec, key, STICKY)
            else
                result = keys.endpoint(spec)
            end
        end
    end
    if result < 0 then
        return result, nil
    end
    if spec.versions[routine.choice().version].sticky then
        local follows = affinity.persistent or affinity.change_on_failure
        note(spec, key, true, not follows)
    end
    return result, reason_of(reason, forced)
end

local function prepare(spec)
    local pins, all = {}, true
    for i = 0, spec.count - 1 do
        local version = spec.versions[i]
        if version.sticky then
            pins[version.ident] = i
        else
            all = false
        end
    end
    spec.cookie_name, spec.all_sticky, spec.pins = lower(spec.affinity.name), all, pins
    return pins
end

local function judge(spec)
    if spec.r or spec.m then
        return rules.verdict(spec)
    end
    return -1, 0, nil
end

local sticky = {}

-- Picks version and endpoint: 0 or a negative SRN_*, and the reason where a rule or the cookie decided. Rules of a
-- CanaryRoute come before the cookie, which then stays as it is; those of canary Ingresses after it.
function sticky.pick(spec)
    local pins = spec.pins or prepare(spec)
    local text = fields.cookie(ngx.var.http_cookie, spec.cookie_name, false)
    if not text or text == "" then
        return newcomer(spec, cookies.key(), judge(spec))
    end
    local key, ident = cookies.read(text)
    if spec.m then
        local forced, _, reason = rules.verdict(spec)
        if forced >= 0 then
            local result = by_key(spec, forced, key)
            if result ~= NO_ENDPOINT then
                return result, result >= 0 and reason or nil
            end
        end
    end
    local pinned = ident and pins[ident]
    if pinned then
        local result = by_key(spec, pinned, key)
        if result >= 0 then
            return returning(spec, key)
        elseif result ~= NO_ENDPOINT then
            return result, nil
        end
    end
    local forced, excluded, reason = judge(spec)
    if ident then -- a version that is gone: its user is drawn again, and told so
        return newcomer(spec, key, forced, excluded, reason)
    end
    local result = routine.decide(spec, forced, excluded, key, STICKY)
    return result, result >= 0 and reason_of(reason, forced) or nil
end

local function agent()
    return fields.header("user-agent")
end

-- Whether an endpoint has answered: nginx then knows the time of its header (of the last attempt, the last in the list).
local function answered()
    local times = ngx.var.upstream_header_time
    return times and match(times, "%d$") ~= nil
end

-- The value of this request's cookie, or nil.
local function due_now(state)
    local key = state.key
    if not state.fixed then
        local choice = routine.choice()
        if not choice or not answered() then
            return nil
        end
        local affinity, moved = state.affinity, choice.endpoint ~= state.first
        if not state.due and not (moved and affinity.change_on_failure) then
            return nil
        elseif affinity.persistent then
            key = cookies.endpoint_key(choice.endpoint)
        elseif moved then
            key = cookies.key()
        end
    end
    return key .. "." .. state.ident
end

local function send(state)
    local value = state and due_now(state)
    if value then
        local line = cookies.line(state.affinity, value, ngx.var.https == "on", agent, ngx.time())
        resp.add_header("Set-Cookie", line)
    end
end

-- In header_filter_by_lua of the locations with cookie affinity.
function sticky.header()
    return send(ngx.ctx.serin_sticky)
end

-- ngx.ctx does not outlive a change of location; $serin_sticky does.
function sticky.keep()
    local state = ngx.ctx.serin_sticky
    if state then
        local flags = (state.due and "1" or "0") .. (state.fixed and "1" or "0")
        ngx.var.serin_sticky = state.ident .. cookies.endpoint_key(state.first) .. flags .. state.key
    end
end

-- The same as header() after keep(); `spec` is the request's.
function sticky.kept_header(spec)
    local text = ngx.var.serin_sticky
    if spec and text and #text > 34 then
        send({
            affinity = spec.affinity,
            ident = sub(text, 1, 16),
            first = specs.number(sub(text, 17, 32)),
            due = sub(text, 33, 33) == "1",
            fixed = sub(text, 34, 34) == "1",
            key = sub(text, 35),
        })
    end
end

return sticky
