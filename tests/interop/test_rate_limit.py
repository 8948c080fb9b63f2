"""A rate limit is that of the whole instance, however many workers it has."""

from tests.harness.processes import onehop
from tests.harness.scripted import OK, ScriptedUpstream, answering, client


async def test_workers_take_from_one_bucket() -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 60))
    async with upstream.serving():
        arguments = (
            "--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "4",
            "--set", "routes.r.upstream=default",
            "--set", "routes.r.rate_limit.requests_per_s=0.01", "--set", "routes.r.rate_limit.burst=20",
        )  # fmt: skip
        async with onehop("run", *arguments) as proxy:
            let_in = 0
            for _ in range(60):
                async with client(proxy.port) as peer:
                    await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                    let_in += (await peer.response())[0].startswith(b"HTTP/1.1 200 ")
    assert let_in == 20
