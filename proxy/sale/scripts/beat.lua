-- One proxy's beat on one shelf: it lives, it knows these others; and what they and Redis did.
--
-- KEYS  1 shelf
-- ARGV  1 lane   2 journal id   3 incarnation   4 host   5 all lanes known to this proxy, ",1,2,"
--       6 a number that rises with each call of this proxy
--       7 'stop': it is about to end, so that nobody need wait until the beat is old
-- Reply {'LOST'} (nothing was written: what the gate wrote of this lane is gone) |
--       {'FORGOTTEN'} (nothing was written: an operator has given this lane up) |
--       {'IMPOSTOR', "journal incarnation host …"} (nothing was written: somebody else has the lane) |
--       {'OK', epoch, lanes in @wait "1,2", the number of the call before, how many items there are,
--        lanes given up "3", items that are being deleted and for which this lane is due "phone tv",
--        then for each other member "lane journal"}
local shelf_key, lane = KEYS[1], ARGV[1]
local call = redis.call
local shelf = call('HMGET', shelf_key, '@epoch', '@wait', '@lanes', '@member:' .. lane,
                   '@forget:' .. lane, '@deleting', '@rebuild')
local epoch, wait, lanes, member = shelf[1], shelf[2], shelf[3], shelf[4]
if shelf[5] then return {'FORGOTTEN'} end
if not epoch or not lanes or not member then return {'LOST'} end
local journal, incarnation, number = string.match(member, '^(%S+) (%S+) %S+ %S+ (%S+)$')
if journal ~= ARGV[2] or incarnation ~= ARGV[3] then return {'IMPOSTOR', member} end

local time = call('TIME')
local now_ms = ARGV[7] == 'stop' and 0 or time[1] * 1000 + math.floor(time[2] / 1000)
call('HSET', shelf_key, '@knows:' .. lane, ARGV[5], '@member:' .. lane,
     string.format('%s %s %s %d %s', ARGV[2], ARGV[3], ARGV[4], now_ms, ARGV[6]))

-- Of the fields those that are no items: five that are always there, others, and those of lanes.
local own = 5 + (wait and 1 or 0) + (shelf[6] and 1 or 0) + (shelf[7] and 1 or 0)
local forgotten, members = '', {}
for other in string.gmatch(lanes, '%d+') do
  local fields = call('HMGET', shelf_key, '@lane:' .. other, '@member:' .. other,
                      '@knows:' .. other, '@forget:' .. other, '@brings:' .. other,
                      '@base:' .. other)
  for i = 1, 6 do
    if fields[i] then own = own + 1 end
  end
  if fields[4] then
    forgotten = forgotten .. (forgotten == '' and '' or ',') .. other
  elseif other ~= lane and fields[2] then
    -- What others wrote there may be anything.
    local its_journal = string.match(fields[2], '^(%d+) %S+ %S+ %d+ %S+$')
    if its_journal then members[#members + 1] = other .. ' ' .. its_journal end
  end
end
-- Due is a lane that has not marked the item; when all have, the last of them (packed_item.lua).
local is_given_up = {}
for other in string.gmatch(forgotten, '%d+') do is_given_up[other] = true end
local function is_due(marks)
  if not string.find(marks, ',' .. lane .. ',', 1, true) then return true end
  local last
  for other in string.gmatch(lanes, '%d+') do
    if not is_given_up[other] and not string.find(marks, ',' .. other .. ',', 1, true) then
      return false
    end
  end
  for other in string.gmatch(marks, '%d+') do
    if not is_given_up[other] then last = other end
  end
  return last == lane
end
local due = ''
for name, marks in string.gmatch(shelf[6] or '', '(%S+)=(%S+) ') do
  if is_due(marks) then due = due .. (due == '' and '' or ' ') .. name end
end
local reply = {'OK', epoch, string.sub(wait or ',,', 2, -2), number,
               string.format('%d', call('HLEN', shelf_key) - own), forgotten, due}
for _, each in ipairs(members) do reply[#reply + 1] = each end
return reply
