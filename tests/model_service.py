"""A double of a model service over real HTTP: it answers as it is told, and keeps what it was asked."""

import asyncio
import json
import threading
from contextlib import asynccontextmanager, contextmanager

HANG, CUT = "hang", "cut"


def said(text, *, calls=(), tokens=(10, 5)):
    """An OpenAI-compatible answer."""
    message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{n}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(given)},
            }
            for n, (name, given) in enumerate(calls)
        ]
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return 200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}


def judged(*passed, result=None, gap="Not there."):
    """A verdict on criteria 1, 2, ..."""
    result = result or ("satisfied" if all(passed) else "needs_revision")
    marks = [
        {"id": n, "name": f"c{n}", "passed": each, "gap": "" if each else gap}
        for n, each in enumerate(passed, 1)
    ]
    return json.dumps({"result": result, "explanation": f"It is {result}.", "criteria": marks})


class Service:
    """`agent` and `grader` are what it answers to each, the last again and again."""

    def __init__(self):
        self.agent, self.grader = [said("Done.")], [said(judged(True, True))]
        self.asked = {"agent": [], "grader": []}
        self.headers = []
        self.url = ""

    def answer(self, body):
        text = json.dumps(body)
        role = "grader" if "You are a grader" in text else "agent"
        plan = self.agent if role == "agent" else self.grader
        answer = plan[min(len(self.asked[role]), len(plan) - 1)]
        self.asked[role].append(body)
        return answer(body) if callable(answer) else answer

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            self.headers.append(headers)
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            answer = self.answer(body)
            if answer == HANG:
                await asyncio.sleep(30)
            elif answer != CUT:
                status, content, *more = answer
                content = content if isinstance(content, bytes) else json.dumps(content).encode()
                extra = "".join(f"{name}: {value}\r\n" for name, value in (more[0] if more else {}).items())
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n{extra}"
                    "content-type: application/json\r\nconnection: close\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving():
    service = Service()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    service.url = f"http://{host}:{port}/v1"
    try:
        yield service
    finally:
        server.close()


@contextmanager
def beside():
    """The same for a test that does not run in a loop of its own: it serves from a thread."""
    loop, found = asyncio.new_event_loop(), []
    up, over = threading.Event(), asyncio.Event()

    async def run():
        async with serving() as service:
            found.append(service)
            up.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    try:
        assert up.wait(10)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
