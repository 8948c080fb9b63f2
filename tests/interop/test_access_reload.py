"""A reload leaves rate limits as they are, and takes users and secrets as they are in their files now."""

from pathlib import Path

import bcrypt

from tests.harness.scripted import OK, ScriptedUpstream, answering, client
from tests.interop.test_reload import serving

LIMIT = '[routes.r]\nupstream = "a"\n[routes.r.rate_limit]\nrequests_per_s = 0.01\nburst = {}\n'


async def status(port: int, line: str = "X: x") -> int:
    async with client(port) as peer:
        await peer.send(f"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{line}\r\n\r\n".encode())
        return int((await peer.response())[0].split(b" ", 2)[1])


async def test_the_buckets_of_a_rate_limit_outlive_a_reload(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 20))
    async with upstream.serving(), serving(tmp_path, upstream, rest=LIMIT.format(2)) as instance:
        assert [await status(instance.proxy.port) for _ in range(3)] == [200, 200, 429]
        instance.write(upstream, rest=LIMIT.format(4))
        assert (await instance.reload())[0] == 0
        assert [await status(instance.proxy.port) for _ in range(3)] == [200, 200, 429], (
            "two tokens more, and no others"
        )


async def test_a_reload_reads_included_files_and_secrets_again(tmp_path: Path) -> None:
    users, secret, part = tmp_path / "users", tmp_path / "secret", tmp_path / "part.toml"
    users.write_bytes(b"ann:" + bcrypt.hashpw(b"one", bcrypt.gensalt(4)))
    secret.write_text("first\n")
    access = f'[routes.r.access]\nbasic_auth = "{users}"\n'
    put = '[routes.r.response_fields]\nput = { "X-Secret" = "${file:secret}" }\n'
    part.write_text(f'[routes.r]\nupstream = "a"\n{put}')
    upstream = ScriptedUpstream(answering(*[OK] * 20))
    include = 'include = ["part.toml"]'
    async with upstream.serving(), serving(tmp_path, upstream, head=include) as instance:
        for expected, change in ((b"first", ""), (b"second", access)):
            secret.write_bytes(expected)
            part.write_text(f'[routes.r]\nupstream = "a"\n{put}{change}')
            assert (await instance.reload())[0] == 0
            async with client(instance.proxy.port) as peer:
                line = "Authorization: Basic YW5uOm9uZQ=="  # ann:one
                await peer.send(f"GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n".encode())
                assert b"X-Secret: " + expected in (await peer.response())[0]
        assert await status(instance.proxy.port) == 401
