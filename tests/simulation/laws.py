"""What must hold of every world, whatever happened in it."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.simulation.access import broken_access
from tests.simulation.client import Client
from tests.simulation.messages import Arriving, field_value, pattern
from tests.simulation.said import Answer
from tests.simulation.service import SURPLUS_BODY
from tests.simulation.world import World


def broken_laws(world: World) -> Iterator[str]:
    """Every law that does not hold, in words."""
    yield from (f"defect: {defect}" for defect in world.defects)
    yield from (f"left over: {what}" for what in world.left_over)
    yield from (
        f"{service.name} was sent no HTTP: {service.broken}"
        for service in (*world.services, world.auth, world.shadow)
        if service.broken
    )
    yield from _shutdown(world)
    yield from _requests(world)
    yield from _beside(world)
    yield from broken_access(world)
    yield from _records(world)
    yield from _tunnels(world)
    said = _Said(world)
    for client in world.clients:
        yield from (f"{client.name}: {what}" for what in _client(world, client, said))


def _shutdown(world: World) -> Iterator[str]:
    """A worker that was told to ends in time."""
    timeouts = world.config.timeouts
    most_s = max(timeouts.drain_s, timeouts.tunnel_shutdown_s if world.scenario.has("reload") else 0.0) + 1.5
    for who, took_s in world.shut_down_took.items():
        if took_s > most_s:
            yield f"{who} took {took_s:.1f} s to end"


def _beside(world: World) -> Iterator[str]:
    """What others than the services of the route were sent."""
    asked = {ask.number: ask for client in world.clients for ask in client.begun}
    copies = Counter(arrival.message.target for arrival in world.shadow.arrivals)
    for arrival in world.shadow.arrivals:
        message = arrival.message
        ask = asked.get(int(message.target[1:]) if message.target[1:].isdigit() else -1)
        if ask is None:
            yield f"a copy of what nobody asked: {message.head!r}"
        elif bytes(message.body) != pattern(ask.number, 0, len(message.body)):
            yield f"/{ask.number}: the body of its copy was changed"
        elif message.complete and len(message.body) != ask.size:
            yield f"/{ask.number}: its copy has {len(message.body)} of {ask.size} bytes"
        elif copies[message.target] > 1:
            yield f"/{ask.number}: was copied {copies[message.target]} times"
    if not world.scenario.has("auth service"):
        return
    for service in (*world.services, world.shadow):
        for arrival in service.arrivals:
            message = arrival.message
            if message.target not in world.auth.admitted:
                yield f"{message.target!r} came to {service.name}, and nobody had let it in"
            elif field_value(message.head, b"x-user") != b"u" + message.target[1:]:
                yield f"{message.target!r}: X-User is {field_value(message.head, b'x-user')!r}"


def _requests(world: World) -> Iterator[str]:
    """What services were sent: nothing twice that may not be, bodies untouched, no field of the client's hop."""
    asked = {ask.number: ask for client in world.clients for ask in client.begun}
    addresses = {ask.number: client.address for client in world.clients for ask in client.begun}
    times: Counter[int] = Counter()
    for service in world.services:
        for arrival in service.arrivals:
            message = arrival.message
            if not message.target[1:].isdigit() or int(message.target[1:]) not in asked:
                yield f"a service was sent what nobody asked: {message.head!r}"
                continue
            ask = asked[int(message.target[1:])]
            times[ask.number] += 1
            if message.method != ask.method:
                yield f"/{ask.number}: {ask.method!r} became {message.method!r}"
            if field_value(message.head, b"x-hop") is not None:
                yield f"/{ask.number}: a nominated field went upstream"
            if bytes(message.body) != pattern(ask.number, 0, len(message.body)):
                yield f"/{ask.number}: its body was changed on the way"
            if field_value(message.head, b"x-forwarded-for") != addresses[ask.number]:
                yield f"/{ask.number}: X-Forwarded-For is {field_value(message.head, b'x-forwarded-for')!r}"
            if message.complete and len(message.body) != ask.size:
                yield f"/{ask.number}: a cut body came to a clean end: {len(message.body)} of {ask.size} bytes"
    retry = world.config.upstreams["s"].retry
    for number, count in times.items():
        if count > 1 and asked[number].method == b"POST" and not retry.methods:
            yield f"/{number}: a POST was sent {count} times"
        if count > retry.attempts + 1:  # one more where an idle connection was closed as it was taken
            yield f"/{number}: sent {count} times"


def _records(world: World) -> Iterator[str]:
    """Each request is logged once, and each that reached a service is logged."""
    logged = Counter(record.target for record in world.records if record.target)
    yield from (f"{target!r} is logged {count} times" for target, count in logged.items() if count > 1)
    for service in world.services:
        for arrival in service.arrivals:
            if arrival.message.target not in logged:
                yield f"{arrival.message.target!r} reached a service and is not logged"


def _tunnels(world: World) -> Iterator[str]:
    """What passes through a tunnel is passed on as it is, in both directions, to the last byte that had arrived."""
    asked = {ask.number: client for client in world.clients for ask in client.begun}
    for service in world.services:
        for tunnel in service.tunnels:
            if tunnel.channel in service.confused:
                continue  # surplus bytes that crossed with the request were its answer: nobody can know
            number = int(tunnel.target[1:])
            client = asked[number]
            heads = [message.head for message in client.reader.messages if message.status == 101]
            if heads and field_value(heads[0], b"x-answer") != b"%d" % tunnel.number:
                continue  # another attempt is the one that the client talks to
            if not client.tunnel_sent.startswith(tunnel.got):
                yield f"/{number}: what went up the tunnel was changed"
            came = bytes(client.reader.tunnel or b"")
            if not tunnel.said.startswith(came):
                yield f"/{number}: what came down the tunnel was changed"
            if client.leaves or world.shuts_down_early or not client.endpoint.says_goodbye:
                continue
            if any(record.tunnel_end == "idle" and record.target == tunnel.target for record in world.records):
                continue  # ended by the proxy: what is said from then on, nobody awaits
            if len(came) < len(tunnel.delivered) and client.reader.tunnel is not None:
                yield f"/{number}: {len(tunnel.delivered)} bytes had come down the tunnel, {len(came)} were delivered"
            if tunnel.saw_end and tunnel.got != client.tunnel_sent:
                yield f"/{number}: {len(client.tunnel_sent)} bytes went up the tunnel, {len(tunnel.got)} before a clean end"


class _Said:
    """What services have answered, and what of that was logged, each by what is looked for."""

    def __init__(self, world: World) -> None:
        answers = [answer for service in world.services for answer in service.answers]
        self.by_number = {answer.number: answer for answer in answers}
        self.by_target: defaultdict[bytes, list[Answer]] = defaultdict(list)
        for answer in answers:
            self.by_target[answer.request.target].append(answer)
        self.confused = {channel for service in world.services for channel in service.confused}
        self.records = {record.target: record for record in world.records}


def _client(world: World, client: Client, said: _Said) -> Iterator[str]:
    if client.broken:
        yield f"was sent no HTTP: {client.broken}"
        return
    finals = client.reader.finals
    records = said.records
    sent = {ask.number for ask in client.sent}
    for ask, message in zip(client.begun, finals, strict=False):
        answer = None
        if number := field_value(message.head, b"x-answer"):
            answer = said.by_number.get(int(number))  # None: a tunnel's
        if field_value(message.head, b"x-hop") is not None:
            yield f"/{ask.number}: a nominated field came back"
        if answer is not None and answer.channel in said.confused:
            continue
        if answer is not None and message.status != 101:
            yield from _answer(ask.number, message, answer, client)
        record = records.get(b"/%d" % ask.number)
        if record is None and ask.number not in sent:
            continue  # it left within the head: what is logged of that is as much as had come
        if record is None:
            yield f"/{ask.number}: answered with {message.status}, and not logged"
        elif record.status != message.status and not client.leaves:
            yield f"/{ask.number}: answered with {message.status}, logged as {record.status}"
        elif answer is not None and message.complete and not client.leaves:
            came, logged = len(message.body), record.response_bytes
            # What a cut finds in our queue is logged as not delivered, and some of it the kernel takes all the same.
            if logged > came or (logged < came and record.error != "cancelled"):
                yield f"/{ask.number}: {came} bytes came, {logged} are logged"
    if client.leaves:
        return
    if not client.end:
        yield "waits for ever"
    if client.end == "refused" and not world.shuts_down_early:
        yield "was refused"
    for index, ask in enumerate(client.begun):
        record = records.get(b"/%d" % ask.number)
        if record is None:
            continue
        if index >= len(finals):
            # A reset is how a cut response ends; an end that looks proper is not.
            if client.end == "fin":
                yield f"/{ask.number}: read by the proxy ({record.status} {record.error}), and never answered"
            continue
        message = finals[index]
        if record.error == "client_write_timeout":
            silent_s, limit_s = client.untaken_for_s, world.write_idle_s
            if silent_s < limit_s:
                yield f"/{ask.number}: cut as one that takes nothing, and it had taken something {silent_s:.3f} s before"
        elif client.end == "reset" and client.untaken_for_s >= world.write_idle_s:
            continue  # its kernel took nothing of the rest of a cut response for as long as that
        elif record.error not in ("request_total_timeout", "body_too_large"):  # which cut whatever is under way
            yield from _delivered(world, ask.number, message, said.by_target[b"/%d" % ask.number])


def _answer(number: int, message: Arriving, answer: Answer, client: Client) -> Iterator[str]:
    """A response that came from a service."""
    if answer.request.target != b"/%d" % number:
        yield f"/{number}: got the answer to {answer.request.target!r}"
    if message.status != answer.status:
        yield f"/{number}: the service said {answer.status}, the client got {message.status}"
    if bytes(message.body) != pattern(answer.number, 0, len(message.body)):
        yield f"/{number}: the response's body was changed on the way"
    if not message.complete or message.method == b"HEAD" or answer.request.method == b"HEAD":
        return
    if answer.framing == "until close" and not answer.channel.says_goodbye:
        yield f"/{number}: a response that ended without close_notify looks whole"
    elif len(message.body) != answer.size:
        yield f"/{number}: a cut response looks whole: {len(message.body)} of {answer.size} bytes"
    elif not answer.whole and answer.size:
        delivered_all = answer.body_delivered >= answer.size
        if not delivered_all:
            yield f"/{number}: a response that its service did not finish looks whole"


def _delivered(world: World, number: int, message: Arriving, answers: list[Answer]) -> Iterator[str]:
    """What a service's kernel had delivered to ours reaches a client that reads to the end."""
    retry = world.config.upstreams["s"].retry
    for answer in answers:
        if not answer.head_delivered or world.shuts_down_early:
            continue
        if answer.status == 503 and "503" in retry.on and retry.attempts > 1:
            continue  # another attempt was made in its place
        said = field_value(message.head, b"x-answer")
        if message.status == 101:
            continue  # another attempt
        if bytes(message.body) == SURPLUS_BODY or any(answer.channel in service.confused for service in world.services):
            continue  # it arrived behind the next request, and nothing tells it from an early answer
        if said is None and message.status not in (504, 408, 413):
            yield f"/{number}: answered with {message.status} by us, though {answer.status} had arrived"
        elif said == b"%d" % answer.number and answer.framing != "chunked" and answer.request.method != b"HEAD":
            arrived = min(answer.body_delivered, answer.size)
            if len(message.body) < arrived:
                yield f"/{number}: {arrived} bytes of its response had arrived, {len(message.body)} were delivered"
