#!lua name=amp_grading_v2
-- Sessions of graded outcomes. Every function validates first and writes last; none rewrites or renumbers an event.
-- What may follow what is thought in session.py on a reading of the session: a write names the version it was thought
-- on, and one that comes second is refused as stale and thought again.
-- KEYS come from store/keys.py, SessionKeys:
--   1 session  hash: v version, n events, h head, s state (types.py, JSON), o:<id> a definition, d:<id> its description,
--              b bytes of events and definitions, t token of the newest write, f fence and u end (ms) and w owner of the
--              lease, x once it is deleted, l the words under which it is listed
--   2 events   stream; the n-th has the id n-0: e the event, q when it is an input that still waits
--   3 index    sorted set: sessions by the time they were made      4 running  set: those that run
--   5 box      stream: ends of outcomes of sessions that follow a decision, for the bridge: o the outcome, v its
--              result, i its iteration, q the decision's requestId; whoever has read an item takes it out
--   6 lists    sorted set, all scores 0: word:us of making:session, twice each, by status and by outcome's result

local GONE_S = 60 -- so long a deleted session's last event stays for whoever follows it

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function int(value) return string.format('%.0f', value) end

-- Why a write of this version may not be; nil when it may. An empty fence is a write that needs no lease.
local function refusal(keys, version, fence, token)
  local kept = redis.call('HMGET', keys[1], 'v', 'x', 'f', 't')
  local standing = kept[1] or '0'
  if kept[2] or (not kept[1] and version ~= '0') then return 'gone' end
  if fence ~= '' and fence ~= (kept[3] or '0') then return 'fenced' end
  if standing == version then return nil end
  if int(tonumber(version) + 1) == standing and kept[4] == token then return 'done' end
  return 'stale'
end

-- Appends events, given as event and '1' for one that waits in turn from ARGV `first` on, and tells the news.
-- `size` are bytes that were written besides. Returns the number of events and their bytes.
local function append(keys, args, first, who, version, size)
  local n = tonumber(redis.call('HGET', keys[1], 'n') or '0')
  for i = first, #args, 2 do
    n = n + 1
    size = size + #args[i]
    if args[i + 1] == '1' then
      redis.call('XADD', keys[2], int(n) .. '-0', 'e', args[i], 'q', '1')
    else
      redis.call('XADD', keys[2], int(n) .. '-0', 'e', args[i])
    end
  end
  redis.call('HSET', keys[1], 'n', int(n))
  redis.call('PUBLISH', args[4], who .. ' ' .. int(n) .. ' ' .. version)
  return int(n), int(redis.call('HINCRBY', keys[1], 'b', size))
end

-- Lists the session under these words, such as 'idle outcome.satisfied', and under no earlier ones.
local function list(keys, words, session)
  local before = redis.call('HGET', keys[1], 'l') or ''
  local made = redis.call('ZSCORE', keys[3], session)
  if before == words or not made then return end
  local name = ':' .. string.format('%016.0f', tonumber(made)) .. ':' .. session
  for word in string.gmatch(before, '%S+') do redis.call('ZREM', keys[6], word .. name) end
  for word in string.gmatch(words, '%S+') do redis.call('ZADD', keys[6], '0', word .. name) end
  redis.call('HSET', keys[1], 'l', words)
end

-- Tells the bridge how outcomes ended, each three words: outcome, result, iteration. The decision that a session
-- follows stands in its metadata.
local function post(keys, ended)
  if ended == '' then return end
  local head = cjson.decode(redis.call('HGET', keys[1], 'h'))
  local request = type(head.metadata) == 'table' and head.metadata.amp_request_id
  if not request then return end
  for outcome, result, iteration in ended:gmatch('(%S+) (%S+) (%d+)') do
    redis.call('XADD', keys[5], '*', 'o', outcome, 'v', result, 'i', iteration, 'q', request)
  end
end

-- ARGV: 1 version, 2 fence, 3 token, 4 channel, 5 session as in the news, 6 session, 7 words of `list`, the status
-- first, 8 state, 9 head ('' as it is), 10 us of making (for the index; '' when it stands), 11 ms for which a write
-- under a lease holds it from now on, 12 outcomes that end as in `post`, 13 number of definitions, each three: id,
-- description, definition; then events as in `append`.
-- Replies written (or done, when the same write came before), version, number of events, bytes; or gone, stale, fenced.
local function commit(keys, args)
  local no = refusal(keys, args[1], args[2], args[3])
  if no == 'done' then
    local kept = redis.call('HMGET', keys[1], 'v', 'n', 'b')
    return { no, kept[1], kept[2], kept[3] }
  end
  if no then return { no } end
  local version = int(tonumber(args[1]) + 1)
  redis.call('HSET', keys[1], 'v', version, 't', args[3], 's', args[8])
  if args[2] ~= '' then redis.call('HSET', keys[1], 'u', int(now_ms() + tonumber(args[11]))) end
  if args[9] ~= '' then redis.call('HSET', keys[1], 'h', args[9]) end
  local next, size = 14, 0
  for _ = 1, tonumber(args[13]) do
    redis.call('HSET', keys[1], 'd:' .. args[next], args[next + 1], 'o:' .. args[next], args[next + 2])
    size = size + #args[next + 1] + #args[next + 2]
    next = next + 3
  end
  if args[10] ~= '' then redis.call('ZADD', keys[3], args[10], args[6]) end
  list(keys, args[7], args[6])
  local status = string.match(args[7], '%S+')
  local runs = status == 'running' or status == 'rescheduling'
  redis.call(runs and 'SADD' or 'SREM', keys[4], args[6])
  post(keys, args[12])
  return { 'written', version, append(keys, args, next, args[5], version, size) }
end

-- ARGV as commit's first six, then the last event. Replies as commit. What is left goes after a minute.
local function delete(keys, args)
  local no = refusal(keys, args[1], '', args[3])
  if no then return { no } end
  append(keys, args, 7, args[5], int(tonumber(args[1]) + 1), 0)
  redis.call('HSET', keys[1], 'x', '1')
  list(keys, '', args[6])
  redis.call('ZREM', keys[3], args[6])
  redis.call('SREM', keys[4], args[6])
  redis.call('EXPIRE', keys[1], GONE_S)
  redis.call('EXPIRE', keys[2], GONE_S)
  return { 'written', args[1], redis.call('HGET', keys[1], 'n'), '0' }
end

-- ARGV: owner, ms. Replies held when another owner's time is not over, gone, or leased and the fence; the owner that
-- holds it gets a new fence too, and whatever it began before is fenced off.
local function lease(keys, args)
  local kept = redis.call('HMGET', keys[1], 'v', 'x', 'f', 'u', 'w')
  if not kept[1] or kept[2] then return { 'gone' } end
  local now = now_ms()
  if kept[4] and tonumber(kept[4]) > now and kept[5] ~= args[1] then return { 'held' } end
  local fence = int(tonumber(kept[3] or '0') + 1)
  redis.call('HSET', keys[1], 'f', fence, 'u', int(now + tonumber(args[2])), 'w', args[1])
  return { 'leased', fence }
end

-- ARGV: fence, ms; 0 gives the lease back. Replies the version when it is ours still, else 0.
local function renew(keys, args)
  local kept = redis.call('HMGET', keys[1], 'f', 'x', 'v')
  if kept[1] ~= args[1] or kept[2] then return 0 end
  redis.call('HSET', keys[1], 'u', int(now_ms() + tonumber(args[2])))
  return kept[3]
end

redis.register_function('amp_grading_commit_v2', commit)
redis.register_function('amp_grading_delete_v2', delete)
redis.register_function('amp_grading_lease_v2', lease)
redis.register_function('amp_grading_renew_v2', renew)
