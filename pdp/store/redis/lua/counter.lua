-- Counters: pdp/limit/ledger/counter.go in Lua, function by function. A test compares the two.
--   buckets  {index, units, index, units, …}, by index, none empty
--   blocks   {holder, units, expires, seq, holder, …}

local SLIDING, DAY, MONTH, WHOLE = 1, 2, 3, 4
local PARTS = 64
local DAY_MICROS = 86400000000
local FORMAT = 1

local function add(a, b)
  return min(a + b, MOST)
end

-- Division of what need not fit the hardware's rounding.
local function quotient(a, b)
  local q = floor(a / b)
  if q * b > a then
    return q - 1
  elseif (q + 1) * b <= a then
    return q + 1
  end
  return q
end

-- year × 12 + month − 1 of a day since 1970, and back to the first day of such a month (Howard Hinnant's civil calendar).
local function month_of(day)
  local z = day + 719468
  local era = floor(z / 146097)
  local doe = z - era * 146097
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
  local mp = floor((5 * doy + 2) / 153)
  local m, y = mp + 3, yoe + era * 400
  if m > 12 then
    m, y = m - 12, y + 1
  end
  return y * 12 + m - 1
end

local function first_day(month)
  local y, m = floor(month / 12), month % 12 + 1
  if m <= 2 then
    y = y - 1
  end
  local era = floor(y / 400)
  local yoe = y - era * 400
  local mp = (m + 9) % 12
  local doy = floor((153 * mp + 2) / 5)
  local doe = yoe * 365 + floor(yoe / 4) - floor(yoe / 100) + doy
  return era * 146097 + doe - 719468
end

-- Of a period, like ledger.Period's methods.
local function index_of(kind, width, at)
  if kind == SLIDING then
    return quotient(at, width)
  elseif kind == DAY then
    return quotient(at, DAY_MICROS)
  elseif kind == MONTH then
    return month_of(quotient(at, DAY_MICROS))
  end
  return 0
end

local function oldest(kind, current)
  if kind == SLIDING then
    return current - PARTS
  end
  return current
end

local function end_of(kind, width, index)
  if kind == SLIDING then
    return (index + PARTS + 1) * width
  elseif kind == DAY then
    return (index + 1) * DAY_MICROS
  elseif kind == MONTH then
    return first_day(index + 1) * DAY_MICROS
  end
  return 0
end

-- Whether a cell counts as full because what it was when it was lost may count still, and until when (0: until an operator acts).
local function lost_at(kind, width, lost, lease, now)
  local till
  lost = lost + lease
  if kind == WHOLE then
    return true, 0
  elseif kind == SLIDING then
    till = lost + (PARTS + 1) * width
  else
    till = end_of(kind, width, index_of(kind, width, lost))
  end
  if till <= now then
    return false, 0
  end
  return true, till
end

-- payer is the name of the owner's set of cells.
local function new_counter(l)
  return { key = l.key, owner = l.owner, payer = l.payer, kind = l.kind, width = l.width, buckets = {}, blocks = {} }
end

local function pack(c)
  return cmsgpack.pack({ FORMAT, c.key, c.owner, c.payer, c.kind, c.width, c.buckets, c.blocks })
end

local function unpack_counter(value)
  local v = cmsgpack.unpack(value)
  if v[1] ~= FORMAT then
    error('a counter of format ' .. tostring(v[1]) .. ' cannot be read')
  end
  return { key = v[2], owner = v[3], payer = v[4], kind = v[5], width = v[6], buckets = v[7], blocks = v[8] }
end

local function spend(c, index, units)
  if units <= 0 then
    return
  end
  local b = c.buckets
  local i = #b - 1
  while i >= 1 and b[i] > index do
    i = i - 2
  end
  if i >= 1 and b[i] == index then
    b[i + 1] = add(b[i + 1], units)
    return
  end
  table.insert(b, i + 2, index)
  table.insert(b, i + 3, units)
end

local function current(c, now)
  local i, n = index_of(c.kind, c.width, now), #c.buckets
  if n > 0 then
    i = max(i, c.buckets[n - 1])
  end
  return i
end

local function drop_old(c, now)
  local b, from = c.buckets, oldest(c.kind, current(c, now))
  if #b == 0 or b[1] >= from then
    return
  end
  local kept = {}
  for i = 1, #b, 2 do
    if b[i] >= from then
      kept[#kept + 1], kept[#kept + 2] = b[i], b[i + 1]
    end
  end
  c.buckets = kept
end

local function advance(c, now)
  local b, over = c.blocks, false
  for i = 1, #b, 4 do
    over = over or b[i + 2] <= now
  end
  if over then
    local kept = {}
    for i = 1, #b, 4 do
      if b[i + 2] > now then
        local n = #kept
        kept[n + 1], kept[n + 2], kept[n + 3], kept[n + 4] = b[i], b[i + 1], b[i + 2], b[i + 3]
      else
        spend(c, index_of(c.kind, c.width, b[i + 2]), b[i + 1])
      end
    end
    c.blocks = kept
  end
  drop_old(c, now)
end

local function booked(c)
  local n, b = 0, c.blocks
  for i = 2, #b, 4 do
    n = add(n, b[i])
  end
  return n
end

local function used(c)
  local n, b = booked(c), c.buckets
  for i = 2, #b, 2 do
    n = add(n, b[i])
  end
  return n
end

local function resets_at(c)
  if #c.buckets == 0 then
    return 0
  end
  return end_of(c.kind, c.width, c.buckets[1])
end

local function idle(c, now)
  for i = 3, #c.blocks, 4 do
    if c.blocks[i] > now then
      return false
    end
  end
  return used(c) == 0
end

-- When nothing of it counts any more, whatever happens to its blocks.
local function forget_at(c, now)
  local at, n = now, #c.buckets
  if n > 0 then
    at = c.kind == WHOLE and now + c.width or end_of(c.kind, c.width, c.buckets[n - 1])
  end
  for i = 1, #c.blocks, 4 do
    local over = c.blocks[i + 2]
    if c.blocks[i + 1] == 0 then
      at = max(at, over)
    elseif c.kind == WHOLE then
      at = max(at, over + c.width)
    else
      at = max(at, end_of(c.kind, c.width, index_of(c.kind, c.width, over)))
    end
  end
  return at
end

-- Where a holder's block stands in blocks; nil if it has none.
local function block(c, holder)
  for i = 1, #c.blocks, 4 do
    if c.blocks[i] == holder then
      return i
    end
  end
  return nil
end

local function open_block(c, holder)
  local b = c.blocks
  local n = #b
  b[n + 1], b[n + 2], b[n + 3], b[n + 4] = holder, 0, 0, 0
  return n + 1
end

local function resize(c, kind, width, now)
  if kind == c.kind and width == c.width then
    return
  end
  local old_kind, old_width, old = c.kind, c.width, c.buckets
  c.kind, c.width, c.buckets = kind, width, {}
  local latest = index_of(kind, width, now)
  for i = 1, #old, 2 do
    local index = latest
    if old_kind == SLIDING then -- at the end of where the units may have been
      index = min(index_of(kind, width, (old[i] + 1) * old_width - 1), latest)
    end
    spend(c, index, old[i + 1])
  end
end

local function refund(c, index, units)
  local b = c.buckets
  for i = 1, #b, 2 do
    if b[i] == index and b[i + 1] < MOST then
      b[i + 1] = b[i + 1] - min(units, b[i + 1])
      if b[i + 1] == 0 then
        table.remove(b, i)
        table.remove(b, i)
      end
      return
    end
  end
end
