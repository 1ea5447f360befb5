-- Who a user is (splitBy): the text that the routine chooses the version by, where nothing else decides it. A client
-- without the cookie is given the id of this request, which nginx.conf writes to it as well.

local routine = require "serin.routine"
local fields = require "serin.fields"
local get_request = require("resty.core.base").get_request
local ngx = ngx

local users = {}

-- The text of a request's key; nil: it is drawn by itself.
function users.key(by)
    local var, text = ngx.var, nil
    if by.kind == "c" then
        text = fields.cookie(var.http_cookie, by.name, true)
        if not text or text == "" then
            text = var.request_id
        end
    elseif by.kind == "h" then
        text = fields.header(by.name)
    else
        text = var.remote_addr
    end
    return text ~= "" and text or nil
end

-- To be told before the request is decided; it stays with the request to its end.
function users.tell(by)
    local text = users.key(by)
    routine.C.srn_request_user(routine.worker, get_request(), text, text and #text or 0)
end

return users
