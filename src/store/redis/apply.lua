-- Applies one batch of changes, exactly once. docs/redis.md tells the keys and fields.
--
-- KEYS: totals, families, instances, values of this instance, gauges of this instance
-- ARGV: instance, prev, seq, values_ttl_ms, retention_ms, known_id, first_time_ms, fresh_id, groups, N,
--       then field and value of N counts and sums, field and value of the gauges, N deltas
-- groups: for each run of changes of one family and kind a line KIND COUNT NAME DESCRIPTION<tab>HELP
--       kinds: c counts, s sums, g gauges; the gauges come last
-- Returns strings: the answer, the id of the totals, the time in ms, and then
--       applied: index (from 0) and error of each change that was refused; resync: last seq and what is remembered
--
-- Numbers stay strings, because Lua's lose integers above 2^53. A script that fails halfway keeps what it wrote, so all
-- that can fail as a whole comes before the first total moves: every key is looked at, every command that is not asked
-- for its error was run.
local totals, families, instances, values, gauges = unpack(KEYS)
local instance, prev, seq, values_ttl_ms, retention_ms, known_id, first_time_ms, fresh_id, groups = unpack(ARGV, 1, 9)
local call, format, ARGV = redis.call, string.format, ARGV
local FIRST = 11
local counted = tonumber(ARGV[10])
local deltas = #ARGV - counted + 1

local clock = call('TIME')
local stamp_us = clock[1] .. format('%06d', clock[2])
local now_ms = string.sub(stamp_us, 1, -4)

local seq_field = '#seq ' .. instance
local id, version, retired_until_ms, entry =
    unpack(call('HMGET', totals, '#id', '#version', '#retired_until', seq_field))
local last, refused_before = '0', ''
if entry then
    last, refused_before = string.match(entry, '^(%d+) %d+(.*)$')
    if not last then
        return redis.error_reply('CORRUPT the sequence number of the instance is unreadable')
    end
end
-- The values are written only while they are complete: what has expired is never begun anew halfway.
local complete = call('HGET', values, '#seq') == last
call('HLEN', families)
call('HLEN', gauges)

-- The first write of all: it fails where nothing may be written.
local alive = redis.pcall('ZADD', instances, now_ms, instance)
if type(alive) == 'table' then
    return alive
end
call('PEXPIRE', values, values_ttl_ms)
call('PEXPIRE', gauges, retention_ms)

local function remember(new_last, refused)
    call('HSET', totals, seq_field, new_last .. ' ' .. now_ms .. refused)
end

local function answer(word, ...)
    return {word, id or '', now_ms, ...}
end

-- Sequence numbers of instances that are silent for longer than the retention go, a few at a time; their counts stay.
local function retire_silent()
    local before_ms = '(' .. format('%.0f', now_ms - retention_ms)
    local silent = call('ZRANGEBYSCORE', instances, '-inf', before_ms, 'WITHSCORES', 'LIMIT', 0, 8)
    for i = 1, #silent, 2 do
        call('ZREM', instances, silent[i])
        if call('HDEL', totals, '#seq ' .. silent[i]) == 1 then
            retired_until_ms = format('%.0f', math.max(silent[i + 1], retired_until_ms or 0))
            call('HSET', totals, '#retired_until', retired_until_ms)
        end
    end
end

-- What stands behind a family's name in the names of its samples.
local SUFFIXES = {
    counter = {'', '_total', '_created'},
    gauge = {''},
    histogram = {'', '_created', '_bucket', '_count', '_sum'},
}

-- Whether another family has a sample of this name.
local function sample_is_taken(sample, by_name)
    for kind, suffixes in pairs(SUFFIXES) do
        for _, suffix in ipairs(suffixes) do
            local other = string.sub(sample, 1, #sample - #suffix)
            if other .. suffix == sample and other ~= by_name then
                local known = call('HGET', families, other)
                if known and string.match(known, '^%S+ (%a+)') == kind then
                    return true
                end
            end
        end
    end
    return false
end

-- A family that is new must not print what another prints: counter a and gauge a_total.
local function family_is_free(name, description)
    for _, suffix in ipairs(SUFFIXES[string.match(description, '^%S+ (%a+)')]) do
        if sample_is_taken(name .. suffix, name) then
            return false
        end
    end
    return true
end

-- Whether the family is described as it was before; describes it if it is new.
local function family_agrees(description, help)
    local name = string.match(description, '^%S+')
    local known, known_help = unpack(call('HMGET', families, name, 'help ' .. name))
    if known and known ~= description or not known and not family_is_free(name, description) then
        return false
    end
    if not known then
        call('HSET', families, name, description)
    end
    if help ~= '' and not known_help then
        call('HSET', families, 'help ' .. name, help)
    end
    return true
end

-- Digits enough to read the same number back, and no more where few will do.
local function number_text(number)
    local text = format('%.15g', number)
    return tonumber(text) == number and text or format('%.17g', number)
end

-- Adds until one is refused, and goes on behind it: cheaper than to look at each result.
local function apply_counts(from, to, refuse)
    local i = from
    local function add_all()
        while i <= to do
            call('HINCRBY', totals, ARGV[FIRST + 2 * i], ARGV[deltas + i])
            i = i + 1
        end
    end
    while i <= to do
        local ok, err = pcall(add_all)
        if not ok then
            refuse(i, type(err) == 'table' and err.err or err)
            i = i + 1
        end
    end
end

-- Not by HINCRBYFLOAT, which knows neither inf nor nan and keeps but 17 digits behind the point.
local function apply_sums(from, to, refuse)
    for i = from, to do
        local field = ARGV[FIRST + 2 * i]
        local sum = tonumber(call('HGET', totals, field) or 0)
        if sum then
            call('HSET', totals, field, number_text(sum + ARGV[deltas + i]))
        else
            refuse(i, 'ERR hash value is not a float')
        end
    end
end

-- A gauge that is sent again unchanged keeps the time it was set.
local function apply_gauges(from, to)
    local fields, set = {}, {}
    for i = from, to do
        fields[#fields + 1] = ARGV[FIRST + 2 * i]
    end
    for n, old in ipairs(call('HMGET', gauges, unpack(fields))) do
        local value = ARGV[FIRST + 2 * (from + n - 1) + 1]
        if not old or string.match(old, '^%S+') ~= value then
            set[#set + 1] = fields[n]
            set[#set + 1] = value .. ' ' .. stamp_us
        end
    end
    if #set > 0 then
        call('HSET', gauges, unpack(set))
        call('PEXPIRE', gauges, retention_ms)
    end
end

local apply_kind = {c = apply_counts, s = apply_sums, g = apply_gauges}

-- The absolute values of all that was taken. refused: index and error in turn, the indices ascending.
local function write_values(refused)
    local from, stop = FIRST, FIRST + 2 * counted
    for i = 1, #refused + 1, 2 do
        local at = refused[i] and math.min(FIRST + 2 * refused[i], stop) or stop
        if from < at then
            call('HSET', values, unpack(ARGV, from, at - 1))
        end
        from = at + 2
    end
    call('HSET', values, '#seq', seq)
    call('PEXPIRE', values, values_ttl_ms)
end

local function apply()
    local refused, indices = {}, ''
    local function refuse(i, err)
        refused[#refused + 1] = format('%d', i)
        refused[#refused + 1] = err
        indices = indices .. ' ' .. i
    end

    id = id or fresh_id
    call('HSET', totals, '#id', id, '#version', format('%.0f', (version or 0) + 1))
    remember(seq, '')
    local from = 0
    for kind, count, description, help in string.gmatch(groups, '(%a) (%d+) ([^\t]*)\t([^\n]*)\n') do
        local to = from + count - 1
        if family_agrees(description, help) then
            apply_kind[kind](from, to, refuse)
        else
            for i = from, to do
                refuse(i, 'CONFLICT the family is described otherwise')
            end
        end
        from = to + 1
    end
    if complete then
        write_values(refused)
    end
    if indices ~= '' then
        remember(seq, ' refused' .. indices)
    end
    return answer('applied', unpack(refused))
end

-- The batch came before. Of one that was refused in part the values tell what was taken; without them, the same answer.
local function repeated()
    remember(seq, refused_before)
    if refused_before == '' then
        return answer('duplicate')
    elseif complete then
        return answer('resync', last, 'values')
    end
    local refused = {}
    for i in string.gmatch(refused_before, '%d+') do
        refused[#refused + 1] = i
        refused[#refused + 1] = 'REFUSED before'
    end
    return answer('applied', unpack(refused))
end

-- Whether all is new: a difference from zero. Else more was counted once than this batch tells.
local function from_zero()
    for i = 0, counted - 1 do
        if ARGV[FIRST + 2 * i + 1] ~= ARGV[deltas + i] then
            return false
        end
    end
    return true
end

retire_silent()
if entry and last == seq then
    return repeated()
end
if last == prev then
    if not entry then
        call('DEL', values, gauges)
        complete = from_zero()
    end
    return apply()
end
if entry then
    remember(last, refused_before)
    return answer('resync', last, complete and 'values' or 'expired')
end
-- It may have been retired here, in whatever state the totals were then: the id need not be the one it knows.
if known_id ~= '' and tonumber(first_time_ms) <= tonumber(retired_until_ms or -1) then
    remember('0', '')
    return answer('resync', '0', 'expired')
end
return answer('resync', '0', 'nothing')
