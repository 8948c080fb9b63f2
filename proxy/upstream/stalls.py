"""Origins that have fallen silent: requests wait there and none is answered, while others of the service answer.

A request may take as long as it likes, so this is no failure, and ejects nobody. But a process that hangs would else
get its share for `response_head_s`, and for ever where clients wait for less. It is looked for among open connections,
a few times in each second: no request costs anything. What waits there for longer is hurried: a request that may be
sent again goes elsewhere, while its client still waits.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from proxy.transport.deadlines import NEVER
from proxy.upstream.connection import CLOSED, IDLE, LEASED, UpstreamConnection
from proxy.upstream.origin import Origin

_SILENT_S: Final = 0.2  # that requests wait: one sweep sees them, the next finds them unanswered
_HURRIED_S: Final = 0.45  # two sweeps: to ask twice for what is merely slow costs more than to ask elsewhere next time
_OTHERS: Final = 2  # times as many answers of other origins meanwhile as requests that have to wait: all may be slow.
# Where many more wait, half as many are enough: of two origins, each gets as many as the other.


class _Seen(NamedTuple):
    """A connection as it was when its exchange was first looked at."""

    exchanges: int
    since: float
    answers: Mapping[Origin, int]  # until then
    hurried: bool = False


class Stalls:
    """The connections of one worker. Times are the loop's."""

    def __init__(self) -> None:
        self._connections: dict[UpstreamConnection, None] = {}  # a set in order: a simulated world has to repeat
        self._answered: dict[UpstreamConnection, int] = {}  # how many answers of each were counted
        self._seen: dict[UpstreamConnection, _Seen] = {}  # those on which an answer is waited for
        self._last_answer: dict[Origin, float] = {}
        self.answers: dict[Origin, int] = {}  # by origin: heads of responses that have begun

    def opened(self, connection: UpstreamConnection) -> None:
        """There is another one."""
        self._connections[connection] = None

    def look(self, now: float) -> None:
        """Count what was answered, and see who waits."""
        answers, seen = dict(self.answers), {}
        waiting = []
        for connection in self._connections:
            has_answer = connection.state is IDLE or connection.response_began
            answered = connection.exchanges - 1 + has_answer
            before = self._answered.get(connection, 0)
            if answered > before:
                self._answered[connection] = answered
                answers[connection.origin] = answers.get(connection.origin, 0) + answered - before
                self._last_answer[connection.origin] = now
            if connection.state is LEASED and not has_answer and connection.head_deadline != NEVER:
                waiting.append(connection)
        for connection in waiting:
            known = self._seen.get(connection)
            if known is None or known.exchanges != connection.exchanges:
                known = _Seen(connection.exchanges, now, answers)
            seen[connection] = known
        for connection in [connection for connection in self._connections if connection.state is CLOSED]:
            del self._connections[connection]
            self._answered.pop(connection, None)
        self._seen, self.answers = seen, answers

    def forget(self, origins: Collection[Origin]) -> None:
        """Keep counts of these alone, as addresses come and go."""
        self.answers = {origin: count for origin, count in self.answers.items() if origin in origins}
        self._last_answer = {origin: at for origin, at in self._last_answer.items() if origin in origins}

    def stalled(self, origins: Collection[Origin], most: int, now: float) -> set[Origin]:
        """Of the origins of a service, those at which at least `most` requests wait, and no answer has come since."""
        silent: dict[Origin, list[_Seen]] = {}
        for connection, seen in self._seen.items():
            origin = connection.origin
            late = now - seen.since >= _SILENT_S and seen.since >= self._last_answer.get(origin, 0.0)
            if late and origin in origins:
                silent.setdefault(origin, []).append(seen)
        found = set()
        for origin, waiting in silent.items():
            before = min(waiting, key=lambda seen: seen.since).answers
            elsewhere = sum(self.answers.get(other, 0) - before.get(other, 0) for other in origins if other != origin)
            if len(waiting) >= most and elsewhere >= max(_OTHERS * most, len(waiting) // 2):
                found.add(origin)
        return found

    def hurry(self, origins: Collection[Origin], now: float) -> None:
        """Hurry, once each, the requests that have waited for long at these origins, which have answered none since."""
        for connection, seen in self._seen.items():
            origin = connection.origin
            late = now - seen.since >= _HURRIED_S and seen.since >= self._last_answer.get(origin, 0.0)
            if late and not seen.hurried and origin in origins:
                self._seen[connection] = seen._replace(hurried=True)
                connection.hurry(now)
