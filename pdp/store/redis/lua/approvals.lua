-- What scripts on approvals have in common. All approvals of all tenants are in one slot: their changes have one order.
-- An approval is a hash:
--   r  the record    v  the write that made it    w  the last writes    n  how many changes it has    e  the epoch it began in
local KEPT_WRITES = 8

-- Enters the epoch that is now. What was live in an epoch before may have been used, or refused, by a write that was lost with
-- it: all of it is due at once, so that the sweeper withdraws it. KEYS of the caller: live, due, meta.
-- Returns false if the server does not say who it is.
local function enter_approvals(t, caller, live, due, meta)
  local before = t.epoch
  if not enter(t, caller, false) then
    return false
  end
  local lost = t.lost > 0
  t.lost = 0 -- each record says itself which epoch it is of
  if lost then
    if redis.call('HEXISTS', meta, 'c') == 0 then
      redis.call('HSET', meta, 'c', digits(t.last), 'f', digits(t.last)) -- who watched before has missed something
    end
    for _, member in ipairs(redis.call('ZRANGE', live, 0, -1)) do
      -- tenant and agent stand before the id, each with its length in two bytes.
      local at = 1
      for _ = 1, 2 do
        at = at + 2 + string.byte(member, at) * 256 + string.byte(member, at + 1)
      end
      redis.call('ZADD', due, digits(t.last), string.sub(member, at))
    end
  end
  return true, lost and 1 or 0
end
