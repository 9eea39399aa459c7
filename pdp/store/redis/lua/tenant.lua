-- What every script begins with: reading arguments, the ledger's time, and the epoch of a tenant.
-- All numbers are integers of at most 2^53, which a Lua number holds exactly. Times are microseconds since 1970.

local floor, max, min = math.floor, math.max, math.min

local MOST = 9007199254740992 -- 2^53: sums stop here

-- Arguments are read one after another.
local next_argument = 0
local function text()
  next_argument = next_argument + 1
  return ARGV[next_argument]
end
local function int()
  return tonumber(text())
end

local function digits(n)
  return string.format('%.0f', n)
end

local function host_time()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

-- The ledger's time is the host's clock and an offset that is kept here. A caller that knows the ledger's time says between
-- what it must be (earliest, latest; 0: it does not know). If the host's clock says otherwise, it was stepped, or this is
-- another host: then the time is the caller's earliest, because time that goes too slowly only over-counts. It never goes back.
-- Returns the time, and the offset to keep with it.
local function ledger_time(offset, last, earliest, latest)
  local host = host_time()
  local now = host + offset
  if earliest > 0 and (now < earliest or now > latest) then
    now = earliest
  end
  now = max(now, last)
  return now, now - host
end

-- Who this server is. run_id changes with every start. The replication id changes when a replica takes over, so that a server
-- which was master, replica and master again is another one, too.
local function server_identity()
  local info = redis.call('INFO', 'server', 'replication')
  local identity = ''
  for _, field in ipairs({ '\nrun_id:', '\nmaster_replid:' }) do
    local _, at = string.find(info, field, 1, true)
    if not at then
      return nil
    end
    identity = identity .. string.sub(info, at + 1, at + 40) -- both are 40 hexadecimal digits
  end
  return identity
end

-- What is kept of a tenant, in a hash that never expires:
--   e  the epoch                        s  how many changes there were
--   v  the server that wrote last       o  the offset of the ledger's time
--   l  the ledger's time then           k  when what was known was lost; absent: it was not
--   f  set if the epoch began on what looked like a first start
--   h  until when some cell counts
local function read_tenant(key)
  local m = redis.call('HMGET', key, 'e', 's', 'v', 'o', 'l', 'k', 'f', 'h')
  return {
    epoch = tonumber(m[1] or 0), seq = tonumber(m[2] or 0), server = m[3],
    offset = tonumber(m[4] or 0), last = tonumber(m[5] or 0),
    lost = tonumber(m[6] or 0), first = m[7], horizon = tonumber(m[8] or 0),
  }
end

local function write_tenant(key, t)
  redis.call('HSET', key, 'e', digits(t.epoch), 's', digits(t.seq), 'v', t.server, 'o', digits(t.offset), 'l', digits(t.last),
    'k', digits(t.lost), 'f', t.first or '', 'h', digits(t.horizon))
end

-- Arguments that every script on a tenant begins with.
local function read_caller()
  return {
    earliest = int(), latest = int(),
    epoch = int(), seq = int(), -- the highest that the caller was told of; 0: none
    durable = text() == '1',    -- the operator vouches that a server never forgets what it acknowledged
    salt = int(),               -- makes epochs that begin at the same time different
  }
end

-- Brings a tenant to now.
local function tick(t, caller)
  t.last, t.offset = ledger_time(t.offset, t.last, caller.earliest, caller.latest)
  return t.last
end

-- Begins a new epoch if what is kept may not be what was acknowledged. missing says that a cell is not there which should be:
-- it was evicted, or expired by a stepped clock. Returns false if the server does not say who it is.
local function enter(t, caller, missing)
  local server = server_identity()
  local lost = missing
  if not server then
    return false
  elseif t.epoch == 0 then
    lost = caller.epoch > 0 -- all is gone
  elseif caller.epoch > t.epoch then
    lost = true -- an older state has come back
  elseif caller.epoch == t.epoch and caller.seq > t.seq then
    lost = true -- changes are gone
  elseif t.first == '1' and caller.epoch > 0 and caller.epoch < t.epoch then
    lost = true -- it was no first start: this caller knows of an epoch before
  elseif t.server ~= server and not caller.durable then
    lost = true -- restarted or failed over: the last changes may be gone
  end
  if lost or t.epoch == 0 then
    t.first = lost and '0' or '1'
    t.epoch = max(t.last + caller.salt, t.epoch + 1, caller.epoch + 1)
    t.seq = max(t.seq, caller.seq)
    if lost then
      t.lost = t.last
    end
  end
  t.server = server
  return true
end
