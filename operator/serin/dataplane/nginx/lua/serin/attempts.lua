-- What nginx knows of the attempts made, read from its variables; only where one has failed.

local set_more_tries = require("ngx.balancer").set_more_tries
local ngx = ngx
local gmatch, match = string.gmatch, string.match

-- The value of proxy_next_upstream_tries in nginx.conf: far from what a spec allows, a mark to measure by.
local LIMIT = 1000

local attempts = {}

-- What an $upstream_* variable says of the last attempt at the upstream asked at present, and how many were made there.
-- Attempts are parted by `, `, upstreams (internal redirects) by ` : `, which also stands at the end while the balancer runs.
local function last(text)
    local found, n = nil, 0
    for one in gmatch(match(text or "", "([^:]*)[%s:]*$"), "[^,%s]+") do
        found, n = one, n + 1
    end
    return found, n
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
    if status ~= 502 or last(ngx.var.upstream_bytes_received) ~= "0" then
        return false
    end
    local connected, number = last(ngx.var.upstream_connect_time)
    return connected ~= "-" and (not granted or has_spare(number + 1))
end

return attempts
