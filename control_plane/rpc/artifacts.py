"""Files going up and down: translates and calls services.artifacts. Order of calls: protos/muster/v1/control.proto."""

from __future__ import annotations

import grpc

from control_plane.rpc.answers import answered
from control_plane.rpc.gate import Context, Gate
from control_plane.rpc.peers import Peer
from control_plane.rpc.services import Artifacts
from protos.codec import session as codec
from protos.codec.checks import WireError
from protos.muster.v1 import control_pb2 as wire
from protos.muster.v1 import control_pb2_grpc
from workflow.session import FilePosition


class ArtifactsHandler(control_pb2_grpc.ArtifactsServicer):
    """Serves muster.v1.Artifacts."""

    def __init__(self, gate: Gate, artifacts: Artifacts) -> None:
        self._gate = gate
        self._artifacts = artifacts

    async def Begin(self, request: wire.UploadBegin, context: Context) -> wire.UploadPosition:  # noqa: N802
        """Begin an upload, or find it again."""
        async with answered(context):
            peer = await self._gate.admit(context)
            position = await self._artifacts.begin(peer.name, codec.decode_offer(request))
        return codec.encode_position(position)

    async def Upload(self, request_iterator: object, context: Context) -> wire.UploadPosition:  # noqa: N802
        """Take chunks until the agent ends its side; the answer says how far the upload is."""
        async with answered(context), self._gate.admitted(context) as peer:
            arrived: list[FilePosition] = []
            await self._take(context, peer, arrived)
            if not arrived:
                raise WireError("the stream ended before the first chunk")
        return codec.encode_position(arrived[-1])

    async def _take(self, context: Context, peer: Peer, arrived: list[FilePosition]) -> None:
        upload = ""
        while (message := await context.read()) is not grpc.aio.EOF:
            named, offset, data = codec.decode_chunk(message)
            if upload and named not in {"", upload}:
                raise WireError("one stream uploads one file")
            upload = upload or named
            arrived[:] = [await self._artifacts.append(peer.name, upload, offset, data)]

    async def Download(self, request: wire.DownloadRequest, context: Context) -> None:  # type: ignore[override]  # noqa: N802
        """Give the bytes from the offset on."""
        async with answered(context), self._gate.admitted(context) as peer:
            await self._give(request, context, peer)

    async def _give(self, request: wire.DownloadRequest, context: Context, peer: Peer) -> None:
        attempt, digest, offset = codec.decode_download(request)
        async for data in self._artifacts.download(peer.name, attempt, digest, offset):
            for start in range(0, len(data), codec.MAX_UPLOAD_CHUNK):
                await context.write(wire.DownloadChunk(data=data[start : start + codec.MAX_UPLOAD_CHUNK]))
