#!lua name=amp_learning_v3
-- A user's facts. Every function validates first and writes last; KEYS come from store/keys.py, UserKeys:
--   1 record   a header of one or two times 48 bytes, then rows of 48 (rows.py, ROW) in order of arrival
--   2 details  hash: t:<task hash> name · m:<key> metadata · changed ms · sums over trimmed rows
--   3 trimmed  sorted set: rows trimmed inside the longer of the two windows, by decided time
--   4 events   stream of the bucket            5 users   set of the bucket
--   6 words    hash: nonce -> what the agent said, and what others said of the same decision (below)
--   7 bridged  hash of the bucket: what came of words, as the bridge counts them (bridge.lua, heard)
-- Header (record.py, HEADER): alias 8 · created 6 · watermark 6 · trimmed 3 · more 1 · preferences 24, six for
-- each of four slots: option + 1 (0 is none, 128 more is locked), then 5 of milliseconds since created.
-- `more` is 1 while one of the next eight slots states something: their 48 bytes follow.
-- Numbers are little endian, times milliseconds since 1970.

local SIZE = 48
local KEPT, BLOCK = 512, 64
local MORE = 24 -- where the header says whether it is longer
local PREFERENCES, PREFERENCE = 25, 6 -- where they start in the header, and the bytes of each
local TASKS_MAX = 32
local SET_BELOW = 2048 -- APPEND takes room for twice as much: 1,505 against 1,077 bytes a user at 20 rows
local METADATA_BYTES_MAX = 4096

local function number(s, from, width)
  local value = 0
  for at = from + width - 1, from, -1 do value = value * 256 + s:byte(at) end
  return value
end

local function bytes(value, width)
  local out = {}
  for i = 1, width do
    out[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(out)
end

-- Whole numbers as the store's arguments: a bare Lua number may come out as 1.7e+12 or 1.0.
local function int(value) return string.format('%.0f', value) end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function created(record) return number(record, 9, 6) end
local function watermark(record) return number(record, 15, 6) end
local function trimmed(record) return number(record, 21, 3) end
local function long(record) return record:byte(MORE) == 1 end -- also of '', whose byte is nil
local function head(record) return long(record) and 2 * SIZE or SIZE end
local function decided(row) return number(row, 9, 6) end

-- A record for a user we did not know, or know only by the watermark that an erasure left.
local function born(record, alias, now)
  local mark = record == '' and 0 or watermark(record)
  return alias .. bytes(now, 6) .. bytes(mark, 6) .. string.rep('\0', 28)
end

local function log(keys, fields, now, retention)
  redis.call('XADD', keys[4], 'MINID', '~', int(math.max(0, now - retention)), '*', unpack(fields))
end

-- Where the row with this nonce starts; nil when there is none. A match counts only at a row's start.
local function find(record, nonce)
  local at = record:find(nonce, head(record) + 1, true)
  while at and (at - 1) % SIZE ~= 0 do at = record:find(nonce, at + 1, true) end
  return at
end

-- What a report means against the one that is already there. The pair (final, step) ranks staged reports.
local function compare(old, new)
  local before = old:byte(25) * 256 + old:byte(26)
  local after = new:byte(25) * 256 + new:byte(26)
  if after > before then return 'replaced' end
  if after < before or old:sub(19, 24) == new:sub(19, 24) then return 'replay' end
  return 'conflict'
end

-- Adds (sign 1) or takes away (-1) one row in the sums over trimmed rows.
local function fold(sums, row, sign)
  local function add(field, amount) sums[field] = (sums[field] or 0) + sign * amount end
  local signals, hour, task = row:byte(46), row:byte(48), int(number(row, 27, 4))
  local done = signals % 8 >= 4
  if signals % 2 == 1 then add('started', 1) end
  if done then add('completed', 1) end
  if signals % 32 >= 16 then add('flow', 1) end
  if signals % 64 >= 32 then
    add('starts', 1)
    add('start_ms', number(row, 41, 5))
  end
  add('hn:' .. hour, 1)
  add('kn:' .. task, 1)
  if done then
    add('hc:' .. hour, 1)
    add('kc:' .. task, 1)
  end
end

-- Task types beyond the named ones are not counted apart: nobody could be shown them, and they have no end.
local function book(keys, sums)
  for field, amount in pairs(sums) do
    local task = field:match('^k[nc]:(.*)')
    if not task or task == '0' or redis.call('HEXISTS', keys[2], 't:' .. task) == 1 then
      redis.call('HINCRBY', keys[2], field, int(amount))
    end
  end
end

-- Several ways may speak of one decision: the agent's own report (/v1/outcome), and others through the bridge.
-- Their words fill one row. Where others spoke, words[nonce] is the agent's word (8 bytes: signals,
-- satisfaction, time to start; it counts where the row does not say SILENT), then WORD bytes for each other:
-- way 1 · source 6 · first heard 6 · step 6 · signals 1 (0 is nothing) · satisfaction 2. A source is a job or
-- a graded outcome; its higher step replaces its lower.
-- The row is a function of the words alone, so their order of arrival changes nothing in it: they are weighed
-- in the order of the agent's final word, the ways by number, first heard and source, then the agent's word if
-- it is not final. Each adds the signals that are not yet said; one that contradicts in `started` or
-- `completed` adds nothing. Words that all say nothing leave `started` and no verdict, which is neutral.

local FILLED, SILENT = 128, 128 -- in the row's signals: words[nonce] counts; in its circumstance: not the agent
local AGENT_WORD, WORD, WORDS_MAX = 8, 22, 16

local function has(bits, bit) return bits % (2 * bit) >= bit end

local function spoken(row) return row:sub(46, 46) .. row:sub(39, 45) end

local function parsed(raw)
  local words = {}
  for at = AGENT_WORD + 1, #raw, WORD do
    local word = raw:sub(at, at + WORD - 1)
    words[#words + 1] = {
      raw = word,
      source = word:sub(1, 7),
      first = number(word, 8, 6),
      step = number(word, 14, 6),
      signals = word:byte(20),
      satisfaction = word:sub(21, 22),
      start = string.rep('\0', 5),
    }
  end
  return words
end

local function earlier(a, b)
  if a.source:byte(1) ~= b.source:byte(1) then return a.source:byte(1) < b.source:byte(1) end
  if a.first ~= b.first then return a.first < b.first end
  return a.source < b.source
end

local function contradicts(one, other)
  if has(one.signals, 1) ~= has(other.signals, 1) then return true end
  local both = has(one.signals, 2) and has(other.signals, 2)
  return both and has(one.signals, 4) ~= has(other.signals, 4)
end

-- What the words come to, and which of them contradict, by source ('' is the agent).
local function weighed(agent, final, words)
  local order, sum, against = {}, nil, {}
  for _, word in ipairs(words) do
    if word.signals > 0 then order[#order + 1] = word end
  end
  table.sort(order, earlier)
  if agent ~= '' then
    local own = {
      source = '',
      signals = agent:byte(1) % 128,
      satisfaction = agent:sub(2, 3),
      start = agent:sub(4, 8),
    }
    table.insert(order, final and 1 or #order + 1, own)
  end
  for _, word in ipairs(order) do
    if sum and contradicts(sum, word) then
      against[word.source] = word
    elseif not sum then
      sum = { signals = word.signals, satisfaction = word.satisfaction, start = word.start }
    else
      local new = word.signals
      if has(new, 2) and not has(sum.signals, 2) then sum.signals = sum.signals + new % 8 - new % 2 end
      if has(new, 8) and not has(sum.signals, 8) then sum.signals = sum.signals + new % 32 - new % 8 end
      if has(new, 32) and not has(sum.signals, 32) then
        sum.signals, sum.start = sum.signals + 32, word.start
      end
      if has(new, 64) and not has(sum.signals, 64) then
        sum.signals, sum.satisfaction = sum.signals + 64, word.satisfaction
      end
    end
  end
  return sum or { signals = 1, satisfaction = '\0\0', start = string.rep('\0', 5) }, against
end

-- The row with these signals in place of its own.
local function saying(row, sum, filled)
  return row:sub(1, 38) .. sum.satisfaction .. sum.start .. string.char(sum.signals + (filled and FILLED or 0))
    .. row:sub(47)
end

local function is_filled(row) return has(row:byte(46), FILLED) end
local function is_silent(row) return has(row:byte(47), SILENT) end

local function find_trimmed(keys, row)
  local at = int(decided(row))
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', keys[3], at, at)) do
    if old:sub(1, 8) == row:sub(1, 8) then return old end
  end
end

local function forget(keys, row)
  if is_filled(row) then redis.call('HDEL', keys[6], row:sub(1, 8)) end
end

-- Keeps the newest KEPT rows by (decided, nonce), whatever the order of arrival. Those inside the window
-- stay findable; the watermark refuses tokens as old as any that are not.
local function trim(keys, record, now, window)
  local rows = {}
  for at = head(record) + 1, #record, SIZE do rows[#rows + 1] = record:sub(at, at + SIZE - 1) end
  table.sort(rows, function(a, b)
    local left, right = decided(a), decided(b)
    if left ~= right then return left < right end
    left, right = number(a, 5, 4), number(b, 5, 4) -- a nonce has 64 bits, a Lua number 53
    if left ~= right then return left < right end
    return number(a, 1, 4) < number(b, 1, 4)
  end)
  local gone, sums, floor = #rows - KEPT, {}, math.max(0, now - window)
  local mark = math.max(watermark(record), floor)
  for _, row in ipairs(redis.call('ZRANGEBYSCORE', keys[3], '-inf', int(floor))) do forget(keys, row) end
  redis.call('ZREMRANGEBYSCORE', keys[3], '-inf', int(floor))
  for i = 1, gone do
    fold(sums, rows[i], 1)
    if decided(rows[i]) > floor then
      redis.call('ZADD', keys[3], int(decided(rows[i])), rows[i])
    else
      forget(keys, rows[i])
    end
  end
  book(keys, sums)
  local header = record:sub(1, 14) .. bytes(mark, 6) .. bytes(trimmed(record) + gone, 3)
    .. record:sub(MORE, head(record))
  redis.call('SET', keys[1], header .. table.concat(rows, '', gone + 1))
end

local function remember_task(keys, task, name)
  local field = 't:' .. task
  if name == '' or redis.call('HEXISTS', keys[2], field) == 1 then return end
  if tonumber(redis.call('HGET', keys[2], 'tasks') or '0') >= TASKS_MAX then return end
  redis.call('HSET', keys[2], field, name)
  redis.call('HINCRBY', keys[2], 'tasks', 1)
end

-- The record, the row of this nonce in it or among the trimmed ones, and where it starts in the record.
local function standing(keys, row)
  local record = redis.call('GET', keys[1]) or ''
  local at = find(record, row:sub(1, 8))
  local old = at and record:sub(at, at + SIZE - 1)
  if not old and #record > 0 and trimmed(record) > 0 then old = find_trimmed(keys, row) end
  return record, old, at
end

-- A degraded decision bears the application's clock: one decided ahead of the store's by more than the time
-- to an erasure lies after its watermark. Nothing in the token tells it, so it counts as decided after.
local function is_late(record, row, now, window)
  return now - decided(row) > window or (#record > 0 and decided(row) <= watermark(record))
end

local function stamped(row, now)
  return row:sub(1, 14) .. bytes(math.min(4294967295, math.max(0, now - decided(row))), 4) .. row:sub(19)
end

-- Puts the row where the old one was, or at the end. Returns the user's alias.
local function put(keys, record, at, old, row, user, alias, now, kept)
  if at then
    redis.call('SETRANGE', keys[1], at - 1, row)
  elseif old then
    local sums = {}
    fold(sums, old, -1)
    fold(sums, row, 1)
    book(keys, sums)
    redis.call('ZREM', keys[3], old)
    redis.call('ZADD', keys[3], int(decided(row)), row)
  elseif #record == 0 or created(record) == 0 then
    record = born(record, alias, now)
    redis.call('SET', keys[1], record .. row)
    redis.call('SADD', keys[5], user)
  elseif #record < SET_BELOW then
    redis.call('SET', keys[1], record .. row)
  elseif redis.call('APPEND', keys[1], row) > head(record) + SIZE * (KEPT + BLOCK - 1) then
    trim(keys, record .. row, now, kept)
  end
  return record:sub(1, 8)
end

-- Logs what contradicts now and did not before: `k` is the row that this word alone would make, `w` its way
-- (0 is the agent).
local function log_against(keys, alias, row, against, before, now, retention)
  local logged = {}
  for source, word in pairs(against) do
    if not before[source] then
      local way = source == '' and 0 or source:byte(1)
      log(keys, { 'a', alias, 'k', saying(row, word, true), 'w', int(way) }, now, retention)
      logged[#logged + 1] = source
    end
  end
  return logged
end

-- ARGV: row, user, alias for a new user, task name, metadata JSON or '', window ms, the longer of the windows ms,
-- retention ms, then names and values in turn of what the event keeps beside the row (x: the options that were
-- excluded, a bit each; s: the combination that would have been picked where the baseline was served).
-- Replies new, replaced, filled (others spoke of it before, and the agent did not), replay, conflict or
-- expired. Once the window has passed, a report that is found is still told from a contradiction, but no
-- longer replaced.
local function report(keys, args)
  local row, user, alias, task, metadata = args[1], args[2], args[3], args[4], args[5]
  local window, kept, retention = tonumber(args[6]), tonumber(args[7]), tonumber(args[8])
  local record, old, at = standing(keys, row)
  local now = now_ms()

  local verdict = not old and 'new' or is_silent(old) and 'filled' or compare(old, row)
  if verdict == 'replay' or verdict == 'conflict' then return verdict end
  if is_late(record, row, now, window) then return 'expired' end

  row = stamped(row, now)
  remember_task(keys, int(number(row, 27, 4)), task)
  local before, against = {}, {}
  if old and is_filled(old) then
    local raw, agent, sum = redis.call('HGET', keys[6], row:sub(1, 8)), spoken(row), nil
    local words = parsed(raw)
    sum, before = weighed(is_silent(old) and '' or raw:sub(1, AGENT_WORD), old:byte(25) == 1, words)
    sum, against = weighed(agent, row:byte(25) == 1, words)
    row = saying(row, sum, true)
    redis.call('HSET', keys[6], row:sub(1, 8), agent .. raw:sub(AGENT_WORD + 1))
  end
  local name = put(keys, record, at, old, row, user, alias, now, kept)
  local event = { 'a', name, 'r', row }
  if task ~= '' then event[#event + 1] = 't'; event[#event + 1] = task end
  if metadata ~= '' then event[#event + 1] = 'm'; event[#event + 1] = metadata end
  for i = 9, #args do event[#event + 1] = args[i] end
  log(keys, event, now, retention)
  local later = #log_against(keys, name, row, against, before, now, retention)
  if later > 0 and keys[7] then redis.call('HINCRBY', keys[7], 'later', later) end -- a worker of before has six
  return verdict
end

-- The words with this one in the place of its source's earlier one; nil when it changes nothing, or does not fit.
local function heard(words, word)
  for i, old in ipairs(words) do
    if old.source == word.source then
      local first, newest = math.min(old.first, word.first), word.step > old.step and word or old
      local raw = word.source .. bytes(first, 6) .. newest.raw:sub(14)
      if raw == old.raw then return nil, 'replay' end
      words[i] = parsed(string.rep('\0', AGENT_WORD) .. raw)[1]
      return words
    end
  end
  if #words == WORDS_MAX then return nil, 'full' end
  words[#words + 1] = word
  return words
end

-- Forgets words that say nothing and wait for nobody: their decision has no row, and is too old to be spoken of.
local function sweep(keys, record, now, window)
  local flat = redis.call('HGETALL', keys[6])
  for i = 1, #flat, 2 do
    local waits = find(record, flat[i])
    for _, word in ipairs(parsed(flat[i + 1])) do
      waits = waits or word.signals > 0 or word.first >= now - window
    end
    if not waits then redis.call('HDEL', keys[6], flat[i]) end
  end
end

-- What another way than the agent's says of a decision. ARGV: the row as it is before anybody spoke (SILENT,
-- without signals), user, alias for a new user, task name, the word, window ms of such words, the longer of the
-- windows, retention ms, then as in `report`.
-- Replies new (the first that is heard of this decision), filled, agreed (it was all said), contradicted,
-- overruled (filled, and another word that stood until now contradicts it), nothing (it says nothing, and changes
-- nothing), replay, full or expired.
local function teach(keys, args)
  local row, user, alias, task = args[1], args[2], args[3], args[4]
  local word = parsed(string.rep('\0', AGENT_WORD) .. args[5])[1]
  local window, kept, retention = tonumber(args[6]), tonumber(args[7]), tonumber(args[8])
  local record, old, at = standing(keys, row)
  local now, nonce = now_ms(), row:sub(1, 8)
  if is_late(record, row, now, window) then return 'expired' end

  local raw = redis.call('HGET', keys[6], nonce) or string.rep('\0', AGENT_WORD)
  local agent = ''
  if old and not is_filled(old) then agent = spoken(old) end
  if old and is_filled(old) and not is_silent(old) then agent = raw:sub(1, AGENT_WORD) end
  local final = old and old:byte(25) == 1
  local sum, before = nil, {}
  if old then sum, before = weighed(agent, final, parsed(raw)) end
  local words, refused = heard(parsed(raw), word)
  if not words then return refused end

  local all, says = { agent == '' and string.rep('\0', AGENT_WORD) or agent }, false
  for _, each in ipairs(words) do
    all[#all + 1] = each.raw
    says = says or each.signals > 0
  end
  redis.call('HSET', keys[6], nonce, table.concat(all))
  if not old and not says then
    if nonce:byte(1) % BLOCK == 0 then sweep(keys, record, now, kept) end -- a nonce is chance: every 64th time
    return 'nothing'
  end

  local against
  sum, against = weighed(agent, final, words)
  local filled = says or agent == ''
  local made = stamped(saying(old or row, sum, filled), now)
  local told = old and made:sub(39, 45) == old:sub(39, 45) and made:byte(46) % 128 == old:byte(46) % 128
  if told then made = made:sub(1, 14) .. old:sub(15, 18) .. made:sub(19) end
  local name = record:sub(1, 8)
  if made == old and word.signals == 0 then return 'nothing' end
  if made ~= old then
    remember_task(keys, int(number(row, 27, 4)), task)
    name = put(keys, record, at, old, made, user, alias, now, kept)
    local event = { 'a', name, 'r', made, 'w', int(word.source:byte(1)) }
    if task ~= '' then event[#event + 1] = 't'; event[#event + 1] = task end
    for i = 9, #args do event[#event + 1] = args[i] end
    log(keys, event, now, retention)
  end
  local logged = log_against(keys, name, made, against, before, now, retention)
  if not old then return 'new' end
  if against[word.source] then return 'contradicted' end
  if #logged > 0 then return 'overruled' end
  return told and 'agreed' or 'filled'
end

-- The record with room for the preferences of every slot, and with no more of it than they need.
local function longer(record)
  if long(record) then return record end
  local room = string.rep('\0', SIZE)
  return record:sub(1, MORE - 1) .. '\1' .. record:sub(MORE + 1, SIZE) .. room .. record:sub(SIZE + 1)
end

local function shorter(record)
  if not long(record) or record:sub(SIZE + 1, 2 * SIZE):find('[^%z]') then return record end
  return record:sub(1, MORE - 1) .. '\0' .. record:sub(MORE + 1, SIZE) .. record:sub(2 * SIZE + 1)
end

-- Replaces preferences (value 0 clears, else option + 1) and merges metadata key by key ('' deletes).
-- A locked preference stays locked when it is sent again without a word about the lock.
-- Each preference keeps its own time. Nothing is logged: the log counts outcomes.
-- ARGV: user, alias for a new user, lock keep|on|off, pairs of bytes (slot, value), then metadata keys
-- and JSON values in turn. Replies the record and the details, or metadata_too_large.
local function prefer(keys, args)
  local user, alias, lock, changes = args[1], args[2], args[3], args[4]
  local record, now = redis.call('GET', keys[1]) or '', now_ms()
  local metadata, total = {}, 0
  if #args > 4 then
    local kept = redis.call('HGETALL', keys[2])
    for i = 1, #kept, 2 do
      if kept[i]:sub(1, 2) == 'm:' then metadata[kept[i]] = #kept[i] - 2 + #kept[i + 1] end
    end
    for i = 5, #args, 2 do
      metadata['m:' .. args[i]] = args[i + 1] ~= '' and #args[i] + #args[i + 1] or nil
    end
    for _, size in pairs(metadata) do total = total + size end
    if total > METADATA_BYTES_MAX then return 'metadata_too_large' end
  end

  if #record == 0 or created(record) == 0 then
    record = born(record, alias, now)
    redis.call('SADD', keys[5], user)
  end
  record = longer(record)
  local since = bytes(math.max(0, now - created(record)), PREFERENCE - 1)
  for i = 1, #changes, 2 do
    local at, value = PREFERENCES + changes:byte(i) * PREFERENCE, changes:byte(i + 1)
    local locked = lock == 'on' or (lock == 'keep' and record:byte(at) >= 128)
    if value > 0 and locked then value = value + 128 end
    local stated = value > 0 and string.char(value) .. since or string.rep('\0', PREFERENCE)
    record = record:sub(1, at - 1) .. stated .. record:sub(at + PREFERENCE)
  end
  record = shorter(record)
  redis.call('SET', keys[1], record)
  redis.call('HSET', keys[2], 'changed', int(now))
  for i = 5, #args, 2 do
    if args[i + 1] == '' then
      redis.call('HDEL', keys[2], 'm:' .. args[i])
    else
      redis.call('HSET', keys[2], 'm:' .. args[i], args[i + 1])
    end
  end
  return { record, redis.call('HGETALL', keys[2]) }
end

-- ARGV: user, the longer of the windows, ms. What was decided up to now never counts; only that mark stays, for
-- one window.
-- The mark never moves back, not even with the clock.
local function erase(keys, args)
  local record, now = redis.call('GET', keys[1]) or '', now_ms()
  local mark = record == '' and now or math.max(now, watermark(record))
  local left = string.rep('\0', 14) .. bytes(mark, 6) .. string.rep('\0', 28)
  redis.call('SET', keys[1], left, 'PX', int(mark - now + tonumber(args[2])))
  redis.call('DEL', keys[2], keys[3], keys[6])
  redis.call('SREM', keys[5], args[1])
  return 'erased'
end

-- KEYS: the lease. ARGV: owner, ms. One owner leads as long as it keeps asking.
local function lease(keys, args)
  local owner = redis.call('GET', keys[1])
  if owner and owner ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return 1
end

-- KEYS: the lease. ARGV: owner. Only its owner gives it up.
local function release(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  return redis.call('DEL', keys[1])
end

-- KEYS: the tenant's prior version, the new prior, the one before. ARGV: version, prior, ms that the one before
-- stays. Replies 1 when it is published and 0 when another came first, then the version that stands.
local function publish(keys, args)
  local version, standing = tonumber(args[1]), tonumber(redis.call('GET', keys[1]) or '0')
  if standing ~= version - 1 then return { 0, standing } end
  redis.call('SET', keys[2], args[2])
  redis.call('SET', keys[1], args[1])
  redis.call('PEXPIRE', keys[3], args[3])
  return { 1, version }
end

-- KEYS: the tenant's policy version, the new document. ARGV: version, document. A tenant without a policy of its
-- own stands at 1, the operator's settings. Replies 1 when it is published and 0 when another came first, then
-- the version that stands.
local function rule(keys, args)
  local version, standing = tonumber(args[1]), tonumber(redis.call('GET', keys[1]) or '1')
  if standing ~= version - 1 then return { 0, standing } end
  redis.call('SET', keys[2], args[2])
  redis.call('SET', keys[1], args[1])
  return { 1, version }
end

redis.register_function('amp_learning_report_v3', report)
redis.register_function('amp_learning_teach_v3', teach)
redis.register_function('amp_learning_prefer_v3', prefer)
redis.register_function('amp_learning_erase_v3', erase)
redis.register_function('amp_learning_lease_v3', lease)
redis.register_function('amp_learning_release_v3', release)
redis.register_function('amp_learning_publish_v3', publish)
redis.register_function('amp_learning_rule_v3', rule)
