-- The route of a request on hosts whose path patterns nginx must not run itself: a search in route order with patterns
-- whose work is bounded, as serin.routing.match reads it. Every route is a named location, @r0, @r1 and so on.

local fields = require "serin.fields"
local pattern = require "serin.pattern"
local ngx = ngx
local gmatch, sub = string.gmatch, string.sub
local clock, tonumber = os.clock, tonumber

local LOOK_EVERY, MOST_SECONDS = 16, 0.05 -- of the processor, for all searches of a request together
local UNROUTED_BODY = 1024 * 1024 -- bytes, as nginx's own limit of what no route takes

local tables = {}

local function read(text)
    local rows = {}
    for number, kind, path, limit in gmatch(text, "(%d+):(%a):([^:,]*):?(%d*)") do
        path = fields.unescape(path)
        local row = {location = "@r" .. number, kind = kind, path = path, limit = tonumber(limit) or 0}
        if kind == "p" then
            row.below = sub(path, -1) == "/" and path or path .. "/"
        elseif kind == "r" then
            row.search = pattern("^" .. path, true)
        end
        rows[#rows + 1] = row
    end
    return rows
end

local dispatch = {}

-- The first row that takes the path; nil and 404, or nil and 500 when a pattern before it cannot tell, or the patterns
-- of the host together take too long: each has a bound of its own, but there may be thousands.
function dispatch.find(rows, path)
    local searches, begun = 0, nil
    for i = 1, #rows do
        local row = rows[i]
        local kind = row.kind
        if kind == "r" then
            searches = searches + 1
            if searches % LOOK_EVERY == 0 then
                begun = begun or clock()
                if clock() - begun > MOST_SECONDS then
                    return nil, 500
                end
            end
            local count = row.search(path)
            if count > 0 then
                return row
            elseif count < 0 then
                return nil, 500
            end
        elseif path == row.path or kind == "p" and sub(path, 1, #row.below) == row.below then
            return row
        end
    end
    return nil, 404
end

-- Rows of a table's text, kept: the texts of a configuration are as many as its hosts.
function dispatch.rows(text)
    local rows = tables[text]
    if not rows then
        rows = read(text)
        tables[text] = rows
    end
    return rows
end

-- In content_by_lua of the host's only location. nginx compares the body's announced length with the limit of the
-- location that it found itself, which is not the route's; so that is done here.
function dispatch.run()
    local row, status = dispatch.find(dispatch.rows(ngx.var.serin_table), ngx.var.uri)
    local length = tonumber(ngx.var.content_length) or 0
    if not row then
        return ngx.exit(status == 404 and length > UNROUTED_BODY and 413 or status)
    end
    if row.limit > 0 and length > row.limit then
        return ngx.exit(413)
    end
    return ngx.exec(row.location)
end

return dispatch
