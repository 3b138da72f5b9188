-- What an operator changes by hand. KEYS: meta, the index of accounts, the account. ARGV: epoch,
-- and either `raise`, an id, the amount and until when, or `reset`.

local account = load(KEYS[3])
local is_there = #account.slots > 0
if ARGV[2] == 'reset' and not is_there then
    return answer({ 0 })
end
tick()
if ARGV[2] == 'raise' then
    account.expires = math.max(account.expires, tonumber(ARGV[5]))
    local is_new = redis.call('HSETNX', account.key, 'r' .. ARGV[3], ARGV[4] .. ' ' .. ARGV[5]) == 1
    if is_new then
        account.raised = account.raised + tonumber(ARGV[4])
    end
    if is_new and is_there and account.slots[#account.slots].number == account.number then
        -- Where the window is under way already, operators see the new limit at once.
        local last = account.slots[#account.slots]
        change(account, last.number, math.min(last.limit + tonumber(ARGV[4]), MOST), 0, 0)
    end
else
    -- Without a slot of its own the window would take the debt over again.
    change(account, account.number, account.slots[#account.slots].limit, 0, 0)
    local first, slots = account.number - account.window.pieces, {}
    for _, slot in ipairs(account.slots) do
        if slot.number >= first then
            slot.used = 0
            slot.debt = 0
        end
        if slot.number >= first or slot.held > 0 then
            table.insert(slots, slot)
        end
    end
    account.slots = slots
end
save(account)
return answer({ 1 })
