-- Reads, and with ARGV[2] = '1' closes, one item's gate: raises the epoch, so that no batch sent
-- with the old one can ever be applied any more.
--
-- KEYS  1 item hash   2 receipts list of this lane
-- ARGV  1 lane        2 '1': raise the epoch   3 the last lane sequence that the journal holds
-- Reply { exists (0|1), epoch, lane sequence, journal id of the lane,
--         lane sequence of the first receipt returned, receipt… }: every receipt above ARGV[3].
local item = redis.call('HMGET', KEYS[1], 'epoch', 'lane:' .. ARGV[1], 'journal:' .. ARGV[1], 'stock')
if not item[4] then return {0, '0', '0', '', '0'} end
local epoch, sequence = item[1] or '0', tonumber(item[2] or 0)
local receipts = redis.call('LLEN', KEYS[2])
if ARGV[2] == '1' then epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1) end
local first = sequence - receipts + 1
local skip = math.max(0, tonumber(ARGV[3]) + 1 - first)
local reply = {1, tostring(epoch), string.format('%d', sequence), item[3] or '',
               string.format('%d', first + skip)}
if skip < receipts then
  for _, receipt in ipairs(redis.call('LRANGE', KEYS[2], skip, -1)) do
    reply[#reply + 1] = receipt
  end
end
return reply
