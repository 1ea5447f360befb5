-- Patterns of users: PCRE's meaning and a bound on the time of each search, by the C routine.

local ffi = require "ffi"
local routine = require "serin.routine"

local MAX_GROUPS = 32
local IGNORE_CASE = 1

local made = {}
local spans = ffi.new("int32_t[?]", 2 * MAX_GROUPS)
local message = ffi.new("char[256]")

local function failing()
    return -1, spans
end

-- A function from a subject to the number of groups + 1 (0: no match, negative: nobody can tell) and their offsets, which
-- are good until the next search of any pattern. A pattern that does not compile fails at each search.
local function pattern(text, ignore_case)
    local key = (ignore_case and "i" or "c") .. text
    local search = made[key]
    if search then
        return search
    end
    local C = routine.C
    local compiled = C.srn_pattern_new(text, #text, ignore_case and IGNORE_CASE or 0, message, 256)
    if compiled == nil then
        search = failing
    else
        compiled = ffi.gc(compiled, C.srn_pattern_free)
        search = function(subject)
            return C.srn_pattern_search(compiled, subject, #subject, spans, MAX_GROUPS), spans
        end
    end
    made[key] = search
    return search
end

return pattern
