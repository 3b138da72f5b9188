-- Ends a hold. ARGV: epoch, how, and for each account the cost or `-` for what is held, its limit,
-- and the number of the window that admitted it or `-` for the current one.
--
-- How: `settle` charges the cost in the place of what was held, or was charged when it expired;
-- `charge` charges what is held, if it has expired; `release` gives back what was charged then.

local TOMBSTONE = DAY
-- Of what cost nothing: as long as a call may still be on its way.
local BRIEF = 900
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
local changed, all_zero = {}, true
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
        -- A reply that outlasts a rolling window is charged when it ends, or it would never count.
        local number = part.number
        if held.state == 'open' and account.window.piece and number < account.number - account.window.pieces then
            number = account.number
        end
        if given > 0 then
            change(account, part.number, limit_of(account, part.number) or part.limit, 0, -given)
        end
        change(account, number, limit_of(account, number) or part.limit, cost - before, 0)
        part.number = number
        all_zero = all_zero and cost == 0
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
    redis.call('EXPIREAT', KEYS[5], whole(now + (all_zero and BRIEF or TOMBSTONE)))
end
for _, account in ipairs(changed) do
    save(account)
end
return answer({ DONE, 1 })
