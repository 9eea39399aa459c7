-- Reads all records of a tenant, and their version. KEYS: 1 the tenant, 2 its records, 3 their version.
local caller = read_caller()
local now = tick(read_tenant(KEYS[1]), caller)
local out = { redis.call('GET', KEYS[3]) or '' }
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local a = string.find(all[i + 1], ':', 1, true)
  if tonumber(string.sub(all[i + 1], 1, a - 1)) > now then
    out[#out + 1], out[#out + 2] = all[i], string.sub(all[i + 1], a + 1)
  end
end
return out
