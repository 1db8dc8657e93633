#!lua name=amp_quota_v1
-- What a tenant has used of its month, in a hash of months in a slot of its own. The month is UTC, by the
-- store's clock: workers whose clocks differ still count in one month.

local KEPT = 13

-- Days since 1970 of the first of a month (proleptic Gregorian; Hinnant, "chrono-compatible date algorithms").
local function first_day(year, month)
  if month <= 2 then year = year - 1 end
  local era = math.floor(year / 400)
  local of_era = year - era * 400
  local of_year = math.floor((153 * ((month + 9) % 12) + 2) / 5)
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year - 719468
end

-- The month that a time is in, as 'YYYY-MM', and the second in which it ends.
local function month_of(seconds)
  local days = math.floor(seconds / 86400)
  local year = 1970 + math.floor(days / 365.2425)
  while first_day(year + 1, 1) <= days do year = year + 1 end
  while first_day(year, 1) > days do year = year - 1 end
  local month = 12
  while first_day(year, month) > days do month = month - 1 end
  local ends = month == 12 and first_day(year + 1, 1) or first_day(year, month + 1)
  return string.format('%04d-%02d', year, month), ends * 86400
end

local function forget(keys)
  local months = redis.call('HKEYS', keys[1])
  table.sort(months)
  for i = 1, #months - KEPT do redis.call('HDEL', keys[1], months[i]) end
end

-- KEYS: 1 the tenant's months. ARGV: 1 how many, 2 the month's quota.
local function take(keys, args)
  local now = tonumber(redis.call('TIME')[1])
  local month, ends = month_of(now)
  local used = tonumber(redis.call('HGET', keys[1], month) or '0')
  local taken = used + tonumber(args[1]) <= tonumber(args[2])
  if taken then
    if used == 0 then forget(keys) end
    used = redis.call('HINCRBY', keys[1], month, args[1])
  end
  return {taken and 1 or 0, used, month, ends, ends - now}
end

-- KEYS: 1 the tenant's months.
local function show(keys)
  local month, ends = month_of(tonumber(redis.call('TIME')[1]))
  return {month, ends, redis.call('HGETALL', keys[1])}
end

redis.register_function('amp_quota_take_v1', take)
redis.register_function('amp_quota_show_v1', show)
