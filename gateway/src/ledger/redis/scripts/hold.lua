-- What the scripts about one exchange have in common. KEYS: meta, the index of accounts, `leases`
-- (a sorted set: open holds by when they expire), `charged` (a sorted set: expired holds by when
-- they were charged), the hold, and from the sixth on its accounts.
--
-- A hold is a hash: `s` is open, charged or settled, `t` when that became so; and for each account
-- a field of its name: `number limit amount`.

local FIRST = 6
local exchange = string.sub(KEYS[5], #root + 3)

local function hold()
    local found = { parts = {} }
    local fields = redis.call('HGETALL', KEYS[5])
    for i = 1, #fields, 2 do
        local field, value = fields[i], fields[i + 1]
        if field == 's' then
            found.state = value
        elseif field ~= 't' then
            local number, limit, amount = string.match(value, '^(%d+) (%d+) (%d+)$')
            found.parts[field] = { number = tonumber(number), limit = tonumber(limit), amount = tonumber(amount) }
        end
    end
    return found
end

local function keep(state, parts)
    local fields = { 's', state, 't', whole(now) }
    for name, part in pairs(parts) do
        table.insert(fields, name)
        table.insert(fields, string.format('%.0f %.0f %.0f', part.number, part.limit, part.amount))
    end
    redis.call('DEL', KEYS[5])
    redis.call('HSET', KEYS[5], unpack(fields))
end

-- The accounts of a hold whose keys were not named. A script touches no key that is not, so it is
-- called again with them.
local function undeclared(parts)
    local named, missing = {}, {}
    for i = FIRST, #KEYS do
        named[string.sub(KEYS[i], #root + 3)] = true
    end
    for name in pairs(parts) do
        if not named[name] then
            table.insert(missing, name)
        end
    end
    return missing
end

-- Answers, by number.
local DONE, DENIED, UNDECLARED, UNKNOWN, SETTLED = 0, 1, 2, 3, 4
