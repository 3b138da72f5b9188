-- How accounts stand. KEYS: meta, and the accounts. ARGV: no epoch, and the limit of each; without
-- one that of its last window counts, and an account that has none is left out as zeros.

local numbers = { 0 }
for i = 2, #KEYS do
    local account = load(KEYS[i])
    local last = account.slots[#account.slots]
    if ARGV[i] then
        account.limit = math.min(tonumber(ARGV[i]) + account.raised, MOST)
    else
        -- It was kept with what was added to it.
        account.limit = last and last.limit or 0
    end
    local found = standing(account, account.number)
    if not ARGV[i] and not last then
        found.number = -1
    end
    tell(numbers, found)
end
return answer(numbers)
