-- Version and endpoint of a request without an affinity cookie (RulesAndKeys of serin.dataplane.proxy.picking).
-- The key is read only where the pool of the version chosen would use it.

local routine = require "serin.routine"
local ngx = ngx

local ASK_KEY, KEYED, KEY_WANTED = routine.ASK_KEY, routine.KEYED, routine.KEY_WANTED

local keys = {}

-- An endpoint of the version that was decided before: by the text that its key variable has, else by the client's address.
local function endpoint(spec)
    local version = spec.versions[routine.choice().version]
    return routine.endpoint(spec, ngx.var[version.key or "remote_addr"] or "", KEYED)
end
keys.endpoint = endpoint

-- 0 or a negative SRN_*.
function keys.decide(spec, forced, excluded)
    local result = routine.decide(spec, forced, excluded, nil, ASK_KEY)
    if result == KEY_WANTED then
        return endpoint(spec)
    end
    return result
end

return keys
