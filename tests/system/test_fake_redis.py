"""What clients see when Redis answers in pieces, too much, or not at all: a scripted fake."""

from passthrough_fixture import FakeRedis, Stack, command, wait_for


def fake_stack(script):
    fake = FakeRedis(script)
    stack = Stack(io_threads=1, redis_port=fake.port)
    return fake, stack


def test_a_reply_cut_in_the_middle_closes_its_client_and_no_other():
    answers = [b"$10\r\nabc!"]

    def script(data):
        return answers.pop() if answers and b"\r\nGET\r\n" in data else b"+later\r\n"
    fake, stack = fake_stack(script)
    try:
        first, second = stack.via(), stack.via()
        first.send(command("GET", "a"))
        assert first.until_closed() == b"$10\r\nabc!"
        wait_for(lambda: second.ask("GET", "b") == b"+later\r\n", "the other client is served")
    finally:
        fake.stop()
        stack.stop()


def test_a_reply_that_nobody_asked_for_reaches_nobody():
    fake, stack = fake_stack(lambda data: b"+first\r\n+surplus\r\n")
    try:
        raw = stack.via()
        assert raw.ask("GET", "a") == b"+first\r\n"
        for _ in range(20):
            got = raw.ask("GET", "a")
            assert got == b"+first\r\n" or got.startswith(b"-ERR Sluice: "), got
    finally:
        fake.stop()
        stack.stop()


def test_replies_outstanding_when_the_connection_breaks_become_errors():
    fake, stack = fake_stack(lambda data: None)
    try:
        raw = stack.via()
        raw.send(command("SET", "a", 1) * 3)
        lost = (b"-ERR Sluice: connection to Redis lost before its reply; the command may or may "
                b"not have run\r\n")
        assert [raw.reply() for _ in range(3)] == [lost] * 3
    finally:
        fake.stop()
        stack.stop()
