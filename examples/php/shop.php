<?php
// A shop before Sluice: POST /buy, /pay, /cancel, GET /order. See README.md.
require __DIR__ . '/sluice.php';

class Missing extends Exception {}

// The form's value; a page that sends none is answered 400.
function need(string $name): string
{
    $value = $_POST[$name] ?? $_GET[$name] ?? '';
    if (!is_string($value) || $value === '') {
        throw new Missing("missing: $name");
    }
    return $value;
}

function order(Sluice $sluice): array
{
    [$item, $user] = [need('item'), need('user')];
    if (isset($_GET['req'])) {
        return $sluice->order($item, $user, 'REQ', need('req'));
    }
    $order_id = need('order_id');
    if (isset($_GET['wait'])) {
        $waited = $sluice->waitForMysql($item, $user, $order_id, (int) need('wait'));
        if ($waited['outcome'] === 'DEADLETTER') {
            return $waited;
        }
    }
    return $sluice->order($item, $user, $order_id);
}

// HTTP status and answer.
function answer(Sluice $sluice): array
{
    $page = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
    try {
        return match ($page) {
            'POST /buy' => [200, $sluice->buy(need('item'), need('user'), need('req'))],
            'POST /pay' => [200, $sluice->pay(need('item'), need('user'), need('order_id'))],
            'POST /cancel' => [200, $sluice->cancel(need('item'), need('user'), need('order_id'))],
            'GET /order' => [200, order($sluice)],
            default => [404, ['error' => 'no such page']],
        };
    } catch (Missing | Refused $error) {
        return [400, ['error' => $error->getMessage()]];
    } catch (Undecided $error) {
        return [503, ['error' => 'not known yet, ask with the same req: ' . $error->getMessage()]];
    }
}

[$host, $port] = explode(':', getenv('SLUICE_ADDRESS') ?: '127.0.0.1:6479');
$patience_ms = (int) (getenv('SHOP_PATIENCE_MS') ?: 10000);
[$status, $told] = answer(new Sluice($host, (int) $port, $patience_ms));
http_response_code($status);
header('Content-Type: application/json');
if ($status === 503) {
    header('Retry-After: 1');
}
echo json_encode($told);
