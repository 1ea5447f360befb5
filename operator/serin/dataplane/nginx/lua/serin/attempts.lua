-- What nginx knows of the attempts made, read from its variables; only where one has failed.

local set_more_tries = require("ngx.balancer").set_more_tries
local ngx = ngx
local gmatch, match = string.gmatch, string.match

-- The value of proxy_next_upstream_tries in nginx.conf: far from what a spec allows, a mark to measure by.
local LIMIT = 1000

local attempts = {}

-- The last attempt but `back` of the upstream asked at present, and how many there were; the one being prepared counts.
-- Entries of an $upstream_* variable are parted by `, `, those before an internal redirect by ` : `.
local function entry(text, back)
    local list, n = {}, 0
    for one in gmatch(match(text or "", "[^:]*$"), "[^,%s]+") do
        n = n + 1
        list[n] = one
    end
    return list[n - back], n
end

-- nginx's remaining tries beyond the one being prepared, of which it tells only by refusing more than the limit.
local function has_spare(number)
    local _, warning = set_more_tries(LIMIT - number)
    set_more_tries(0)
    return warning ~= nil
end

-- Whether the attempt that failed was one on a kept connection that the endpoint had closed: no fault of the endpoint's,
-- and nginx gives another try for it. `granted`: so did we; else nothing but that can have led to another attempt.
function attempts.was_kept(granted, status)
    local connected, number = entry(ngx.var.upstream_connect_time, 1)
    if status ~= 502 or not tonumber(connected) or entry(ngx.var.upstream_bytes_received, 1) ~= "0" then
        return false
    end
    return not granted or has_spare(number)
end

-- Whether the last attempt was answered by an endpoint.
function attempts.answered()
    return tonumber(entry(ngx.var.upstream_header_time, 0)) ~= nil
end

return attempts
