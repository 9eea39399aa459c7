-- Says at one moment which approvals are pending. KEYS: 1 meta, 2 the index of pending ones. ARGV[1]: what keys of approvals
-- begin with. Answers the last cursor, then of each, oldest first, its id and how many changes it has.
local out = { redis.call('HGET', KEYS[1], 'c') or '0' }
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  out[#out + 1], out[#out + 2] = id, redis.call('HGET', ARGV[1] .. id, 'n') or '0'
end
return out
