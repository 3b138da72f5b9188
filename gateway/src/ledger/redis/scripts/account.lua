-- What every script begins with: the clock, and the sums of an account. They are those of
-- `core/src/policy/budget/account.rs` and `window.rs`, line for line; a test holds the two together.
--
-- KEYS[1] is the policy's `meta`, and ARGV[1] the epoch that begins if there is none yet.
-- Numbers are whole and below 2^53, and are never written by `tostring`, which rounds them.

local MOST = 1000000000000000
local DAY = 86400
local KEPT = 62 * DAY

-- `jetway:{policy}:`, which the names of all keys of the policy begin with.
local root = string.sub(KEYS[1], 1, -5)

local function whole(number)
    return string.format('%.0f', number)
end

local function div(a, b)
    return (a - a % b) / b
end

local function bounded(number)
    return math.min(math.max(number, 0), MOST)
end

-- The server's clock, but for the times when that goes back: also when another server takes over.
local meta = redis.call('HMGET', KEYS[1], 'clock', 'epoch')
local now = math.max(tonumber(redis.call('TIME')[1]), tonumber(meta[1] or '0'))
local epoch = meta[2] or ''

local function tick()
    if epoch == '' then
        epoch = ARGV[1]
        redis.call('HSET', KEYS[1], 'epoch', epoch)
    end
    if now > tonumber(meta[1] or '0') then
        redis.call('HSET', KEYS[1], 'clock', whole(now))
    end
end

-- What every script answers: the epoch, numbers of which the clock is the first, and names.
local function answer(numbers, names)
    table.insert(numbers, 1, now)
    return { epoch, numbers, names or {} }
end

-- Months since the year 0, of a day since 1970.
local function month_of(day)
    local z = day + 719468
    local era = div(z, 146097)
    local of_era = z - era * 146097
    local year = div(of_era - div(of_era, 1460) + div(of_era, 36524) - div(of_era, 146096), 365)
    local of_year = of_era - (365 * year + div(year, 4) - div(year, 100))
    -- Counted from March, so that the leap day is the last of its year.
    local month = div(5 * of_year + 2, 153)
    return (year + era * 400) * 12 + month + 2
end

local CALENDAR = { minute = 60, hour = 3600, day = DAY, week = 7 * DAY, month = 31 * DAY }
local SECONDS = { s = 1, m = 60, h = 3600, d = DAY }

-- The window of an account, which its name ends with. `pieces` reach back from the newest one;
-- `keep` is for how many seconds anything of it can matter.
local function window_of(name)
    local word = string.match(name, '[^/]*$')
    if word == 'run' then
        return { word = word, pieces = 0, late = 0, keep = KEPT }
    elseif CALENDAR[word] then
        return { word = word, calendar = true, pieces = 0, late = 3, keep = 4 * CALENDAR[word] }
    end
    local count, unit = string.match(word, '^(%d+)([smhd])$')
    local length = tonumber(count) * SECONDS[unit]
    local piece = math.max(div(length + 59, 60), 1)
    local pieces = div(length + piece - 1, piece)
    return { piece = piece, pieces = pieces, late = pieces, keep = length + 2 * piece }
end

local function number_of(window, at)
    if window.piece then
        return div(at, window.piece)
    elseif window.word == 'run' then
        return 0
    elseif window.word == 'week' then
        return div(div(at, DAY) + 3, 7)
    elseif window.word == 'month' then
        return month_of(div(at, DAY))
    end
    return div(at, CALENDAR[window.word])
end

-- An account as it is kept: a field `number` -> `used held debt limit` for each window, and a
-- field `r<id>` -> `amount until` for what an operator has added to its limit.
local function load(key)
    local name = string.sub(key, #root + 3)
    local account = { key = key, name = name, window = window_of(name), slots = {}, kept = {}, raised = 0 }
    account.number = number_of(account.window, now)
    account.expires = now + account.window.keep
    local fields = redis.call('HGETALL', key)
    for i = 1, #fields, 2 do
        local field, value = fields[i], fields[i + 1]
        account.kept[field] = value
        if string.sub(field, 1, 1) == 'r' then
            local amount, ends = string.match(value, '^(%d+) (%d+)$')
            if tonumber(ends) > now then
                account.raised = account.raised + tonumber(amount)
                account.expires = math.max(account.expires, tonumber(ends))
                account.kept[field] = nil
            end
        else
            local used, held, debt, limit = string.match(value, '^(%d+) (%d+) (%d+) (%d+)$')
            table.insert(account.slots, {
                number = tonumber(field),
                used = tonumber(used),
                held = tonumber(held),
                debt = tonumber(debt),
                limit = tonumber(limit),
            })
        end
    end
    table.sort(account.slots, function(a, b) return a.number < b.number end)
    return account
end

local function taken(slot)
    return slot.used + slot.held + slot.debt
end

-- What a window begins with: what the one before spent too much, less the limits of the windows
-- between in which nothing was spent.
local function debt_into(account, number)
    if not account.window.calendar then
        return 0
    end
    local before
    for _, slot in ipairs(account.slots) do
        if slot.number < number then
            before = slot
        end
    end
    if not before then
        return 0
    end
    local over = math.max(taken(before) - before.limit, 0)
    return math.max(over - before.limit * (number - before.number - 1), 0)
end

-- How an account stands in the window of this number.
local function standing(account, number)
    local found = { used = 0, held = 0, debt = 0, limit = account.limit, number = number }
    for _, slot in ipairs(account.slots) do
        if slot.number >= number - account.window.pieces and slot.number <= number then
            found.oldest = found.oldest or slot.number
            found.used = found.used + slot.used
            found.held = found.held + slot.held
            found.debt = found.debt + slot.debt
        end
    end
    -- A reply may outlast a rolling window: what is held for it counts for as long as it is.
    if not account.window.calendar then
        for _, slot in ipairs(account.slots) do
            if slot.number < number - account.window.pieces then
                found.held = found.held + slot.held
            end
        end
    end
    if not found.oldest then
        found.oldest = number
        found.debt = debt_into(account, number)
    end
    found.left = math.max(found.limit - taken(found), 0)
    return found
end

-- Adds a standing to the numbers of an answer.
local function tell(numbers, found)
    for _, number in ipairs({ found.limit, found.used, found.held, found.debt, found.number, found.oldest }) do
        table.insert(numbers, number)
    end
end

local function change(account, number, limit, used, held)
    local slots = account.slots
    local debt = math.min(debt_into(account, number), MOST)
    local at = 1
    while slots[at] and slots[at].number < number do
        at = at + 1
    end
    if not slots[at] or slots[at].number ~= number then
        table.insert(slots, at, { number = number, used = 0, held = 0, debt = debt, limit = limit })
    end
    slots[at].used = bounded(slots[at].used + used)
    slots[at].held = bounded(slots[at].held + held)
    slots[at].limit = limit
    for later = at + 1, #slots do
        slots[later].debt = math.min(debt_into(account, slots[later].number), MOST)
    end
end

-- The limit that a window was last charged under, where it is known.
local function limit_of(account, number)
    for _, slot in ipairs(account.slots) do
        if slot.number == number then
            return slot.limit
        end
    end
end

-- Whether a window is so long over that it is forgotten, and nothing is owed from it any more. One
-- in which something is held matters, and so do all that follow it.
local function is_forgotten(account, number)
    local oldest = account.number - account.window.late
    if not account.window.calendar then
        for _, slot in ipairs(account.slots) do
            if slot.number == number and slot.held > 0 then
                return false
            end
        end
        return number < oldest
    end
    for _, slot in ipairs(account.slots) do
        if slot.held > 0 then
            oldest = math.min(oldest, slot.number)
            break
        end
    end
    return number < oldest
end

-- An account that owes for windows to come is kept until that is paid.
local function owing(account)
    local windows = 0
    for _, slot in ipairs(account.slots) do
        local over = slot.limit > 0 and div(taken(slot), slot.limit) or 1000
        windows = math.max(windows, math.min(over, 1000))
    end
    return windows * (CALENDAR[account.window.word] or 0)
end

-- KEYS[2] is the index of the accounts of a policy: a sorted set, by when they are forgotten.
-- It is written first: what has the wrong type in the server fails before anything was changed.
local function save(account)
    account.expires = account.expires + owing(account)
    local empty = true
    for _, slot in ipairs(account.slots) do
        empty = empty and taken(slot) == 0
        if slot.held > 0 then
            -- Its hold is renewed without a look at the account.
            account.expires = math.max(account.expires, now + KEPT)
        end
    end
    -- Strangers whom a provider does not know leave nothing behind.
    if empty and account.raised == 0 then
        redis.call('ZREM', KEYS[2], account.name)
        redis.call('DEL', account.key)
        return
    end
    redis.call('ZADD', KEYS[2], whole(account.expires), account.name)
    local gone = account.kept
    for _, slot in ipairs(account.slots) do
        if not is_forgotten(account, slot.number) then
            local field = whole(slot.number)
            local value = string.format('%.0f %.0f %.0f %.0f', slot.used, slot.held, slot.debt, slot.limit)
            if gone[field] ~= value then
                redis.call('HSET', account.key, field, value)
            end
            gone[field] = nil
        end
    end
    for field in pairs(gone) do
        redis.call('HDEL', account.key, field)
    end
    redis.call('EXPIREAT', account.key, whole(account.expires))
end
