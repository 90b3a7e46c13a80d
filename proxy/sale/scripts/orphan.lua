-- Whether an item's creation can still come while a shelf's lanes are replayed: gate.lua and
-- replay.lua begin with it.
--
-- A lane that is stuck, since an item is missing which another has to bring, says in its field
-- @brings under which epoch it waits, and what its journal has yet to bring: 8 bytes an item, as
-- what it is born. Without that two could wait for each other: for an item that its creator has
-- retired, and behind that for one that comes after it.

local function may_bring(brings, epoch, born)
  local said_under, list = string.match(brings or '', '^(%d+) (.*)$')
  if said_under ~= epoch then return true end  -- it is not stuck, as far as is known
  local at = string.find(list, born, 1, true)
  while at and at % 8 ~= 1 do at = string.find(list, born, at + 1, true) end
  return at ~= nil
end

-- No lane that is waited for, but for this one, can bring it.
local function is_orphan(shelf_key, lane, born)
  local shelf = redis.call('HMGET', shelf_key, '@epoch', '@wait')
  for other in string.gmatch(shelf[2] or '', '%d+') do
    local brings = other ~= lane and redis.call('HGET', shelf_key, '@brings:' .. other)
    if other ~= lane and may_bring(brings, shelf[1], born) then return false end
  end
  return true
end

