"""Clients that hang up, at every moment and in both ways: a line of log each at most, no traceback, and the next one is answered."""

import http.client
import socket
import struct
import subprocess
import sys
import time

import pytest

SERVER = """
import time
from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from taglens.cli.console import logs_shown
from taglens.web.server import listen, serve_until_stopped
class Body(BaseModel):
    name: str
app = FastAPI()
@app.middleware("http")
async def checked(request, proceed):
    return await proceed(request)
@app.post("/json")
def as_json(body: Body): return {}
@app.post("/form")
async def as_form(image: UploadFile): return {}
@app.post("/raw")
async def raw(request: Request):
    async for part in request.stream(): pass
@app.get("/long")
def long():
    def parts():
        for _ in range(100):
            time.sleep(0.005)
            yield b"x" * 100_000
    return StreamingResponse(parts())
@app.get("/late")
def late():
    time.sleep(0.2)
    return {"x": "y" * 1_000_000}
@app.get("/fails")
def fails(): raise RuntimeError("\\x1b[31mred")
with logs_shown():
    serve_until_stopped(app, listen("127.0.0.1", 0), lambda url: print(url, flush=True), finish=1)
"""
FORM = "multipart/form-data; boundary=x\r\n", '--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nabc'
BODIES = {"/json": ("application/json\r\n", '{"name": "a'), "/form": FORM, "/raw": ("application/octet-stream\r\n", "abc")}


def cut_off():
    """Requests that end before they are whole, or whose answers nobody waits for."""
    for path, (kind, body) in BODIES.items():
        start = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}"
        yield f"{start}Content-Length: 1000\r\n\r\n{body}".encode()
        yield f"{start}Content-Length: 1000\r\n\r\n".encode()
        yield f"{start}Transfer-Encoding: chunked\r\n\r\nffff\r\n{body}".encode()
    for path in ("/long", "/late"):
        yield f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    yield b"GET /la"
    yield b""
    yield b"POST /raw%1b%5b31m HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nab"


@pytest.fixture
def server():
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process, int(process.stdout.readline().rsplit(":", 1)[1].strip("/\n"))
    process.kill()
    process.wait()


def hang_up(port, content, *, reset):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(content)
    time.sleep(0.05)
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    return connection.getresponse().status


def test_a_client_that_hangs_up_is_a_line_and_no_traceback(server):
    process, port = server
    requests = [(content, reset) for content in cut_off() for reset in (False, True)]
    for content, reset in requests:
        hang_up(port, content, reset=reset)
    assert get(port, "/late") == 200
    process.terminate()
    said = process.communicate(timeout=20)[1]
    assert "Traceback" not in said
    assert "a client hung up within its request: POST /raw" in said
    assert len(said.splitlines()) <= len(requests)


def test_what_fails_in_earnest_is_said_with_its_traceback_and_obeyed_by_no_terminal(server):
    process, port = server
    assert get(port, "/fails") == 500
    process.terminate()
    said = process.communicate(timeout=20)[1]
    assert "Traceback" in said
    assert "RuntimeError: <U+001B>[31mred" in said
    assert "\x1b" not in said
