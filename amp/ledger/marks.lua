#!lua name=amp_ledger_marks_v1
-- Which tenants' ledgers were written to, for whoever follows them. KEYS: marks (sorted set: tenant by the number of
-- its last mark), count of the marks made. ARGV: tenants. Numbers are given and put in one step, so that who has seen
-- all up to one number can miss none that comes later.
local function mark(keys, args)
  local number = redis.call('INCR', keys[2])
  for _, tag in ipairs(args) do redis.call('ZADD', keys[1], number, tag) end
  return number
end

redis.register_function('amp_ledger_mark_v1', mark)
