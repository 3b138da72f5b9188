-- Whether the server takes writes, and which holds have expired: some of them, the oldest first.
-- KEYS: meta, leases. ARGV: epoch.

tick()
return answer({ 0 }, redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', '0', '256'))
