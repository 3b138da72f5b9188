-- Makes a hold what its process says that it is, whatever the limits: after the server has lost
-- it, has charged it because nobody renewed it, or could not be asked when it was admitted. ARGV:
-- epoch, seconds until it expires, and for each account the amount, its limit, and the number of
-- the window that admitted it.

local held = hold()
if held.state == 'settled' then
    return answer({ SETTLED })
end
local missing = undeclared(held.parts)
if #missing > 0 then
    return answer({ UNDECLARED }, missing)
end
local changed = {}
for i = FIRST, #KEYS do
    local account, at = load(KEYS[i]), 3 + 3 * (i - FIRST)
    local amount, part = tonumber(ARGV[at]), held.parts[account.name]
    local before = part and part.amount or 0
    part = part or { number = tonumber(ARGV[at + 2]), limit = tonumber(ARGV[at + 1]) }
    part.amount = amount
    held.parts[account.name] = part
    if not is_forgotten(account, part.number) then
        if held.state == 'charged' then
            change(account, part.number, part.limit, -before, amount)
        else
            change(account, part.number, part.limit, 0, amount - before)
        end
        table.insert(changed, account)
    end
end
tick()
redis.call('ZADD', KEYS[3], whole(now + tonumber(ARGV[2])), exchange)
redis.call('ZREM', KEYS[4], exchange)
keep('open', held.parts)
for _, account in ipairs(changed) do
    save(account)
end
return answer({ DONE })
