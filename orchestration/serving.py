"""`published/` and refused candidates over http: from a page of Dagster's UI, a browser does not
open a file:// link. Nothing else of the data folder is served."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from orchestration.errors import VerificationError
from orchestration.publication.manifest import read_latest
from orchestration.settings import Settings


def build_site(settings: Settings) -> Starlette:
    """The site: `/` leads to the newest report, `/vintages/` and `/candidates/` are the folders."""

    def latest_report(request: Request) -> Response:
        try:
            found = read_latest(settings.published_dir)
        except VerificationError:
            found = None
        if found is None:
            return PlainTextResponse("nothing is published; `tokenshare run` publishes\n", 404)
        return RedirectResponse(f"/vintages/{found[0].name}/report/index.html")

    # A folder that is not there yet is one once a run has made it.
    candidates = StaticFiles(directory=settings.candidates_dir, html=True, check_dir=False)
    published = StaticFiles(directory=settings.published_dir, html=True, check_dir=False)
    return Starlette(
        routes=[
            Route("/", latest_report),
            Mount("/candidates", candidates),
            Mount("/", published),
        ]
    )
