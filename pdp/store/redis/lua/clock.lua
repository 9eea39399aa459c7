-- Tells the ledger's time by the clock that all tenants share. KEYS[1] is that clock: o is the offset, l the last time told.
--
-- A caller that does not know the time yet may be the first after the host's clock was stepped, so that nobody has put that
-- right. Those who do know come here every second: if nobody was here for longer, such a caller is told to wait (-1) and ask
-- again, patiently. Answers the time, and whether the clock was there: if it was not, all else may be gone, too.
local UNATTENDED = 5000000

local earliest, latest, patient = int(), int(), text() == '1'
local m = redis.call('HMGET', KEYS[1], 'o', 'l')
local offset, last = tonumber(m[1] or 0), tonumber(m[2] or 0)
local now, kept = ledger_time(offset, last, earliest, latest)
if earliest == 0 and last > 0 and not patient and (now - last > UNATTENDED or host_time() + offset < last) then
  return { -1, 1 }
end
redis.call('HSET', KEYS[1], 'o', digits(kept), 'l', digits(now))
return { now, last > 0 and 1 or 0 }
