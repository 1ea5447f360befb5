-- What rules read of a request: headers, cookies and query parameters, as serin.routing.conditions reads them.
-- nginx before 1.23 shows only the first of repeated headers in $http_NAME; they are joined here then.

local ffi = require "ffi"
local ngx = ngx
local byte, find, gsub, lower, sub = string.byte, string.find, string.gsub, string.lower, string.sub
local char, tonumber = string.char, tonumber

local BLANK, COMMA, SEMICOLON, EQUALS = 32, 44, 59, 61
local JOINS = ngx.config.nginx_version >= 1023000

local fields = {joins = JOINS}

local function decode(digits)
    return char(tonumber(digits, 16))
end

-- %XX decoded; anything else stays, a bad escape too.
function fields.unescape(text)
    if not find(text, "%", 1, true) then
        return text
    end
    return (gsub(text, "%%(%x%x)", decode))
end

local unescape = fields.unescape

-- The name by which a header is looked up: lower case, `-` for `_`.
function fields.header_name(name)
    return (gsub(lower(name), "_", "-"))
end

local every, total -- the request's headers by names in lower case, filled by read_all

if not JOINS then
    local get_request = require("resty.core.base").get_request
    require "resty.core.request"
    local C = ffi.C
    local room = 64
    local buffer = ffi.new("ngx_http_lua_ffi_table_elt_t[?]", room)
    local truncated = ffi.new("int[1]")

    function fields.read_all()
        local request = get_request()
        local count = C.ngx_http_lua_ffi_req_get_headers_count(request, 0, truncated)
        if count > room then
            room = count
            buffer = ffi.new("ngx_http_lua_ffi_table_elt_t[?]", room)
        end
        if count > 0 and C.ngx_http_lua_ffi_req_get_headers(request, buffer, count, 0) ~= 0 then
            count = 0
        end
        every, total = buffer, count
    end

    ffi.cdef "int memcmp(const void *one, const void *other, size_t length);"

    -- Where the header is at or after `from`, or -1. To be asked after read_all.
    local function seek(name, from)
        local length = #name
        for i = from, total - 1 do
            local key = every[i].key
            if key.len == length and C.memcmp(key.data, name, length) == 0 then
                return i
            end
        end
        return -1
    end

    -- Whether the request has the header more than once. To be asked after read_all.
    function fields.repeated(name)
        local first = seek(name, 0)
        return first >= 0 and seek(name, first + 1) >= 0
    end

    -- A header's value, repeated ones joined with `, `; nil when absent, empty when sent empty.
    function fields.header(name)
        fields.read_all()
        local at = seek(name, 0)
        if at < 0 then
            return nil
        end
        local value = ffi.string(every[at].value.data, every[at].value.len)
        at = seek(name, at + 1)
        while at >= 0 do
            value = value .. ", " .. ffi.string(every[at].value.data, every[at].value.len)
            at = seek(name, at + 1)
        end
        return value
    end
else
    local variables = {}

    function fields.header(name)
        local variable = variables[name]
        if not variable then
            variable = "http_" .. gsub(name, "-", "_")
            variables[name] = variable
        end
        return ngx.var[variable]
    end
end

-- The value of the first cookie of that name, or nil; the rules are those of serin.routing.cookies. Without
-- `match_case` the name is to be in lower case.
function fields.cookie(header, name, match_case)
    if not header or name == "" then
        return nil
    end
    local text = match_case and header or lower(header)
    local start, stop = find(text, name, 1, true)
    while start do
        local before = start - 1
        while before > 0 and byte(text, before) == BLANK do
            before = before - 1
        end
        local mark = byte(text, before)
        if before == 0 or mark == SEMICOLON or mark == COMMA then
            local at = stop + 1
            while byte(text, at) == BLANK do
                at = at + 1
            end
            if byte(text, at) == EQUALS then
                at = at + 1
                while byte(text, at) == BLANK do
                    at = at + 1
                end
                return sub(header, at, (find(header, ";", at, true) or #header + 1) - 1)
            end
        end
        start, stop = find(text, name, start + 1, true)
    end
    return nil
end

-- The query of a target without its `?` and without a fragment; nil when there is none.
function fields.query(target)
    local fragment = find(target, "#", 1, true)
    if fragment then
        target = sub(target, 1, fragment - 1)
    end
    local mark = find(target, "?", 1, true)
    return mark and sub(target, mark + 1)
end

local function decoded(text)
    if find(text, "+", 1, true) then
        text = gsub(text, "+", " ")
    end
    return unescape(text)
end

-- The value of the first parameter of that name in a query, or nil; `%XX` and `+` are decoded in name and value.
function fields.parameter(query, name)
    local from, length = 1, #query
    while from <= length do
        local stop = find(query, "&", from, true) or length + 1
        local equals = find(query, "=", from, true)
        if not equals or equals > stop then
            equals = stop
        end
        if equals > from and decoded(sub(query, from, equals - 1)) == name then
            return decoded(sub(query, equals + 1, stop - 1))
        end
        from = stop + 1
    end
    return nil
end

return fields
