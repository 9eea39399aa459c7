-- Says where some of a tenant's cells stand. KEYS[1] is the tenant, the others are cells. It changes nothing.
local caller = read_caller()
local now = tick(read_tenant(KEYS[1]), caller)
local out = {}
for i = 2, #KEYS do
  local value = redis.call('GET', KEYS[i])
  if value then
    local c = unpack_counter(value)
    advance(c, now)
    local n = #out
    if used(c) > 0 then
      out[n + 1], out[n + 2], out[n + 3], out[n + 4] = c.key, c.owner, c.kind, c.width
      out[n + 5], out[n + 6], out[n + 7] = used(c), booked(c), resets_at(c)
    end
  end
end
return out
