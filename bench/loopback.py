"""What the loopback carries: a server on core 0 that only sends, and how long a client waits."""

import asyncio
import os
import statistics
import subprocess
import sys
import time

import uvloop

SIZE_BYTES = 8


async def serve(port: int) -> None:
    """Answer each size with as many bytes, the same ones each time."""
    content = memoryview(b"")

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal content
        while size := int.from_bytes(await reader.read(SIZE_BYTES), "little"):
            if size > len(content):
                content = memoryview(os.urandom(size))
            writer.write(content[:size])
            await writer.drain()

    async with await asyncio.start_server(send, "127.0.0.1", port) as server:
        await server.serve_forever()


async def loopback_ms(port: int, sizes: list[int], turns: int) -> dict[int, float]:
    """The median time of answers of each size."""
    command = ["taskset", "-c", "0", sys.executable, __file__, str(port)]
    process = subprocess.Popen(command)
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except OSError:
            await asyncio.sleep(0.01)
    taken: dict[int, float] = {}
    for size in sizes:
        times = []
        for _ in range(turns):
            started_s = time.perf_counter()
            writer.write(size.to_bytes(SIZE_BYTES, "little"))
            await reader.readexactly(size)
            times.append(1000 * (time.perf_counter() - started_s))
        taken[size] = statistics.median(times)
    writer.close()
    process.terminate()
    process.wait()
    return taken


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
