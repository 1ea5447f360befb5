-- What nginx.conf calls: each `*_by_lua_block` is one of these functions and nothing else.
-- Loaded by init_by_lua in the master, so that all workers share the loaded code.

local routine = require "serin.routine"
local core = require "serin.core"
local sticky = require "serin.sticky"
local spec = require "serin.spec"

return {
    configure = routine.configure,
    start = routine.start,
    balance = core.balance,
    asked = core.asked,
    beside = core.beside,
    copied = core.copied,
    enter = core.enter,
    log = core.log,
    failed = core.failed,
    escaped_uri = function()
        return ngx.escape_uri(ngx.var.request_uri)
    end,
    cache_key = function()
        return ngx.encode_base64(ngx.sha1_bin(ngx.var.serin_cache_text))
    end,
    header = function()
        return sticky.header(spec.of_request())
    end,
    kept_header = function()
        return sticky.kept_header(spec.of_request())
    end,
    rewrite = require("serin.rewrite").run,
    dispatch = require("serin.dispatch").run,
}
