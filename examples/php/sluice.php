<?php
// A client of Sluice that buys exactly once over a network that fails. See ../README.md.

// No answer in time: the outcome is not known. Ask later, with the same REQ.
class Undecided extends Exception {}
// Sluice's -ERR, -NOPERM, …: the caller's mistake; the same again would say the same.
class Refused extends Exception {}
// No answer came: what was sent may have arrived, or not.
class Lost extends Exception {}

class Sluice
{
    // What the values behind an outcome are.
    private const NAMES = [
        'BUY OK' => ['order_id', 'remaining', 'durability'],
        'BUY SOLDOUT' => ['remaining'],
        'BUY LIMIT' => ['bought', 'order_id'],
        'BUY CANCELLED' => ['order_id'],
        'BUY NOTSTARTED' => ['start_ms'],
        'BUY ENDED' => ['end_ms'],
        'CANCEL OK' => ['remaining'],
        'ORDER FOUND' => ['order_id', 'user', 'quantity', 'status', 'durability'],
        'WAITDB DEADLETTER' => ['code', 'text'],
    ];
    private const FIRST_PAUSE_MS = 50;
    private const LONGEST_PAUSE_MS = 1000;

    private ?Redis $redis = null;

    public function __construct(private string $host, private int $port,
                                private int $patience_ms) {}

    public function buy(string $item, string $user, string $req): array
    {
        return $this->untilDecided(['BUY', $item, $user, 'REQ', $req],
                                   ['ORDER', $item, $user, 'REQ', $req]);
    }

    public function pay(string $item, string $user, string $order_id): array
    {
        return $this->untilDecided(['PAY', $item, $user, $order_id, 'REQ', "pay-$order_id"]);
    }

    public function cancel(string $item, string $user, string $order_id): array
    {
        return $this->untilDecided(['CANCEL', $item, $user, $order_id, 'REQ', "cancel-$order_id"]);
    }

    // $which: an order's id, or 'REQ' and the click's.
    public function order(string $item, string $user, string ...$which): array
    {
        return $this->untilDecided(['ORDER', $item, $user, ...$which]);
    }

    // At most two seconds at a time, below the driver's timeout; the caller may ask again.
    public function waitForMysql(string $item, string $user, string $order_id, int $wait_ms): array
    {
        $wait = (string) min($wait_ms, 2000);
        return $this->untilDecided(['WAITDB', $item, $user, $order_id, $wait]);
    }

    private function untilDecided(array $words, ?array $inquiry = null): array
    {
        $deadline = microtime(true) + $this->patience_ms / 1000;
        $pause_ms = self::FIRST_PAUSE_MS;
        $last = '';
        while (microtime(true) < $deadline) {
            try {
                return $this->ask($words);
            } catch (Lost $lost) {
                $last = $lost->getMessage();
            } catch (Refused $refused) {
                $last = $refused->getMessage();
                $prefix = explode(' ', $last)[0];
                if ($prefix === 'UNKNOWNSTATE') {
                    if ($found = $this->found($inquiry)) {
                        return $found;
                    }
                } elseif ($prefix !== 'BUSY' && $prefix !== 'LOADING') {
                    throw $refused;
                }
            }
            usleep(1000 * random_int(intdiv($pause_ms, 2), $pause_ms));
            $pause_ms = min(2 * $pause_ms, self::LONGEST_PAUSE_MS);
        }
        throw new Undecided($last);
    }

    // The order of a purchase whose outcome was not known; null: ask or buy again.
    private function found(?array $inquiry): ?array
    {
        try {
            $found = $inquiry ? $this->ask($inquiry) : ['outcome' => ''];
        } catch (Lost | Refused) {
            return null;
        }
        if ($found['outcome'] !== 'FOUND') {
            return null;
        }
        $undone = in_array($found['status'], ['cancelled', 'expired'], true);
        return ['outcome' => $undone ? 'CANCELLED' : 'OK', 'order_id' => $found['order_id']];
    }

    private function ask(array $words): array
    {
        try {
            $redis = $this->redis ??= $this->connected();
            $redis->clearLastError();
            $reply = $redis->rawCommand('SECKILL.' . $words[0], ...array_slice($words, 1));
        } catch (RedisException $error) {
            // php-redis throws for what begins with LOADING, and for a connection that breaks.
            $this->redis = null;
            throw new Lost($error->getMessage());
        }
        if (!is_array($reply)) {
            $said = $redis->getLastError();
            if ($said === null) {
                $this->redis = null;
                throw new Lost('the connection broke');
            }
            throw new Refused($said);
        }
        $names = self::NAMES["$words[0] $reply[0]"] ?? [];
        return ['outcome' => $reply[0],
                ...array_combine($names, array_slice($reply, 1, count($names)))];
    }

    private function connected(): Redis
    {
        $redis = new Redis();
        // Without retries of the driver's own: they are above, where REQ makes them safe.
        if (!$redis->connect($this->host, $this->port, 2.0, null, 0, 3.0)) {
            throw new RedisException('no connection');
        }
        $redis->setOption(Redis::OPT_MAX_RETRIES, 0);
        return $redis;
    }
}
