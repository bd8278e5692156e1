#!lua
-- One bucket of the ledger: word for word what `ledger.rs` computes, which says why.
-- KEYS  head, live, sums, the rows of the member
-- ARGV  nonce, seq, epoch, intent, term, deposed, slack, guard, version, total, subject,
--       how many lapsed members are folded back at most; then key, keep, want of each claim
-- Nothing is changed before the head is written, and that is refused on a replica and
-- without memory.
local head, live, sums, mine = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local nonce, seq, epoch, leaves = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == 'leave'
local CLAIMS = 13

local clock = redis.call('TIME')
local info = redis.call('INFO', 'server', 'replication')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- Found as plain text, which is quick.
local function told(field)
  local _, at = string.find(info, '\n' .. field .. ':', 1, true)
  return at and string.match(info, '^%x+', at + 1)
end
local life, data = told('run_id'), told('master_replid')
if not life or not data then
  return redis.error_reply('NOLIFE INFO shows no run_id or no master_replid')
end
local run = life .. ':' .. data

local function text(number)
  return string.format('%.0f', number)
end

-- The head as of now.
local NUMBERS = { 'l', 'last', 'epoch', 'born', 'resumed', 'term', 'deposed', 'slack', 'guard', 'version', 'total', 'subject' }
local h = {}
for i, field in ipairs({ 'term', 'deposed', 'slack', 'guard', 'version', 'total', 'subject' }) do
  h[field] = tonumber(ARGV[4 + i])
end
local asked = { term = h.term, deposed = h.deposed, slack = h.slack, guard = h.guard }
local limits = { version = h.version, total = h.total, subject = h.subject }
local was = redis.call('HMGET', head, 'run', unpack(NUMBERS))
if was[1] then
  for i, field in ipairs(NUMBERS) do
    h[field] = tonumber(was[1 + i])
  end
end
if was[1] == run and now <= h.last + h.slack then
  h.l = h.l + math.max(now - h.last, 0)
elseif was[1] == run then
  h.resumed = h.l
elseif was[1] then
  h.epoch, h.born, h.resumed = math.max(h.epoch, epoch) + 1, h.l, h.l
else
  h.l, h.epoch, h.born, h.resumed = 0, epoch + 1, 0, 0
end
h.last = now

local function reclaim(terms)
  return terms.term + terms.deposed + terms.slack
end

local function learning()
  return math.max(h.resumed + reclaim(h) - h.l, 0)
end

local refusal
local differ = false
for field, value in pairs(asked) do
  differ = differ or value ~= h[field]
end
if differ then
  local takes
  if learning() > 0 then
    takes = reclaim(asked) > reclaim(h)
  else
    takes = redis.call('ZCARD', live) == 0
  end
  if takes then
    for field, value in pairs(asked) do
      h[field] = value
    end
  else
    refusal = { 'terms', h.term, h.deposed, h.slack, h.guard }
  end
end
if not refusal then
  if epoch > h.epoch and h.l >= h.born + reclaim(h) then
    refusal = { 'deposed' }
  else
    h.epoch = math.max(h.epoch, epoch)
    if limits.version > h.version then
      h.version, h.total, h.subject = limits.version, limits.total, limits.subject
    end
  end
end

-- Always something, so that what would refuse a write refuses this one.
local written = { 'l', text(h.l) }
if was[1] ~= run then
  written[3], written[4] = 'run', run
end
for i, field in ipairs(NUMBERS) do
  if field ~= 'l' and h[field] ~= tonumber(was[1 + i]) then
    written[#written + 1] = field
    written[#written + 1] = text(h[field])
  end
end
redis.call('HSET', head, unpack(written))

-- A row is `share lack`, and one of nothing is not kept.
local function read(value)
  if not value then
    return { share = 0, lack = 0 }
  end
  local share, lack = string.match(value, '^(%d+) (%d+)$')
  return { share = tonumber(share), lack = tonumber(lack) }
end

local function write(key, field, old, share, lack)
  if share == old.share and lack == old.lack then
    return
  elseif share == 0 and lack == 0 then
    redis.call('HDEL', key, field)
  else
    redis.call('HSET', key, field, text(share) .. ' ' .. text(lack))
  end
end

local function rows_of(key)
  local rows, known = {}, nil
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if all[i] == 'seq' then
      known = tonumber(all[i + 1])
    else
      rows[all[i]] = read(all[i + 1])
    end
  end
  return rows, known
end

local function take_out(rows)
  for field, row in pairs(rows) do
    local sum = read(redis.call('HGET', sums, field))
    write(sums, field, sum, sum.share - row.share, sum.lack - row.lack)
  end
end

local prefix = string.sub(mine, 1, -1 - string.len(nonce))
local lapsed = redis.call('ZRANGEBYSCORE', live, '-inf', text(h.l), 'LIMIT', 0, ARGV[12])
for _, other in ipairs(lapsed) do
  take_out((rows_of(prefix .. other)))
  redis.call('DEL', prefix .. other)
  redis.call('ZREM', live, other)
end

local function reply(verdict)
  local all = { verdict[1], text(seq), text(h.epoch) }
  for i = 2, #verdict do
    all[#all + 1] = text(verdict[i])
  end
  return all
end

if refusal then
  return reply(refusal)
end
local rows, known = rows_of(mine)
if known and seq <= known then
  return reply({ 'stale' })
end
local learns = learning()
if learns == 0 then
  for i = CLAIMS, #ARGV, 3 do
    local row = rows['/' .. ARGV[i]]
    if tonumber(ARGV[i + 1]) > (row and row.share or 0) then
      return reply({ 'lapsed' })
    end
  end
end

local done = { 'done', h.version, h.total, h.subject, 0, learns }
if leaves then
  take_out(rows)
  redis.call('DEL', mine)
  redis.call('ZREM', live, nonce)
else
  redis.call('HSET', mine, 'seq', text(seq))
  redis.call('ZADD', live, text(h.l + reclaim(h)), nonce)
  for i = CLAIMS, #ARGV, 3 do
    local field, keep = '/' .. ARGV[i], tonumber(ARGV[i + 1])
    local want = math.max(tonumber(ARGV[i + 2]), keep)
    local row = rows[field] or { share = 0, lack = 0 }
    rows[field] = nil
    local sum = read(redis.call('HGET', sums, field))
    local others, short = sum.share - row.share, sum.lack - row.lack
    local limit = field == '/' and h.total or h.subject
    local share = keep
    if learns == 0 then
      share = math.min(math.max(row.share, keep), want)
      share = share + math.min(math.max(limit - others - share, 0), want - share)
    end
    write(sums, field, sum, others + share, short + want - share)
    write(mine, field, row, share, want - share)
    done[#done + 1] = share
    done[#done + 1] = math.max(limit - others - share, 0)
    done[#done + 1] = short
  end
  take_out(rows)
  for field in pairs(rows) do
    redis.call('HDEL', mine, field)
  end
end
done[5] = redis.call('ZCARD', live)
return reply(done)
