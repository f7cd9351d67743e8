"""Asks the admin interface of a running gateway, and says what to do when that fails."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from keepline.cli.options import read_settings
from keepline.errors import StartError
from keepline.log import clean

if TYPE_CHECKING:
    from pathlib import Path

    from keepline.settings import Settings

TIMEOUT_S = 10.0
_PLAIN = "the admin port speaks http, unless something in front of it speaks https for it\n"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (where to ask)


class NotFoundError(StartError):
    """What was asked for is not there (404)."""


class UnknownError(StartError):
    """The gateway knows no such request: it is older, or it has nothing to ask about."""


class AdminClient:
    """One gateway's admin interface. Every call raises StartError with advice."""

    def __init__(
        self, url: str, token: str | None, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Raise StartError for an address that is none; `transport` is for tests."""
        try:
            self.url = httpx.URL(url)
        except httpx.InvalidURL:
            self.url = httpx.URL()
        if self.url.scheme not in {"http", "https"} or not self.url.host:
            raise StartError(
                f"{clean(url)} is no address of an admin interface",
                "--admin-url takes one like http://127.0.0.1:8001",
            )
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # Neither proxies nor redirects: they could carry the token elsewhere.
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=TIMEOUT_S,
            trust_env=False,
            transport=transport,
        )

    @property
    def _plain_hint(self) -> str:
        return _PLAIN if self.url.scheme == "https" else ""

    def get(self, path: str, **query: str | float | list[str] | None) -> Any:
        """Return the answer, parsed. A query field of None is left out, a list is sent in parts."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", path, params=given)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Change something; return the answer, parsed, None when there is none."""
        return self._ask("POST", path, json=body or {})

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.ConnectError as error:
            raise StartError(
                f"no gateway answers at {self.url}",
                f"{self._plain_hint}is it running? start it with: keepline serve\n"
                "is it elsewhere? say where with --admin-url or KEEPLINE_ADMIN_URL, or give the"
                " --config that it was started with",
            ) from error
        except httpx.TimeoutException as error:
            raise StartError(
                f"{self.url} did not answer within {TIMEOUT_S:g} s",
                "is this its admin port, and not that of the devices? ask again, then look at its"
                " log",
            ) from error
        except httpx.HTTPError as error:
            raise StartError(
                f"{self.url} answers, but not as an admin interface does",
                f"is this its admin port, and http or https as it should be? ({error})",
            ) from error
        if not answer.is_success:
            raise _failure(self.url, answer)
        return _parsed(self.url, answer)


def connect(
    admin_url: str | None, config: Path | None = None, assignments: list[str] | None = None
) -> AdminClient:
    """Return the client for the gateway that options, environment and settings speak of."""
    settings = read_settings(config, assignments)
    return AdminClient(admin_url or _url_of(settings), settings.admin.token)


def _url_of(settings: Settings) -> str:
    host = _EVERYWHERE.get(settings.admin.host, settings.admin.host)
    if not settings.admin.port:
        raise StartError(
            "the admin port was chosen by the system",
            "the gateway's log has it, in the line `started`: give it with --admin-url",
        )
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.admin.port}"


def _parsed(url: httpx.URL, answer: httpx.Response) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise StartError(
            f"{url} answers, but not as an admin interface does",
            "is this the admin port of a gateway?",
        ) from error


def _failure(url: httpx.URL, answer: httpx.Response) -> StartError:
    detail = _detail(answer)
    match answer.status_code:
        case HTTPStatus.UNAUTHORIZED:
            return StartError(
                f"{url} does not take the admin token",
                "give the gateway's admin.token in KEEPLINE_ADMIN__TOKEN, or the --config that it"
                " was started with",
            )
        case HTTPStatus.NOT_FOUND if detail == HTTPStatus.NOT_FOUND.phrase:
            return UnknownError(
                f"{url} does not know this request", "is the gateway older than this command?"
            )
        case HTTPStatus.NOT_FOUND if detail:
            return NotFoundError(detail, "")
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return StartError(
                f"{url} cannot answer now: {detail or 'too many ask at once'}", "try again"
            )
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return StartError(
                f"{url} failed to answer", "its log has the reason: admin_request_failed"
            )
        case status if detail:
            asked_wrongly = status == HTTPStatus.UNPROCESSABLE_ENTITY
            return StartError(
                f"{url} refuses ({status}): {detail}",
                "`--help` behind the command says what it takes" if asked_wrongly else "",
            )
        case status:
            return StartError(
                f"{url} answers with {status}, not as an admin interface does",
                "is this its admin port, and not that of the devices?",
            )


def _detail(answer: httpx.Response) -> str:
    """Return what an answer of ours says is wrong; empty for one that is not ours."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return ""
    if isinstance(detail, list):  # what FastAPI finds wrong with a request
        return "; ".join(clean(str(each.get("msg", each))) for each in detail)
    return clean(str(detail))
