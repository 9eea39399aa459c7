-- Enters the epoch that is now. KEYS: the epoch, live, due, meta. Answers the epoch, the changes and whether memory was lost.
local caller = read_caller()
local t = read_tenant(KEYS[1])
tick(t, caller)
local fit, lost = enter_approvals(t, caller, KEYS[2], KEYS[3], KEYS[4])
if not fit then
  return {}
end
write_tenant(KEYS[1], t)
return { digits(t.epoch), digits(t.seq), lost }
