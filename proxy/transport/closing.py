"""Ends of a connection that lose nothing: what was sent is taken first.

`Stream.close`, `abort` and `reset` do not wait for the peer; these do.
"""

from proxy.transport.stream import ConnectionEnded, Stream


async def linger(stream: Stream, silence_s: float, total_s: float) -> None:
    """Half-close, discard what still comes, then close (RFC 9112 §9.6): once nothing has come and nothing was taken for
    `silence_s`, or the peer has ended its side, or `total_s` have passed.

    Closing with unread bytes would send a reset, which can overtake and destroy the answer just sent: a client that
    writes all of its request before it reads would never see it.
    """
    stream.end_writing()
    stream.forget_taken()
    now = stream.time()
    give_up_at = now + total_s
    try:
        while now < give_up_at:
            try:
                if not await stream.read(min(now + silence_s, give_up_at)):
                    break
            except TimeoutError:
                if not stream.has_taken_more() or not stream.untaken_bytes():
                    break  # the peer had its chance to read
            now = stream.time()
    except ConnectionEnded:
        pass
    finally:
        stream.close()


async def wait_taken(stream: Stream, patience_s: float) -> None:
    """Wait until the peer has taken all that was written, and discard what it sends meanwhile. One that takes nothing
    for `patience_s` is reset."""
    stream.forget_taken()
    deadline = stream.time() + patience_s
    try:
        while not stream.is_ended and stream.untaken_bytes():
            try:
                if stream.at_eof:
                    await stream.wait_to_write(stream.time())  # the next sweep looks again: no event tells
                else:
                    await stream.read(stream.time())
            except TimeoutError:
                pass
            if stream.has_taken_more():
                deadline = stream.time() + patience_s
            elif stream.time() >= deadline:
                stream.reset()
    except ConnectionEnded:
        pass


async def reset_when_flushed(stream: Stream, patience_s: float) -> None:
    """Wait until the peer has taken all that was written, or has taken nothing for `patience_s`; then close with RST: a
    peer that reads until close must not take this for a proper end, and loses nothing that came before it.

    A reset before that would throw away what is queued, here and in the kernel.
    """
    try:
        await wait_taken(stream, patience_s)
    finally:
        stream.reset()


async def wait_flushed(stream: Stream) -> None:
    """Wait, after `close`, until all that was written has been sent, or cannot be."""
    while not stream.is_ended and stream.transport.get_write_buffer_size():
        await stream.wait_to_write(float("inf"))
