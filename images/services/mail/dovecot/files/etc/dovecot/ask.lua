-- Asks the box who somebody is: whether a password is right, who there is, and how much they may keep.

local SOCKET = "/run/box/people/accounts.sock"
local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local client

-- Base64 (RFC 4648, section 4).
local function base64(text)
  local out = {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local bits = (a << 16) | ((b or 0) << 8) | (c or 0)
    for k = 0, 3 do
      local at = ((bits >> (18 - 6 * k)) & 63) + 1
      local is_padding = (k == 2 and not b) or (k == 3 and not c)
      out[#out + 1] = is_padding and "=" or DIGITS:sub(at, at)
    end
  end
  return table.concat(out)
end

-- Puts a question to the box; `headers` is a list of names and values.
local function ask(path, headers)
  if client == nil then
    client = dovecot.http.client({
      proxy_socket_path = SOCKET,
      request_timeout = "5s",
      request_max_attempts = "2",
    })
  end
  local request = client:request({ url = "http://box" .. path, method = "GET" })
  for _, header in ipairs(headers or {}) do
    request:add_header(header[1], header[2])
  end
  local response = request:submit()
  return response:status(), response
end

function auth_password_verify(request, password)
  -- As it was typed: whose `name@domain` is, the box says.
  local status, response = ask("/check?service=mail", {
    { "Authorization", "Basic " .. base64(request.original_user .. ":" .. password) },
    { "X-Forwarded-For", request.remote_ip or "" },
  })
  if status == 200 then
    return dovecot.auth.PASSDB_RESULT_OK, { user = response:header("X-Account") }
  end
  if status == 401 or status == 403 then
    return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, ""
  end
  if status == 429 then
    return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "too many wrong passwords"
  end
  return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "the box answers " .. tostring(status)
end

-- Without a password nobody is anybody.
function auth_passdb_lookup(request)
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, ""
end

function auth_userdb_lookup(request)
  -- What is in no name of a person names nobody.
  if request.user:find("[^%w._-]") then
    return dovecot.auth.USERDB_RESULT_USER_UNKNOWN, ""
  end
  local status, response = ask("/person?name=" .. request.user)
  if status == 404 then
    return dovecot.auth.USERDB_RESULT_USER_UNKNOWN, ""
  end
  if status ~= 200 then
    return dovecot.auth.USERDB_RESULT_INTERNAL_FAILURE, "the box answers " .. tostring(status)
  end
  local fields = { uid = "1000", gid = "1000", home = "/var/mail/" .. response:header("X-Account") }
  local mib = response:header("X-Quota-Mib")
  if mib and mib ~= "" then
    fields["quota_storage_size"] = mib .. "M"
  end
  return dovecot.auth.USERDB_RESULT_OK, fields
end
