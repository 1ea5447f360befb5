-- What a location's `$serin` says about its route, read once per worker and text.
-- The text is made by serin.render.nginx.spec, which says what it looks like.

local routine = require "serin.routine"
local fields = require "serin.fields"
local ffi = require "ffi"
local ngx = ngx

local unescape, header_name = fields.unescape, fields.header_name
local MAX_VERSIONS = 16 -- SRN_MAX_VERSIONS

local parsed = {}

local spec = {}

-- Parts between separators, undecoded; empty ones count.
local function split(text, separator)
    local parts, from = {}, 1
    while true do
        local at = string.find(text, separator, from, true)
        if not at then
            parts[#parts + 1] = string.sub(text, from)
            return parts
        end
        parts[#parts + 1] = string.sub(text, from, at - 1)
        from = at + 1
    end
end

local function word(text)
    return text ~= nil and text ~= "" and unescape(text) or nil
end

local function versions(text)
    local list, count = {}, 0
    for _, part in ipairs(split(text, ",")) do
        local v = split(part, ":")
        list[count] = {ident = v[1], name = unescape(v[2] or ""), sticky = v[3] == "1", key = word(v[4])}
        count = count + 1
    end
    return list, count
end

local function headers(text)
    local list = {}
    for i, part in ipairs(split(text, ",")) do
        local h = split(part, ":")
        list[i] = {canary = tonumber(h[1]), name = unescape(h[2]), kind = h[3], value = unescape(h[4] or "")}
    end
    return list
end

local function condition(text)
    local parts = split(text, ".")
    for i, part in ipairs(parts) do
        parts[i] = unescape(part)
    end
    return parts
end

local function rows(text)
    local list = {}
    for i, part in ipairs(split(text, ",")) do
        local row = split(part, ":")
        local conditions = {}
        for j, one in ipairs(split(row[3] or "", "+")) do
            conditions[j] = condition(one)
        end
        list[i] = {version = tonumber(row[1]), reason = row[2], conditions = conditions}
    end
    return list
end

local function affinity(field)
    if not field.a then
        return nil
    end
    local secure
    if field.ax then
        secure = field.ax == "1"
    end
    return {
        name = unescape(field.a),
        path = word(field.ap),
        domain = word(field.ad),
        expires = tonumber(field.ae),
        max_age = tonumber(field.am),
        same_site = word(field.as),
        conditional = field.ac == "1",
        secure = secure,
        persistent = field.ai == "1",
        change_on_failure = field.af == "1",
    }
end

-- {kind, name}: where a user's key is; headers are looked up by another form of their names.
local function user(text)
    if not text then
        return nil
    end
    local kind, name = string.match(text, "^([cha]):(.*)$")
    name = unescape(name)
    return {kind = kind, name = kind == "h" and header_name(name) or name}
end

local function route(id, list, count)
    local idents = ffi.new("uint64_t[?]", MAX_VERSIONS)
    for i = 0, math.min(count, MAX_VERSIONS) - 1 do
        idents[i] = spec.number(list[i].ident)
    end
    local made = ffi.new("srn_route")
    routine.C.srn_route_init(made, routine.worker, spec.number(id), idents, count)
    return made
end

-- 64 bits from 16 hex digits.
function spec.number(hex)
    local high, low = tonumber(string.sub(hex, 1, 8), 16), tonumber(string.sub(hex, 9, 16), 16)
    return ffi.cast("uint64_t", high) * 0x100000000ULL + ffi.cast("uint64_t", low)
end

local function parse(text)
    local parts = split(text, " ")
    local field = {}
    for i = 2, #parts do
        local name, value = string.match(parts[i], "^([a-z]+)=(.*)$")
        field[name] = value
    end
    local list, count = versions(field.v)
    local same = true
    for i = 1, count - 1 do
        same = same and list[i].key == list[0].key
    end
    local made = {
        split = parts[1],
        versions = list,
        count = count,
        same_key = same,
        tries = tonumber(field.t or "3"),
        r = word(field.r),
        h = field.h and headers(field.h),
        m = field.m and rows(field.m),
        affinity = affinity(field),
        user = user(field.u),
        route = route(parts[1], list, count),
    }
    made.ruled = made.r ~= nil or made.m ~= nil or made.h ~= nil
    made.plain = not made.ruled and not made.affinity and not made.user
    return made
end

-- The spec of a text; only while attached.
function spec.parse(text)
    local found = parsed[text]
    if not found then
        found = parse(text)
        parsed[text] = found
    end
    return found
end

-- The spec of the request at hand; nil where its location has none, or nothing is attached yet.
function spec.of_request()
    local text = ngx.var.serin
    if not text or text == "" or not routine.worker then
        return nil
    end
    local found = parsed[text]
    if not found then
        found = spec.parse(text)
        if found.plain then -- the routine need not ask again
            routine.C.srn_know(routine.worker, text, #text, found.route, found.tries)
        end
    end
    return found
end

return spec
