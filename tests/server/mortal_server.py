"""A server that kills itself, as SIGKILL does, at a stated point of the first request that creates.

python mortal_server.py HOME PORT before-commit|before-reply
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import event
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.main import open_service
from server.settings import Settings


def die(*_arguments: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DiesBeforeItReplies:
    """The application; dies when the answer to a POST is about to leave."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_die(message: Message) -> None:
            if scope.get("method") == "POST" and message["type"] == "http.response.start":
                die()
            await send(message)

        await self._app(scope, receive, send_or_die)


def main(home: str, port: str, point: str) -> None:
    settings = Settings(home=Path(home))
    with open_service(settings, stopping=threading.Event()) as app:
        served: ASGIApp = app
        if point == "before-commit":
            event.listen(Session, "before_commit", die)
        else:
            served = DiesBeforeItReplies(app)
        uvicorn.run(served, port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
