-- Reads approvals as they are. KEYS: 1 the epoch, then the approvals. ARGV[1], if it is not empty, is the key of the content of
-- the only one. Answers the epoch, then of each its record, the write that made it, its epoch; then the content, if asked for.
local out = { redis.call('HGET', KEYS[1], 'e') or '0' }
for i = 2, #KEYS do
  local is = redis.call('HMGET', KEYS[i], 'r', 'v', 'e')
  out[#out + 1], out[#out + 2], out[#out + 3] = is[1] or '', is[2] or '', is[3] or '0'
end
if ARGV[1] ~= '' then
  local content = redis.call('GET', ARGV[1])
  out[#out + 1] = content and '+' .. content or '-'
end
return out
