"""The drill's own wires: TCP proxies on loopback, each between one replica and one backend, that can be cut, stalled
and slowed. They run on an asyncio loop in a thread of their own; the methods of Links may be called from any thread."""
import asyncio
import threading


class Link:
    """One listening port and the connections that came through it. All on the loop's thread."""

    def __init__(self, port):
        self.backend_port = port
        self.port = None  # ours, once it listens
        self.server = None
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.late = 0.0
        self.writers = set()

    async def listen(self):
        self.server = await asyncio.start_server(self.take, "127.0.0.1", self.port or 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def take(self, reader, writer):
        self.writers.add(writer)
        try:
            await self.flowing.wait()
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.backend_port)
            self.writers.add(to_writer)
            await asyncio.gather(self.pump(reader, to_writer), self.pump(to_reader, writer))
        except OSError:
            pass
        finally:
            writer.close()
            self.writers.discard(writer)

    async def pump(self, reader, writer):
        try:
            while data := await self.read(reader):
                if self.late:
                    await asyncio.sleep(self.late)
                await self.flowing.wait()
                writer.write(data)
                await writer.drain()
            await self.flowing.wait()  # not even an end comes through
        except OSError:
            pass
        finally:
            writer.close()
            self.writers.discard(writer)

    @staticmethod
    async def read(reader):
        try:
            return await reader.read(65536)
        except OSError:
            return b""

    def break_all(self):
        for writer in list(self.writers):
            writer.transport.abort()

    async def cut(self):
        self.server.close()
        await self.server.wait_closed()
        self.break_all()

    async def stall(self):
        self.flowing.clear()

    async def slow(self, late):
        self.late = late

    async def heal(self, keep=True):
        """keep: connections that were stalled go on, and what was held back comes through."""
        self.late = 0.0
        if not keep:
            self.break_all()
        self.flowing.set()
        if not self.server.is_serving():
            await self.listen()


class Links:
    def __init__(self):
        self.links = {}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def add(self, replica, backend, port):
        """Stack's link: where that replica finds that backend."""

        async def make():
            link = self.links[f"{replica}>{backend}"] = Link(port)
            await link.listen()
            return link.port

        return self.call(make())

    def cut(self, name):
        self.call(self.links[name].cut())

    def stall(self, name):
        self.call(self.links[name].stall())

    def slow(self, name, late):
        self.call(self.links[name].slow(late))

    def heal(self, name, keep=True):
        self.call(self.links[name].heal(keep))

    def close(self):
        if not self.thread.is_alive():
            return
        self.call(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    async def end(self):
        for link in self.links.values():
            link.server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
