-- Sets something aside in all accounts, or in none. ARGV: epoch, seconds until it expires,
-- whether a limit is a limit, and for each account its limit and the amount.

local held = hold()
if held.state == 'settled' then
    return answer({ SETTLED })
end
local accounts, numbers, full = {}, { DONE }, nil
for i = FIRST, #KEYS do
    local account, at = load(KEYS[i]), 4 + 2 * (i - FIRST)
    account.limit = math.min(tonumber(ARGV[at]) + account.raised, MOST)
    account.amount = tonumber(ARGV[at + 1])
    table.insert(accounts, account)
    if ARGV[3] == '1' and not full and standing(account, account.number).left < account.amount then
        full = i - FIRST
    end
end
if full and not held.state then
    numbers = { DENIED, full }
elseif not held.state then
    tick()
    redis.call('ZADD', KEYS[3], whole(now + tonumber(ARGV[2])), exchange)
    for _, account in ipairs(accounts) do
        local amount = math.min(account.amount, MOST)
        change(account, account.number, account.limit, 0, amount)
        held.parts[account.name] = { number = account.number, limit = account.limit, amount = amount }
    end
    keep('open', held.parts)
    for _, account in ipairs(accounts) do
        save(account)
    end
end
for _, account in ipairs(accounts) do
    tell(numbers, standing(account, account.number))
end
return answer(numbers)
