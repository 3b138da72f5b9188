-- Ends a hold. ARGV: epoch, how, and for each account the cost or `-` for what is held, its limit,
-- and the number of the window that admitted it or `-` for the current one.
--
-- How: `settle` charges the cost in the place of what was held, or was charged when it expired;
-- `charge` charges what is held, if it has expired; `release` gives back what was charged then.

local TOMBSTONE = DAY
local how = ARGV[2]
local held = hold()
if how == 'charge' then
    local expires = redis.call('ZSCORE', KEYS[3], exchange)
    if not expires or tonumber(expires) > now then
        return answer({ DONE, 0 })
    elseif held.state ~= 'open' then
        redis.call('ZREM', KEYS[3], exchange)
        return answer({ DONE, 0 })
    end
elseif how == 'release' and held.state ~= 'charged' or held.state == 'settled' then
    return answer({ DONE, 0 })
end
local missing = undeclared(held.parts)
if #missing > 0 then
    return answer({ UNDECLARED }, missing)
end
local changed = {}
for i = FIRST, #KEYS do
    local account, at = load(KEYS[i]), 3 + 3 * (i - FIRST)
    local cost, part = tonumber(ARGV[at]), held.parts[account.name]
    if not held.state and cost then
        -- The server has lost it, or never heard of it: what it cost is owed all the same.
        local number = tonumber(ARGV[at + 2]) or account.number
        part = { number = number, limit = tonumber(ARGV[at + 1]), amount = 0 }
    end
    -- What was charged in a forgotten window stays so.
    if part and (held.state == 'open' or not is_forgotten(account, part.number)) then
        if how ~= 'settle' then
            cost = how == 'charge' and part.amount or 0
        end
        cost = cost or part.amount
        local given = held.state == 'open' and part.amount or 0
        local before = held.state == 'charged' and part.amount or 0
        change(account, part.number, part.limit, cost - before, -given)
        table.insert(changed, account)
    end
end
tick()
redis.call('ZREM', KEYS[3], exchange)
if how == 'charge' then
    redis.call('ZADD', KEYS[4], whole(now), exchange)
    keep('charged', held.parts)
    redis.call('EXPIREAT', KEYS[5], whole(now + KEPT))
else
    -- What is left says that it was settled, for as long as somebody may ask again.
    redis.call('ZREM', KEYS[4], exchange)
    redis.call('DEL', KEYS[5])
    redis.call('HSET', KEYS[5], 's', 'settled')
    redis.call('EXPIREAT', KEYS[5], whole(now + TOMBSTONE))
end
for _, account in ipairs(changed) do
    save(account)
end
return answer({ DONE, 1 })
