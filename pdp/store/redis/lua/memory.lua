-- Changes the record of an agent's memory, if it is still what the caller has read.
-- KEYS: 1 the record, a hash: h is the head, i and a name one item. ARGV: 1 the old head, 2 the new one, 3 when all of it may be
-- forgotten, in milliseconds since 1970, then names and records. Old head and records: '-' for none, or '+' and what it is.
local is = redis.call('HGET', KEYS[1], 'h')
if (is and '+' .. is or '-') ~= ARGV[1] then
  return { 0 }
end
redis.call('HSET', KEYS[1], 'h', ARGV[2])
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '-' then
    redis.call('HDEL', KEYS[1], 'i' .. ARGV[i])
  else
    redis.call('HSET', KEYS[1], 'i' .. ARGV[i], string.sub(ARGV[i + 1], 2))
  end
end
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return { 1 }
