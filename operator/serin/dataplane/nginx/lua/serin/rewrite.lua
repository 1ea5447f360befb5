-- Rewrites whose pattern nginx must not run itself, by a pattern whose work is bounded: serin.routing.outcome's
-- rewriting for nginx. What is due after it, a redirect to https or 404, comes here too: nginx's own `return` is earlier.

local fields = require "serin.fields"
local pattern = require "serin.pattern"
local ngx = ngx
local byte, char, find, format = string.byte, string.char, string.find, string.format
local gmatch, gsub, match, sub = string.gmatch, string.gsub, string.match, string.sub
local concat, tonumber, type = table.concat, tonumber, type

local rewrites = {}
local escapes = {}
for code = 0, 255 do
    escapes[char(code)] = format("%%%02X", code)
end

-- Literal texts and numbers of groups, in order.
local function pieces_of(target)
    local pieces = {}
    for literal, group in gmatch(target .. "$0", "(.-)%$(%d)") do
        if literal ~= "" then
            pieces[#pieces + 1] = literal
        end
        pieces[#pieces + 1] = tonumber(group)
    end
    pieces[#pieces] = nil
    return pieces
end

local function read(text)
    local searched, target, absolute = match(text, "^([^:]*):([^:]*):([01])$")
    return {
        search = pattern(fields.unescape(searched), true),
        pieces = pieces_of(fields.unescape(target)),
        absolute = absolute == "1",
    }
end

local rewrite = {}

function rewrite.of(text)
    local found = rewrites[text]
    if not found then
        found = read(text)
        rewrites[text] = found
    end
    return found
end

-- Part of a decoded path as nginx leaves it in a rewrite to another URL.
function rewrite.escape_away(text)
    return (gsub(text, '[%z\1-\32"#%%\127-\255]', escapes))
end

local function expand(pieces, path, count, spans, escape)
    local parts = {}
    for i = 1, #pieces do
        local piece = pieces[i]
        if type(piece) == "number" then
            local text = ""
            if piece < count and spans[2 * piece] >= 0 then
                text = sub(path, spans[2 * piece] + 1, spans[2 * piece + 1])
            end
            piece = escape and escape(text) or text
        end
        parts[i] = piece
    end
    return concat(parts)
end

-- What becomes of a request: "path" and the new path, "url" and the Location, "same", or "failed". `target` as sent.
function rewrite.apply(rule, path, target)
    local count, spans = rule.search(path)
    if count < 0 then
        return "failed"
    elseif count == 0 then
        return "same"
    elseif not rule.absolute then
        local changed = expand(rule.pieces, path, count, spans)
        return "path", byte(changed) == 47 and changed or "/" .. changed
    end
    local written = match(target, "^[^?]*")
    local query = fields.query(target)
    local escape = find(written, "[%%+]") and rewrite.escape_away or nil
    local location = expand(rule.pieces, path, count, spans, escape)
    return "url", query and query ~= "" and location .. "?" .. query or location
end

-- In rewrite_by_lua of the route's location.
function rewrite.run()
    local var = ngx.var
    local what, text = rewrite.apply(rewrite.of(var.serin_rewrite), var.uri, var.request_uri)
    if what == "failed" then
        return ngx.exit(500)
    elseif what == "url" then
        ngx.header.location = text
        return ngx.exit(302)
    elseif what == "path" then
        ngx.req.set_uri(text, false, true)
        if var.serin_shadow_path then -- a copy gets the path that the version gets
            var.serin_shadow_path = text
        end
    end
    local code, location = match(var.serin_then or "", "^(%d+):(.*)$")
    if code then
        if location ~= "" then
            ngx.header.location = location
        end
        return ngx.exit(tonumber(code))
    end
end

return rewrite
