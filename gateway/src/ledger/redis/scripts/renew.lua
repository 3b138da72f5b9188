-- Keeps holds from expiring. KEYS: meta, leases. ARGV: epoch, seconds until they expire, and
-- their exchanges. Names those that are not open.

tick()
local missing = {}
for i = 3, #ARGV do
    if redis.call('ZSCORE', KEYS[2], ARGV[i]) then
        redis.call('ZADD', KEYS[2], whole(now + tonumber(ARGV[2])), ARGV[i])
    else
        table.insert(missing, ARGV[i])
    end
end
return answer({ 0 }, missing)
