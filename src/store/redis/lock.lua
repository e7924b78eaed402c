-- A lock that one owner holds until it is released or has run out.
--
-- KEYS: the lock
-- ARGV: "lock", "extend" or "unlock", the owner's token, and the time to live in ms
-- Returns 1 if the owner holds it (held it, for unlock), else 0.
local operation, token, ttl_ms = unpack(ARGV)
if operation == 'lock' and redis.call('SET', KEYS[1], token, 'NX', 'PX', ttl_ms) then
    return 1
end
if redis.call('GET', KEYS[1]) ~= token then
    return 0
end
if operation == 'unlock' then
    redis.call('DEL', KEYS[1])
else
    redis.call('PEXPIRE', KEYS[1], ttl_ms)
end
return 1
