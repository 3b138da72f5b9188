-- Sets other amounts aside, in all accounts or in none. ARGV: epoch, seconds until it expires,
-- and for each account its limit and the amount.

local held = hold()
if held.state == 'settled' then
    return answer({ DONE })
elseif held.state ~= 'open' then
    -- Lost, or charged for its process seemed dead: that process tells it anew.
    return answer({ UNKNOWN })
end
local changes, numbers, full = {}, { DONE }, nil
for i = FIRST, #KEYS do
    local account, at = load(KEYS[i]), 3 + 2 * (i - FIRST)
    local part = held.parts[account.name]
    if part then
        account.limit = math.min(tonumber(ARGV[at]) + account.raised, MOST)
        account.part, account.amount = part, tonumber(ARGV[at + 1])
        -- A rolling window is always the current one.
        account.counts = account.window.calendar and part.number or account.number
        table.insert(changes, account)
        if not full and standing(account, account.counts).left < account.amount - part.amount then
            full = #changes - 1
        end
    end
end
if full then
    numbers = { DENIED, full }
else
    tick()
    redis.call('ZADD', KEYS[3], whole(now + tonumber(ARGV[2])), exchange)
    for _, account in ipairs(changes) do
        local amount = math.min(account.amount, MOST)
        change(account, account.part.number, account.limit, 0, amount - account.part.amount)
        account.part.amount = amount
    end
    keep('open', held.parts)
    for _, account in ipairs(changes) do
        save(account)
    end
end
for _, account in ipairs(changes) do
    tell(numbers, standing(account, account.counts))
end
return answer(numbers)
