"""The memory that one client, and all together, may hold; see test_protection.py."""
import threading

from passthrough_fixture import command, wait_for
from protection_fixture import KIB, MIB, answers, is_cut, is_open, pushed, stays_open


def half_a_command(size):
    head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (100 * MIB)
    return head + bytes(size - len(head))


def test_one_client_may_take_its_share_of_memory(made):
    stack = made("limits.client_memory=4MiB")
    fits, exceeds = stack.via(), stack.via()
    fits.send(half_a_command(3 * MIB))
    pushed(exceeds, half_a_command(5 * MIB))
    assert is_cut(exceeds, 5)
    assert stays_open(fits, 0.3)
    assert "limits.client_memory" in stack.log_text()


def test_many_arguments_count_as_memory(made):
    """A million empty ones take 6 MB of input, and 16 MB to know where they are."""
    stack = made("limits.client_memory=16MiB")
    fits, exceeds = stack.via(), stack.via()
    fits.send(b"*2000000\r\n" + b"$0\r\n\r\n" * 300_000)
    pushed(exceeds, b"*2000000\r\n" + b"$0\r\n\r\n" * 1_000_000)
    assert is_cut(exceeds, 5)
    assert stays_open(fits, 0.3)


def test_all_clients_together_stay_within_the_memory_they_have(made):
    """Who holds most has to go, and nobody else."""
    stack = made("limits.memory=16MiB")
    before = stack.resident_bytes()
    largest, small = stack.via(), []
    largest.send(half_a_command(5 * MIB))  # more than what is above three quarters
    while is_open(largest):
        assert len(small) < 60
        small.append(stack.via())
        small[-1].send(half_a_command(300 * KIB))
        assert small[-1].socket.send(b"x") and answers(stack)
        assert stack.resident_bytes() - before < 24 * MIB
    assert len(small) > 10, "within the limit nobody is cut"
    assert stays_open(small[0], 0.3) and all(map(is_open, small))
    assert "limits.memory" in stack.log_text()


def test_who_holds_most_makes_room_for_those_that_wait(made):
    """Above three quarters heavy clients are not read from, for a second at most."""
    stack = made("limits.memory=64MiB")
    before = stack.resident_bytes()
    largest, large, waiting = stack.via(), stack.via(), stack.via()
    largest.send(half_a_command(25 * MIB))
    large.send(half_a_command(15 * MIB))
    assert stays_open(largest, 0.5), "within the limit nobody is cut"
    waiting.send(command("SET", "v", bytes(15 * MIB)))
    assert waiting.reply() == b"+OK\r\n"
    assert is_cut(largest, 1) and is_open(large)
    assert stack.resident_bytes() - before < 80 * MIB
    large.close()
    wait_for(lambda: stack.resident_bytes() - before < 32 * MIB, "the memory is given back")


def test_who_waits_for_memory_goes_on_when_another_leaves(made):
    stack = made("limits.memory=64MiB")
    holder, waiting, light = stack.via(), stack.via(), stack.via()
    holder.send(half_a_command(44 * MIB))
    value = bytes(12 * MIB)
    done = threading.Event()

    def upload():
        waiting.send(command("SET", "v", value))
        done.set()

    threading.Thread(target=upload, daemon=True).start()
    assert not done.wait(0.4)
    assert light.ask("PING") == b"+PONG\r\n"
    holder.close()
    assert waiting.reply() == b"+OK\r\n"
    assert done.is_set()


def test_clients_that_never_read_stay_within_the_memory_there_is(made):
    stack = made("limits.memory=64MiB")
    stack.direct().ask("SET", "big", bytes(MIB))
    before = stack.resident_bytes()
    neighbour = stack.via()
    deaf = [stack.via() for _ in range(40)]
    highest = 0
    for client in deaf:
        pushed(client, command("GET", "big") * 30)
        assert neighbour.ask("PING") == b"+PONG\r\n"
        highest = max(highest, stack.resident_bytes() - before)
    print(f"{highest / MIB:.0f} MiB")
    assert highest < 96 * MIB
    assert "limits.memory" in stack.log_text()
