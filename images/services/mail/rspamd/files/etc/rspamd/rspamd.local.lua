-- Whoever has signed in writes under no name but their own.
--
-- Postfix has checked the sender of the envelope: whether it is this person's own address, an alias of theirs, or caught by
-- them. So what receivers are shown has to be that one, and programs of people set both alike. Upper and lower case are the
-- same, and a tag after `+` is free.

local util = require "rspamd_util"

local function plain(address)
  local name, domain = address:lower():match("^(.*)@([^@]*)$")
  return name and name:gsub("%+.*$", "") .. "@" .. domain
end

-- Whether each address in each header of this name is the person's own; and how many there are.
local function all_own(task, header, own)
  local count = 0
  for _, one in ipairs(task:get_header_full(header) or {}) do
    local found = util.parse_mail_address(one.value, task:get_mempool()) or {}
    if #found == 0 then
      return false, count
    end
    for _, address in ipairs(found) do
      if plain(address.addr or "") ~= own then
        return false, count
      end
    end
    count = count + 1
  end
  return true, count
end

rspamd_config:register_symbol({
  name = "ANOTHERS_NAME",
  type = "prefilter",
  callback = function(task)
    if not task:get_user() then
      return
    end
    local envelope = (task:get_from("smtp") or {})[1]
    local own = envelope and plain(envelope.addr or "")
    -- Rules (master.cf) send on what others have written, and Dovecot says without a sender that something was refused. Neither
    -- is signed, since nobody has checked whose it is.
    if task:get_user() == "@rules" and (not own or task:get_header_full("X-Sieve-Redirected-From")) then
      task:disable_symbol("DKIM_SIGNED")
      return
    end
    local from, count = all_own(task, "From", own)
    if not own or not from or count ~= 1 or not all_own(task, "Sender", own) then
      task:set_pre_result("reject", "Write under an address of yours: From is not the sender of this message", "people")
    end
  end,
})
