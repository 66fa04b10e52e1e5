"""The one script that the store runs: a process's account in a key's window.

It uses HMGET, HSET, PEXPIRE, PTTL, TIME and EVAL, which Redis since 5 and every Valkey have.
"""

from dataclasses import dataclass

SETTLE = """
-- KEYS[1]: a hash with the window's id, the tokens used or leased in it by all, and each process's part.
-- ARGV: process, its window, its own one, spent, wanted,
--       the quota's tokens, the window's milliseconds, least lease, share
local process, own, window_ms = ARGV[1], ARGV[3], tonumber(ARGV[7])
local spent, wanted = tonumber(ARGV[4]), tonumber(ARGV[5])
local quota, least, share = tonumber(ARGV[6]), tonumber(ARGV[8]), tonumber(ARGV[9])
local told = redis.call('HMGET', KEYS[1], 'window', 'used', 'process ' .. process, 'own ' .. process)
local window, used, held = told[1], tonumber(told[2] or 0), tonumber(told[3] or 0)
local before
if ARGV[2] == '' then                           -- it knows of no window: this is what it spent in its own
  local known, was = string.match(told[4] or '', '^(%S+) (%d+)$')
  before = known == own and tonumber(was) or held
  spent = before + spent
elseif ARGV[2] ~= window then
  spent = 0                                     -- in a window that is over
end
used = used - held + spent
local granted, left = 0, quota - used
if wanted > 0 and left > 0 then
  granted = math.min(wanted, left, math.max(least, math.floor(left / share)))
end
used, held = used + granted, spent + granted
if not window and used == 0 then
  return {'', 0, 0, 0, window_ms}
end
if not window then
  local now = redis.call('TIME')
  window = now[1] .. '.' .. now[2]
end
redis.call('HSET', KEYS[1], 'window', window, 'used', string.format('%.0f', used),
           'process ' .. process, string.format('%.0f', held))
if before then
  redis.call('HSET', KEYS[1], 'own ' .. process, own .. ' ' .. string.format('%.0f', before))
end
local ends_in = redis.call('PTTL', KEYS[1])
if ends_in < 0 or ends_in > window_ms then      -- it has just begun, or its length was changed
  redis.call('PEXPIRE', KEYS[1], window_ms)
  ends_in = window_ms
end
return {window, spent, held, used, ends_in}
"""
"""A process reports the sum of what it spent, not what is new: a call that is made twice changes nothing.

Before it is told of a window it counts in one of its own, which it names. The first call that names it
charges the process with what it had leased before, and keeps that sum: a second one, made because the reply
was lost, starts from the same sum, and not from the lease that the first one took.

A lease is at most a `share`th of what is left, so that near its end no process holds much of a window; but
`least` tokens, while there are as many.
"""


@dataclass(frozen=True, slots=True)
class Account:
    """What a process tells of a key. `window` "": it knows of none; `spent`: in it, as a sum.

    `own_window`: a name without blanks, another one each time that the process begins to count from 0;
    `spent` is in it while no window is known.
    """

    window: str
    own_window: str
    spent: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What it is told. `window` "": none has begun."""

    window: str
    spent: int
    """By this process in this window: other than what it told where the window is another one."""
    held: int
    """What was leased to this process in this window, the spent part included."""
    used: int
    """By all processes, leases included."""
    ends_in_s: float
