#!lua name=amp_ledger_v3
-- The ledger of one bucket. Every function validates first and writes last, and its first write is the entry, which
-- the stream refuses when it is not the next one: what follows never stands without it. No function deletes or
-- rewrites an entry. KEYS come from store/keys.py, JobKeys:
--   1 entries  stream; the n-th entry has the id n-0: e the entry, s side data (entries.py), l its link (chain.py)
--   2 chain    the last link, 20 bytes, then the number of entries
--   3 jobs     sorted set: the bucket's jobs by the time they were made      4 types  set: their types
--   5 job      hash (job.py)
--   6 seen     hash: digest of an id -> position; of an idempotency key -> fingerprint, 8 bytes, then position
--   7 box      stream: outcomes of jobs that follow a decision, for the bridge: j the job, p the position of what is
--              in force, q the decision's requestId; whoever has read an item takes it out
-- Every function's first thirteen ARGV: the entry, its SHA-256, ms since 1970, the job ('' is none), then what the
-- record says of the job, '' is nothing: STICKY. Whole numbers that can be large are decimal strings throughout: a Lua
-- number holds 53 bits.

local STICKY = { 'n', 't', 'v', 'e', 'a', 'p', 'g', 'q', 'r' }
local FLAG = { t = 1, e = 2, a = 4, p = 8, n = 64, v = 128, q = 256 }
local COORDINATE = { t = true, e = true, a = true, p = true, q = true } -- reports group by these
local MADE, BEFORE = 16, 32
local OWN = 14 -- where a function's own arguments begin
local ASKED = 2 + #STICKY -- how many fields of the job every function looks at
local EXACT = 2 ^ 53 -- from here on a Lua number misses whole numbers

local function int(value) return string.format('%.0f', value) end

local BYTE = {} -- by its two hex digits; filled when it is first wanted: while a library loads there is no `string`

local function sha1(text)
  if not BYTE.ff then
    for value = 0, 255 do BYTE[string.format('%02x', value)] = string.char(value) end
  end
  return (redis.sha1hex(text):gsub('..', BYTE))
end

local function append(keys, args, side)
  local head = redis.call('GET', keys[2]) or string.rep('\0', 20) .. '0'
  local position = int(tonumber(head:sub(21)) + 1)
  local link = sha1(head:sub(1, 20) .. args[2] .. side)
  redis.call('XADD', keys[1], position .. '-0', 'e', args[1], 's', side, 'l', link)
  redis.call('SET', keys[2], link .. position)
  return position, link
end

local function state(keys)
  local all, words = redis.call('HGETALL', keys[5]), {}
  for i = 1, #all, 2 do
    if all[i]:find('^%u') then
      words[#words + 1] = all[i]
      words[#words + 1] = all[i + 1]
    end
  end
  return table.concat(words, ' ')
end

-- The flags as bytes, and those of before where they are told: the first byte has no room for the squad's.
local function flagged(flags, before)
  local second = (before or 0) % 256 + ((before or 0) > 255 and 16 or 0) + (flags > 255 and 32 or 0)
  return string.char(flags % 256) .. ((before or second > 0) and string.char(second) or '')
end

-- What the job has: when it was made, its outcomes, STICKY, then the fields that are named; false where it has none.
local function look(keys, ...)
  return redis.call('HMGET', keys[5], 'c', 'o', 'n', 't', 'v', 'e', 'a', 'p', 'g', 'q', 'r', ...)
end

-- What this record is the first to say of its job, as fields and values in turn; the side data; whether it makes the
-- job. The state before is told when a sum of before does not simply grow: `always`, or when a coordinate is new, when
-- the job follows a decision, when it has an outcome.
local function told(keys, args, kept, always)
  if args[4] == '' then return {}, '\0', false end
  local made, fresh, flags, before, moves = not kept[1], {}, 0, 0, always or kept[2]
  for i, name in ipairs(STICKY) do
    local said, flag, stands = args[4 + i], FLAG[name], kept[i + 2]
    local first = not stands and said ~= ''
    if first then
      fresh[#fresh + 1] = name
      fresh[#fresh + 1] = said
    end
    if flag and (first or stands) then
      flags = flags + flag
      before = before + (stands and flag or 0)
      moves = moves or first and COORDINATE[name] or name == 'p'
    end
  end
  if made then return fresh, flagged(flags + MADE), true end
  if not moves then return fresh, flagged(flags), false end
  return fresh, flagged(flags + BEFORE, before) .. state(keys), false
end

-- Tells the bridge what came of a job that follows a decision.
local function post(keys, job, position, request)
  redis.call('XADD', keys[7], '*', 'j', job, 'p', position, 'q', request)
end

-- Writes into the job what the record is the first to say, `fresh`, and what `more` has.
local function tell(keys, args, fresh, made, more)
  for i = 1, #fresh, 2 do
    if fresh[i] == 't' then redis.call('SADD', keys[4], fresh[i + 1]) end
    if fresh[i] == 'r' then -- the decision may be told after the outcome
      local stands = redis.call('HGET', keys[5], 'o')
      if stands then post(keys, args[4], stands:match('%d+$'), fresh[i + 1]) end
    end
  end
  if made then
    redis.call('ZADD', keys[3], args[3], args[4])
    fresh[#fresh + 1] = 'c'
    fresh[#fresh + 1] = args[3]
  end
  if args[4] ~= '' then
    fresh[#fresh + 1] = 'u'
    fresh[#fresh + 1] = args[3]
  end
  for _, word in ipairs(more) do fresh[#fresh + 1] = word end
  redis.call('HSET', keys[5], unpack(fresh))
end

-- Replies created, or exists; and position and link, unless nothing new was said.
local function create(keys, args)
  local fresh, side, made = told(keys, args, look(keys))
  if not made and #fresh == 0 then return { 'exists' } end
  local position, link = append(keys, args, side)
  tell(keys, args, fresh, made, {})
  return { made and 'created' or 'exists', position, link }
end

local function at(keys, position)
  return redis.call('XRANGE', keys[1], position .. '-0', position .. '-0')[1][2][2]
end

-- Whether this was metered already, as the reply; nil when it was not.
local function again(keys, id, key, fingerprint)
  local found = redis.call('HMGET', keys[6], id, key)
  if found[2] and found[2]:sub(1, 8) ~= fingerprint then return { 'mismatch' } end
  local position = found[2] and found[2]:sub(9) or found[1]
  return position and { 'replay', position, '', at(keys, position) } or nil
end

-- The earlier and the later time of an event, where it moves those that the job has.
local function span(event, first, last)
  local moved = {}
  if not first or tonumber(event) < tonumber(first) then moved = { 'f', event } end
  if not last or tonumber(event) > tonumber(last) then
    moved[#moved + 1] = 'l'
    moved[#moved + 1] = event
  end
  return moved
end

-- Own ARGV: digests of the transaction and of the idempotency key ('' is none), fingerprint, ms of the event, then
-- fields of the job, then what to add to each.
-- Replies recorded, position, link and flags; or replay, position, '' and the entry that stands; or mismatch.
local function meter(keys, args)
  local id, key, fingerprint, event = args[OWN], args[OWN + 1], args[OWN + 2], args[OWN + 3]
  local before = again(keys, id, key, fingerprint)
  if before then return before end
  local fields, sums = OWN + 3, (#args - OWN - 3) / 2
  local kept = look(keys, 'f', 'l', unpack(args, fields + 1, fields + sums))
  local fresh, side, made = told(keys, args, kept)
  local more = args[4] ~= '' and span(event, kept[ASKED + 1], kept[ASKED + 2]) or {}
  if made then
    more[#more + 1] = 'b'
    more[#more + 1] = 't'
  end
  local position, link = append(keys, args, side)
  -- all sums in one write, for each write takes a command of the log; HINCRBY is exact where Lua is not
  for i = 1, sums do
    local field, added = args[fields + i], args[fields + sums + i]
    local sum = (kept[ASKED + 2 + i] or 0) + added
    if sum < EXACT then
      more[#more + 1] = field
      more[#more + 1] = int(sum)
    else
      redis.call('HINCRBY', keys[5], field, added)
    end
  end
  tell(keys, args, fresh, made, more)
  if key == '' then
    redis.call('HSET', keys[6], id, position)
  else
    redis.call('HSET', keys[6], id, position, key, fingerprint .. position)
  end
  return { 'recorded', position, link, side:sub(1, 1) }
end

-- What is in force from now on: status, type, value and currency, the last three '' for none.
local function enforce(keys, args, first, fresh, positions, position)
  local more = { 'o', positions, 'S', args[first] }
  for i, name in ipairs({ 'Y', 'V', 'W' }) do
    if args[first + i] ~= '' then
      more[#more + 1] = name
      more[#more + 1] = args[first + i]
    else
      redis.call('HDEL', keys[5], name)
    end
  end
  tell(keys, args, fresh, false, more)
  local request = redis.call('HGET', keys[5], 'r')
  if request then post(keys, args[4], position, request) end
end

-- Own ARGV: status, type, value in nanos, currency. Replies unknown, or already, or recorded, position and link.
local function outcome(keys, args)
  local kept = look(keys)
  if not kept[1] then return { 'unknown' } end
  if kept[2] then return { 'already' } end
  local fresh, side = told(keys, args, kept, true)
  local position, link = append(keys, args, side)
  enforce(keys, args, OWN, fresh, position, position)
  return { 'recorded', position, link }
end

-- Own ARGV: the positions of the outcome and its amendments that the entry goes on from, then as above.
-- Replies stale when there are others, or recorded, position and link.
local function amend(keys, args)
  local kept = look(keys)
  local standing = kept[2]
  if standing ~= args[OWN] then return { 'stale' } end
  local fresh, side = told(keys, args, kept)
  local position, link = append(keys, args, side)
  enforce(keys, args, OWN + 1, fresh, standing .. ' ' .. position, position)
  return { 'recorded', position, link }
end

-- Own ARGV: digest of the idempotency key ('' is none), fingerprint. Replies as meter, or unknown.
local function note(keys, args)
  local key, fingerprint = args[OWN], args[OWN + 1]
  local kept = look(keys, 'm')
  if not kept[1] then return { 'unknown' } end
  local before = key ~= '' and again(keys, '', key, fingerprint)
  if before then return before end
  local fresh, side = told(keys, args, kept)
  local position, link = append(keys, args, side)
  local metrics = kept[ASKED + 1]
  tell(keys, args, fresh, false, { 'm', metrics and metrics .. ' ' .. position or position })
  if key ~= '' then redis.call('HSET', keys[6], key, fingerprint .. position) end
  return { 'recorded', position, link }
end

redis.register_function('amp_ledger_create_v3', create)
redis.register_function('amp_ledger_meter_v3', meter)
redis.register_function('amp_ledger_outcome_v3', outcome)
redis.register_function('amp_ledger_amend_v3', amend)
redis.register_function('amp_ledger_note_v3', note)
