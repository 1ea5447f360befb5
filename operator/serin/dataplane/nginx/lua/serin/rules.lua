-- The verdict of a route's rules on a request: serin.routing.rules for nginx.
-- Rules of canary Ingresses come as letters that nginx's maps made, rules of a CanaryRoute as rows of conditions.

local bit = require "bit"
local fields = require "serin.fields"
local pattern = require "serin.pattern"
local ngx = ngx
local byte, find = string.byte, string.find
local band, bor, lshift = bit.band, bit.bor, bit.lshift
local header_of, cookie_of = fields.header, fields.cookie

local TAKES, OUT, PASSES, ASK = byte "T", byte "O", byte "P", byte "L"
local MAX_KEPT = 256

-- A row of a canary's header rule: what it does to this request.
local function ask(rule)
    local value = header_of(rule.name)
    if not value then
        return PASSES
    end
    local kind = rule.kind
    if kind == "b" then
        return OUT
    elseif kind == "v" then
        return value == rule.value and TAKES or PASSES
    elseif kind == "x" then
        local count = rule.search(value)
        return count > 0 and TAKES or count == 0 and PASSES or OUT
    end
    return value == "always" and TAKES or value == "never" and OUT or PASSES
end

-- Forced version or -1, versions that are out, reason. `all`: the letters of headers are not to be trusted.
local function conclude(letters, canaries, rows, all)
    local out, last = 0, nil
    for i = 1, canaries do
        local letter = byte(letters, i)
        local rule = rows[i]
        if rule and (all or letter == ASK) then
            letter = ask(rule)
        end
        if letter == TAKES then
            return i, out, "header"
        elseif letter == OUT then
            out, last = bor(out, lshift(1, i)), "header"
        end
    end
    for i = 1, canaries do
        if band(out, lshift(1, i)) == 0 then
            local letter = byte(letters, canaries + i)
            if letter == TAKES then
                return i, out, "cookie"
            elseif letter == OUT then
                out, last = bor(out, lshift(1, i)), "cookie"
            end
        end
    end
    if out ~= lshift(1, canaries + 1) - 2 then
        last = nil
    end
    return -1, out, last
end

local function header_rows(list)
    local rows, names = {}, {}
    for i = 1, #list do
        local told = list[i]
        local rule = {name = fields.header_name(told.name), kind = told.kind, value = told.value}
        if told.kind == "x" then
            rule.search = pattern(told.value, false)
        end
        rows[told.canary] = rule
        names[#names + 1] = rule.name
    end
    return rows, names
end

local function by_letters(variable, canaries, headers)
    local rows, names = header_rows(headers)
    local kept, room = {}, MAX_KEPT

    local function verdict_of(letters)
        local verdict = kept[letters]
        if not verdict then
            local forced, excluded, reason = conclude(letters, canaries, rows, false)
            verdict = {forced = forced, excluded = excluded, reason = reason}
            if room > 0 then
                room, kept[letters] = room - 1, verdict
            end
        end
        return verdict.forced, verdict.excluded, verdict.reason
    end

    return function()
        local letters = ngx.var[variable] or ""
        if not fields.joins and names[1] then
            fields.read_all()
            for i = 1, #names do
                if fields.repeated(names[i]) then
                    return conclude(letters, canaries, rows, true)
                end
            end
        end
        if find(letters, "L", 1, true) then
            return conclude(letters, canaries, rows, false)
        end
        return verdict_of(letters)
    end
end

-- --- rules of a CanaryRoute ---

local REASONS = {h = "header", c = "cookie", r = "rule"}

local function read(condition)
    local source = condition.source
    if source == "H" then
        return header_of(condition.name)
    elseif source == "C" then
        return cookie_of(ngx.var.http_cookie, condition.name, true)
    end
    local query = fields.query(ngx.var.request_uri)
    return query and fields.parameter(query, condition.name)
end

local function holds(condition, home)
    local kind = condition.kind
    if kind == "v" then
        return ngx.var[condition.name] == "1"
    end
    local value = read(condition)
    if not value then
        return false
    elseif kind == "e" then
        return value == condition.value
    elseif kind == "x" then
        local count = condition.search(value)
        return count > 0 or count < 0 and home
    end
    return kind == "s" or home
end

-- Of {"v", variable} or {kind, source, name, value}; a pattern must take the whole value.
local function condition_of(told)
    local kind, source, name, value = told[1], told[2], told[3], told[4]
    if kind == "v" then
        return {kind = kind, name = source}
    end
    local condition = {kind = kind, source = source, value = value}
    condition.name = source == "H" and fields.header_name(name) or name
    if kind == "x" then
        condition.search = pattern("\\A(?:" .. value .. ")\\z", false)
    end
    return condition
end

local function by_rows(matches)
    local rows = {}
    for i = 1, #matches do
        local told = matches[i]
        local row = {version = told.version, reason = REASONS[told.reason]}
        for j = 1, #told.conditions do
            row[j] = condition_of(told.conditions[j])
        end
        if row[1] then
            rows[#rows + 1] = row
        end
    end

    return function()
        for i = 1, #rows do
            local row = rows[i]
            local home, met = row.version == 0, true
            for j = 1, #row do
                if not holds(row[j], home) then
                    met = false
                    break
                end
            end
            if met then
                return row.version, 0, row.reason
            end
        end
        return -1, 0, nil
    end
end

local function nothing()
    return -1, 0, nil
end

local function compile(spec)
    if spec.m then
        return by_rows(spec.m)
    elseif spec.r then
        return by_letters(spec.r, spec.count - 1, spec.h or {})
    end
    return nothing
end

local rules = {}

-- The forced version (-1: none), a bit for each version that is out of this request, and the reason where rules decided.
function rules.verdict(spec)
    local judge = spec.judge
    if not judge then
        judge = compile(spec)
        spec.judge = judge
    end
    return judge()
end

return rules
