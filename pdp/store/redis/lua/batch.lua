-- Carries out one batch at once, or not at all: pdp/limit/ledger says what that means. It reads all, decides, and only then
-- writes, so that it cannot stop half way.
--
-- KEYS  1 the tenant, 2 its cells by when they end, 3 its reservations by when they end,
--       then of each line its cell and its owner's cells, then of each reservation itself and its owner's.
-- The answer is flat: what happened, time, epoch, loss, changes, verdict, dropped, cells, reservations; seven numbers a line;
-- the reservations.

local DONE, CONFLICT, STALE, UNFIT = 0, 1, 2, 3
local FREE, HARD, SOFT = 0, 1, 2
local ALLOWED, ASKED, DENIED, FULL = 0, 1, 2, 3

-- Redis may keep a key for a day longer than it counts: its clock may be stepped, and a key that it drops too early is a loss.
local GRACE_MILLIS = 86400000
-- How many dead records one batch clears away.
local CLEAR_AT_ONCE = 16

local caller = read_caller()
local holder, seq, overdraw = text(), int(), text() == '1'
local most_in_tenant, most_of_owner = int(), int() -- cells
local elsewhere, most_in_all = int(), int()        -- cells of other tenants, as far as the caller knows
local most_reservations, most_of_reserver = int(), int()
local prefix = text()

local lines = {}
for i = 1, int() do
  local l = {
    id = text(), key = text(), owner = text(), payer = text(), kind = int(), width = int(),
    held = int(), epoch = int(), returned = int(), want = int(), most = int(), class = int(), attempts = text() == '1',
    need = int(), block = int(), lease = int(), spent = {}, refunds = {},
  }
  for j = 1, int() do
    l.spent[j] = { int(), int() }
  end
  for j = 1, int() do
    l.refunds[j] = { int(), int() }
  end
  l.cell, l.owners = KEYS[2 + 2 * i], KEYS[3 + 2 * i]
  lines[i] = l
end

local changes = {}
for i = 1, int() do
  local r = { id = text(), payer = text(), expires = int(), old = text(), new = text() } -- the last two: '-', or '+' and the record
  r.key, r.owners = KEYS[2 + 2 * (#lines + i)], KEYS[3 + 2 * (#lines + i)]
  changes[i] = r
end

-- Read.

local t = read_tenant(KEYS[1])
local missing = false
if #lines > 0 then
  local cells = {}
  for i, l in ipairs(lines) do
    cells[i] = l.cell
  end
  for i, value in ipairs(redis.call('MGET', unpack(cells))) do
    lines[i].value = value
  end
end
local now = tick(t, caller)
for _, l in ipairs(lines) do
  if not l.value and t.horizon > now then
    local score = redis.call('ZSCORE', KEYS[2], l.id)
    missing = missing or (score and tonumber(score) > now) or (not score and redis.call('EXISTS', KEYS[2]) == 0)
  end
end
if not enter(t, caller, missing) then
  return { UNFIT }
end

local function answer(what, verdict, dropped)
  return {
    what, now, t.epoch, t.lost, t.seq, verdict or 0, dropped and 1 or 0,
    redis.call('ZCOUNT', KEYS[2], '(' .. digits(now), '+inf'), redis.call('ZCOUNT', KEYS[3], '(' .. digits(now), '+inf'),
  }
end

local conflict = false
for _, r in ipairs(changes) do
  local value = redis.call('GET', r.key)
  r.now = '-'
  if value then
    local a = string.find(value, ':', 1, true)
    local b = string.find(value, ':', a + 1, true)
    if tonumber(string.sub(value, 1, a - 1)) > now then
      r.stored_payer, r.now = string.sub(value, a + 1, b - 1), '+' .. string.sub(value, b + 1)
    end
  end
  conflict = conflict or r.now ~= r.old
end

local stale = false
for _, l in ipairs(lines) do
  if l.value then
    local c = unpack_counter(l.value)
    advance(c, now)
    local mine = block(c, holder)
    stale = stale or (mine and c.blocks[mine + 3] >= seq)
    if not idle(c, now) then
      l.counter = c
    end
  end
end

if conflict or stale then
  write_tenant(KEYS[1], t) -- a new epoch stays
  local out = answer(conflict and CONFLICT or STALE)
  for _, r in ipairs(changes) do
    out[#out + 1] = r.now
  end
  return out
end

-- What has happened, of all lines, whatever the checks will say.

local fresh, fresh_of = 0, {}
for _, l in ipairs(lines) do
  local another = l.epoch ~= t.epoch and l.held > 0
  if not l.counter then
    if another then
      l.counter = new_counter(l)
    elseif l.want > 0 or l.need > 0 or l.block > 0 then
      fresh, fresh_of[l.owners] = fresh + 1, (fresh_of[l.owners] or 0) + 1
    end
  end
  local c = l.counter
  if c then
    resize(c, l.kind, l.width, now)
    advance(c, now)
    local mine = block(c, holder)
    if another then
      if not mine then
        mine = open_block(c, holder)
        c.blocks[mine + 2] = now + max(l.lease, 1)
      end
      c.blocks[mine + 1] = max(c.blocks[mine + 1], l.held)
    end
    if mine then
      local latest = index_of(c.kind, c.width, now)
      for _, s in ipairs(l.spent) do
        local units = min(s[2], c.blocks[mine + 1])
        c.blocks[mine + 1] = c.blocks[mine + 1] - units
        spend(c, min(s[1], latest), units)
      end
      c.blocks[mine + 1] = c.blocks[mine + 1] - min(l.returned, c.blocks[mine + 1])
    end
    for _, s in ipairs(l.refunds) do
      refund(c, s[1], s[2])
    end
    drop_old(c, now)
  end
end

-- Checks, of all lines.

local verdict = ALLOWED
for _, l in ipairs(lines) do
  local n = l.counter and used(l.counter) or 0
  l.exceeded = n > l.most or l.want > l.most - n
  if t.lost > 0 and (l.class ~= FREE or l.need > 0 or l.block > 0) then
    local full, till = lost_at(l.kind, l.width, t.lost, l.lease, now)
    if full then
      l.exceeded, l.amnesia, l.resets = true, true, till
    end
  end
  if l.exceeded and l.class == HARD then
    verdict = DENIED
  elseif l.exceeded and l.class == SOFT and verdict == ALLOWED then
    verdict = ASKED
  end
end

local function live(key)
  return redis.call('ZCOUNT', key, '(' .. digits(now), '+inf')
end

if verdict ~= DENIED and fresh > 0 then
  local times = overdraw and 2 or 1
  local here = live(KEYS[2])
  if here + fresh > times * most_in_tenant or here + elsewhere + fresh > times * most_in_all then
    verdict = FULL
  end
  for key, n in pairs(fresh_of) do
    if live(key) + n > times * most_of_owner then
      verdict = FULL
    end
  end
end

-- Charges.

for _, l in ipairs(lines) do
  if verdict == ALLOWED then
    l.charged = true
  elseif verdict == ASKED then
    l.charged = l.attempts and (l.class ~= SOFT or not l.exceeded)
  end
  local granted = verdict == ALLOWED and not l.amnesia
  if not l.counter and (l.charged and l.want > 0 or granted and (l.need > 0 or l.block > 0)) then
    l.counter = new_counter(l)
  end
  l.charged = l.charged and l.want > 0
  local c = l.counter
  if c then
    l.index = current(c, now)
    if l.charged then
      spend(c, l.index, l.want)
    end
    local mine, grant = block(c, holder), 0
    if granted and (l.need > 0 or l.block > 0) then
      local room = max(l.most - used(c), 0)
      grant = min(l.need, room)
      local part = 4
      for i = 1, #c.blocks, 4 do
        if c.blocks[i] ~= holder and c.blocks[i + 1] > 0 then
          part = 8
        end
      end
      grant = grant + max(min(l.block - grant, floor((room - grant) / part), floor(l.most / 16)), 0)
    end
    if not mine and grant > 0 and l.lease > 0 then
      mine = open_block(c, holder)
    end
    if mine then
      if grant > 0 and (l.lease > 0 or c.blocks[mine + 2] > now) then
        c.blocks[mine + 1] = add(c.blocks[mine + 1], grant)
      end
      c.blocks[mine + 3] = seq
      if l.lease > 0 then
        c.blocks[mine + 2] = now + l.lease
      end
    end
    l.mine = mine
  end
end

-- Write. Nothing may fail from here on. Redis has refused the script as a whole if it is out of memory or a replica. Keys that
-- are not among KEYS (the set of whoever paid for a cell that another owner charges) may be elsewhere while a cluster moves the
-- slot: they only count for the bounds, and pcall goes on without them.

t.seq = t.seq + 1

-- Sets of names by when they end, each written in one command.
local sets = {}
local function enlist(key, id, at)
  local set = sets[key]
  if not set then
    set = { at = 0 }
    sets[key] = set
  end
  set[#set + 1], set[#set + 2] = digits(at), id
  set.at = max(set.at, at)
end

local removed = false
for _, l in ipairs(lines) do
  local c = l.counter
  -- What only looked, or was denied, changes nothing.
  if c and (l.charged or #l.refunds > 0 or l.mine) then
    local owners = prefix .. 'o:' .. c.payer
    if idle(c, now) then
      removed = redis.call('ZREM', KEYS[2], l.id) > 0 or removed
      redis.pcall('ZREM', owners, l.id)
      redis.call('DEL', l.cell)
    else
      local at = forget_at(c, now)
      redis.call('SET', l.cell, pack(c), 'PX', digits(floor((at - now) / 1000) + GRACE_MILLIS))
      enlist(KEYS[2], l.id, at)
      enlist(owners, l.id, at)
      t.horizon = max(t.horizon, at)
    end
  end
end

local dropped, new_ones, new_of = false, 0, {} -- of this batch: they are in no set yet
for _, r in ipairs(changes) do
  if r.new == '-' then
    if r.stored_payer then
      redis.call('DEL', r.key)
      redis.call('ZREM', KEYS[3], r.id)
      redis.pcall('ZREM', prefix .. 'p:' .. r.stored_payer, r.id)
    end
    r.now = '-'
  elseif not r.stored_payer and (live(KEYS[3]) + new_ones >= most_reservations or
    live(r.owners) + (new_of[r.owners] or 0) >= most_of_reserver) then
    dropped = true
  else
    local payer = r.stored_payer or r.payer
    local owners = prefix .. 'p:' .. payer
    if not r.stored_payer then
      new_ones, new_of[owners] = new_ones + 1, (new_of[owners] or 0) + 1
    end
    if r.expires > now then
      redis.call('SET', r.key, digits(r.expires) .. ':' .. payer .. ':' .. string.sub(r.new, 2),
        'PX', digits(floor((r.expires - now) / 1000) + GRACE_MILLIS))
      enlist(KEYS[3], r.id, r.expires)
      enlist(owners, r.id, r.expires)
    else
      redis.call('DEL', r.key)
    end
    r.now = r.new
  end
end

for key, set in pairs(sets) do
  redis.pcall('ZADD', key, unpack(set))
  local millis = digits(floor((set.at - now) / 1000) + GRACE_MILLIS)
  if redis.pcall('PEXPIRE', key, millis, 'NX') == 0 then
    redis.pcall('PEXPIRE', key, millis, 'GT')
  end
end

-- Clear away what is over: a little each time. Redis drops the rest by itself.
local function over(index)
  return redis.pcall('ZRANGEBYSCORE', index, '-inf', digits(now), 'LIMIT', 0, CLEAR_AT_ONCE)
end
for index, names in pairs({ [KEYS[2]] = 'c:', [KEYS[3]] = 'r:' }) do
  for _, id in ipairs(over(index)) do
    redis.call('ZREM', index, id)
    redis.pcall('DEL', prefix .. names .. id) -- not among KEYS: where a slot is on the move it may be elsewhere
    removed = true
  end
end
for key in pairs(sets) do
  if key ~= KEYS[2] and key ~= KEYS[3] then
    for _, id in ipairs(over(key)) do
      redis.pcall('ZREM', key, id)
    end
  end
end
if removed and redis.call('EXISTS', KEYS[2]) == 0 then
  t.horizon = 0
end
write_tenant(KEYS[1], t)

local out = answer(DONE, verdict, dropped)
for _, l in ipairs(lines) do
  local c, n = l.counter, #out
  out[n + 1] = c and used(c) or 0
  local mine = c and block(c, holder)
  out[n + 2] = mine and c.blocks[mine + 1] or 0
  out[n + 3] = l.index or 0
  out[n + 4] = l.amnesia and l.resets or c and resets_at(c) or 0
  out[n + 5] = l.exceeded and 1 or 0
  out[n + 6] = l.charged and 1 or 0
  out[n + 7] = l.amnesia and 1 or 0
end
for _, r in ipairs(changes) do
  out[#out + 1] = r.now
end
return out
