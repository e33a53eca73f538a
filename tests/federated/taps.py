"""A tap on a federation: all that parties send to the coordinator, as it was before TLS."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from federated.coordinator import folder
from federated.local import Federation, _free_port
from federated.tls import server_context

PIECE = 1 << 16


class Tapped(Federation):
    """A federation whose parties dial a tap, which has the coordinator's certificate and passes everything on."""

    def start_coordinator(self) -> None:
        front, self.port = self.port, _free_port()
        super().start_coordinator()
        self.tap = Tap(self.path / "coordinator", front, behind=self.port)

    def close(self) -> None:
        super().close()
        self.tap.close()


class Tap:
    def __init__(self, home: Path, front: int, *, behind: int) -> None:
        self.sent: list[bytearray] = []
        self._behind = behind
        self._client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client.check_hostname = False
        self._client.verify_mode = ssl.CERT_NONE
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        context = server_context(home / folder.CERTIFICATE, home / folder.CERTIFICATE_KEY)
        self._server = self._do(asyncio.start_server(self._pass, "127.0.0.1", front, ssl=context))

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept = bytearray()
        self.sent.append(kept)
        back, onwards = await asyncio.open_connection("127.0.0.1", self._behind, ssl=self._client)
        await asyncio.gather(_pump(reader, onwards, kept), _pump(back, writer, bytearray()), return_exceptions=True)

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    try:
        while piece := await reader.read(PIECE):
            kept += piece
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
