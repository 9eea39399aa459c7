-- Reads changes. KEYS: 1 meta, 2 the changes. ARGV: after which cursor, at most how many. Answers whether it is a cursor from
-- which nothing is missing, then of each change cursor, id, sequence.
local m = redis.call('HMGET', KEYS[1], 'c', 'f')
local after = tonumber(ARGV[1])
if after > tonumber(m[1] or 0) or after < tonumber(m[2] or 0) then
  return { 0 }
end
local out = { 1 }
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])) do
  out[#out + 1], out[#out + 2], out[#out + 3] = string.match(entry[1], '^%d+'), entry[2][2], entry[2][4]
end
return out
