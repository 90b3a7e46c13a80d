-- Looks after receipts lists of one item (purchase.lua writes them).
--
-- KEYS  1… receipts lists
-- ARGV  'trim', lane sequence: of the first list drops the receipts up to this one; for a lane that
--       is idle, else each purchase call does it
--       'find', text…: for each 1 if a receipt of any list holds it, so that it may not be in a
--       journal yet, else 0
local call = redis.call
if ARGV[1] == 'trim' then
  local oldest = call('LINDEX', KEYS[1], 0)
  local first = oldest and tonumber(string.match(oldest, '^(%d+) '))
  local journaled = first and tonumber(ARGV[2]) - first + 1 or 0
  if journaled > 0 then call('LTRIM', KEYS[1], journaled, -1) end
  return 0
end
local found = {}
for i = 2, #ARGV do found[i - 1] = 0 end
for _, key in ipairs(KEYS) do
  for _, receipt in ipairs(call('LRANGE', key, 0, -1)) do
    for i = 2, #ARGV do
      if string.find(receipt, ARGV[i], 1, true) then found[i - 1] = 1 end
    end
  end
end
return found
