-- Changes a record by compare-and-set. KEYS: 1 the tenant, 2 its records, 3 when they end, 4 their version.
-- Answers: whether it was swapped (2: there are too many), what the record is now, the version.
local CLEAR_AT_ONCE, GRACE_MILLIS = 16, 86400000
local caller = read_caller()
local key, forget_after, most, old, new = text(), int(), int(), text(), text() -- the last two: '-', or '+' and the record
local now = tick(read_tenant(KEYS[1]), caller)

local function record(field)
  local value = redis.call('HGET', KEYS[2], field)
  local a = value and string.find(value, ':', 1, true)
  if not a or tonumber(string.sub(value, 1, a - 1)) <= now then
    return '-'
  end
  return '+' .. string.sub(value, a + 1)
end

local is = record(key)
if is ~= old then
  return { 0, is, redis.call('GET', KEYS[4]) }
end
for _, field in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', digits(now), 'LIMIT', 0, CLEAR_AT_ONCE)) do
  redis.call('ZREM', KEYS[3], field)
  redis.call('HDEL', KEYS[2], field)
end
if new == '-' then
  redis.call('HDEL', KEYS[2], key)
  redis.call('ZREM', KEYS[3], key)
else
  if is == '-' and redis.call('HLEN', KEYS[2]) >= most then
    return { 2, is, redis.call('GET', KEYS[4]) }
  end
  local ends = now + forget_after
  redis.call('HSET', KEYS[2], key, digits(ends) .. ':' .. string.sub(new, 2))
  redis.call('ZADD', KEYS[3], digits(ends), key)
end
-- A version is never used twice, not even after Redis lost its memory: readers compare it with the one that they have.
local version = max(now, tonumber(redis.call('GET', KEYS[4]) or 0) + 1)
local millis = digits(floor(forget_after / 1000) + GRACE_MILLIS)
for i = 2, 4 do
  if i == 4 then
    redis.call('SET', KEYS[4], digits(version), 'KEEPTTL')
  end
  if redis.call('PEXPIRE', KEYS[i], millis, 'NX') == 0 then
    redis.call('PEXPIRE', KEYS[i], millis, 'GT')
  end
end
return { 1, new, digits(version) }
