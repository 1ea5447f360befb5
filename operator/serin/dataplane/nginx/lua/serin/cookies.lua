-- Set-Cookie of cookie affinity, and what its values say: serin.routing.affinity for nginx.

local bit = require "bit"
local ffi = require "ffi"
local ngx = ngx
local find, format, match, sub = string.find, string.format, string.match, string.sub
local tohex, tonumber = bit.tohex, tonumber

local BATCH = 256 -- keys read at once: a system call for each would cost more than the rest
local words = ffi.new("uint32_t[?]", 4 * BATCH)
local left = 0

local cookies = {}

-- Key and ident of a cookie's value; of any other text the whole is the key and there is no ident.
function cookies.read(text)
    local ident = match(sub(text, -17), "^%.([0-9a-f]+)$")
    if ident and #ident == 16 and #text > 17 then
        return sub(text, 1, -18), ident
    end
    return text, nil
end

-- A random key, 32 hex digits that nobody can guess. The kernel's pool is never empty, so reading it does not block.
function cookies.key()
    if left == 0 then
        local source = assert(io.open("/dev/urandom", "rb"))
        source:setvbuf("no")
        local read = source:read(16 * BATCH)
        source:close()
        assert(read and #read == 16 * BATCH, "/dev/urandom gave too little")
        ffi.copy(words, read, #read)
        left = BATCH
    end
    left = left - 1
    local at = 4 * left
    return tohex(words[at]) .. tohex(words[at + 1]) .. tohex(words[at + 2]) .. tohex(words[at + 3])
end

-- The key that names an endpoint itself.
function cookies.endpoint_key(endpoint)
    return tohex(endpoint, 16)
end

local function older_than(agent, major, minor, patch)
    local a, b, c = match(agent, "UCBrowser/(%d+)%.(%d+)%.(%d+)")
    if not a then
        return nil
    end
    a, b, c = tonumber(a), tonumber(b), tonumber(c)
    if a ~= major then
        return a < major
    elseif b ~= minor then
        return b < minor
    end
    return c < patch
end

local function chromium_of(agent)
    local at, _, version = find(agent, "Chrome/(%d+)")
    local other, _, of_other = find(agent, "Chromium/(%d+)")
    if other and (not at or other < at) then
        return tonumber(of_other)
    end
    return tonumber(version)
end

-- False for browsers known to drop or misread SameSite=None; which ones, serin.routing.affinity says.
function cookies.takes_same_site_none(agent)
    if not agent or agent == "" then
        return true
    end
    if find(agent, "%(iP[^)]*; CPU OS 12[_ ]") or find(agent, "%(iP[^)]*; CPU iPhone OS 12[_ ]") then
        return false
    end
    local chromium = chromium_of(agent)
    if not chromium then
        if not find(agent, "Safari/", 1, true) and not find(agent, "AppleWebKit/", 1, true) then
            return true
        elseif find(agent, "%(Macintosh;[^)]*Mac OS X 10_14[_)%d]") then
            return false
        end
    end
    local old = older_than(agent, 12, 13, 2)
    if old ~= nil then
        return not old
    end
    return not chromium or chromium < 51 or chromium > 66
end

-- The value of a Set-Cookie header. `now` in seconds since the epoch; `user_agent` is asked only where it matters.
function cookies.line(affinity, value, tls, user_agent, now)
    local text = affinity.name .. "=" .. value
    if (affinity.expires or 0) ~= 0 then
        text = text .. "; Expires=" .. ngx.http_time(now + affinity.expires)
    end
    if (affinity.max_age or 0) ~= 0 then
        text = text .. format("; Max-Age=%d", affinity.max_age)
    end
    if affinity.domain and affinity.domain ~= "" then
        text = text .. "; Domain=" .. affinity.domain
    end
    text = text .. "; Path=" .. affinity.path
    local secure = affinity.secure
    if secure == nil then
        secure = tls
    end
    text = text .. (secure and "; Secure; HttpOnly" or "; HttpOnly")
    local same_site = affinity.same_site
    if same_site and same_site ~= "" then
        local asked = same_site == "None" and affinity.conditional
        if not (asked and not cookies.takes_same_site_none(user_agent())) then
            text = text .. "; SameSite=" .. same_site
        end
    end
    return text
end

return cookies
