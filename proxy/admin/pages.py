"""The pages of the admin listener, and their files in `assets`: plain HTML, CSS and JavaScript."""

from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from proxy.admin.instance import Instance

_TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_ASSETS: Final = files("proxy.admin").joinpath("assets")
#: Nothing from other origins, nothing inline: what clients and services sent cannot run as a script.
SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def asset(name: str) -> Response:
    """A file of the pages."""
    content = _ASSETS.joinpath(name).read_bytes()
    return Response(content, media_type=f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8", headers=SECURITY)


def asset_routes() -> list[Route]:
    """Where scripts, styles and images of all pages are."""

    def route(name: str) -> Route:
        async def serve(_: Request) -> Response:
            return asset(name)

        return Route(f"/assets/{name}", serve)

    return [route(each.name) for each in _ASSETS.iterdir() if not each.name.endswith(".html")]


def status_routes(instance: Instance, *, has_inspector: bool) -> list[Route]:
    """The status page, and the configuration, which it loads once per generation."""

    async def page(_: Request) -> Response:
        return asset("status.html")

    async def config(_: Request) -> Response:
        keys = [{"key": key, "value": value, "source": source} for key, value, source in instance.settings()]
        shown = {"generation": instance.generation(), "inspector": has_inspector, "settings": keys}
        return JSONResponse(shown, headers=SECURITY)

    return [Route("/", page), Route("/config.json", config)]
