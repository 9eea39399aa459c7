-- Ends the amnesia of a tenant. KEYS[1] is the tenant. Says whether there was any, the time, the epoch and the changes.
local caller = read_caller()
local t = read_tenant(KEYS[1])
tick(t, caller)
if not enter(t, caller, false) then
  return {}
end
local was = t.lost > 0 and 1 or 0
t.lost = 0
t.seq = t.seq + 1
write_tenant(KEYS[1], t)
return { was, t.last, t.epoch, t.seq }
