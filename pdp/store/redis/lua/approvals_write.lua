-- Inserts, changes or removes one approval, if it is still what the caller has read. It reads all, decides, and only then
-- writes.
--
-- KEYS  1 the epoch, 2 the approval, 3 its content, 4 the changes, 5 meta (c: the last cursor, f: the floor, below which changes
--       are gone), 6 counts, 7 due, 8 live, 9 its index of states before, 10 after, 11 what its agent has asked, 12 its session,
--       13 who asked for the same action.
-- Answers what happened, the epoch, the changes of the epoch, and whether memory was lost.
local DONE, CONFLICT, UNFIT, AGENT_FULL, QUEUE_FULL = 0, 1, 2, 3, 4

local caller = read_caller()
local window, id, read_in = int(), text(), int()
local old, new = text(), text()        -- writes; the first is empty where there is to be none
local record, sequence = text(), int() -- the record is empty where it goes
local changed_from = int()             -- the first new change
local live_before, live_after = text(), text()
local due = int()
local content, erase = text(), text() == '1' -- '-', or '+' and the content
local created, since = int(), int()
local most_of_agent, most_in_session = int(), int() -- asks after since; 0: any number
local counts = {}
for i = 1, int() do
  counts[i] = { text(), int(), int(), int() } -- scope, what is added, the most that it may be, and what is said if it is more
end

-- Read.
local t = read_tenant(KEYS[1])
local now = tick(t, caller)
local fit, lost = enter_approvals(t, caller, KEYS[8], KEYS[7], KEYS[5])
if not fit then
  return { UNFIT, 0, 0, 0 }
end
local function answer(what)
  write_tenant(KEYS[1], t)
  return { what, digits(t.epoch), digits(t.seq), lost }
end
local is = redis.call('HMGET', KEYS[2], 'v', 'w')
if is[2] and string.find(is[2], new, 1, true) then
  return answer(DONE) -- the answer to an earlier try was lost
elseif not is[1] and record == '' then
  return answer(DONE) -- it is gone already
elseif (is[1] or '') ~= old or old ~= '' and read_in ~= t.epoch then
  return answer(CONFLICT) -- or it was read when its epoch still stood
end
for _, c in ipairs(counts) do
  if c[3] > 0 and tonumber(redis.call('HGET', KEYS[6], c[1]) or 0) + c[2] > c[3] then
    return answer(c[4])
  end
end
for i, most in ipairs({ most_of_agent, most_in_session }) do
  if most > 0 and redis.call('ZCOUNT', KEYS[10 + i], '(' .. digits(since), '+inf') >= most then
    return answer(AGENT_FULL)
  end
end

-- Write.
for _, c in ipairs(counts) do
  if c[2] ~= 0 and redis.call('HINCRBY', KEYS[6], c[1], digits(c[2])) == 0 then
    redis.call('HDEL', KEYS[6], c[1])
  end
end
if live_before ~= live_after then
  if live_before ~= '' then
    redis.call('ZREM', KEYS[8], live_before)
  end
  if live_after ~= '' then
    redis.call('ZADD', KEYS[8], 0, live_after)
  end
end
if KEYS[9] ~= KEYS[10] then
  redis.call('ZREM', KEYS[9], id)
end
if erase then
  redis.call('DEL', KEYS[3])
elseif content ~= '-' then
  redis.call('SET', KEYS[3], string.sub(content, 2))
end
if record == '' then
  redis.call('DEL', KEYS[2], KEYS[3])
  redis.call('ZREM', KEYS[7], id)
  for i = 9, 13 do
    redis.call('ZREM', KEYS[i], id)
  end
else
  redis.call('HSET', KEYS[2], 'r', record, 'v', new, 'w', string.sub((is[2] or '') .. new, -KEPT_WRITES * #new), 'n', digits(sequence))
  redis.call('HSETNX', KEYS[2], 'e', digits(t.epoch))
  redis.call('ZADD', KEYS[7], digits(due), id)
  redis.call('ZADD', KEYS[10], 0, id)
  for i = 11, 13 do
    redis.call('ZADD', KEYS[i], digits(created), id)
  end
  -- Cursors are times, so that none is given out twice, even after what is here was lost.
  local cursor = tonumber(redis.call('HGET', KEYS[5], 'c') or 0)
  for n = changed_from, sequence do
    cursor = max(cursor + 1, now)
    redis.call('XADD', KEYS[4], digits(cursor) .. '-0', 'i', id, 's', digits(n))
  end
  redis.call('HSET', KEYS[5], 'c', digits(cursor))
  local beyond = redis.call('XLEN', KEYS[4]) - window
  if beyond > 0 then
    local gone = redis.call('XRANGE', KEYS[4], '-', '+', 'COUNT', beyond)
    redis.call('HSET', KEYS[5], 'f', string.match(gone[#gone][1], '^%d+'))
    redis.call('XTRIM', KEYS[4], 'MAXLEN', window)
  end
end
t.seq = t.seq + 1
return answer(DONE)
