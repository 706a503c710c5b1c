"""What a dashboard is to the server, without Textual: packets on standard output and input.

`stand_in.py FOLDER [deaf] [stubborn] [broken] [silent] [garbage] [flood] [left-behind]`
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

folder, *how = sys.argv[1:]
Path(folder, str(os.getpid())).touch()


def send(kind: bytes, payload: bytes) -> None:
    data = kind + len(payload).to_bytes(4, "big") + payload
    while data:
        data = data[os.write(1, data) :]


def draw(text: str) -> None:
    send(b"D", text.encode())


def receive() -> tuple[bytes, bytes]:
    kind = sys.stdin.buffer.read(1)
    if not kind:
        sys.exit(0)
    size = int.from_bytes(sys.stdin.buffer.read(4), "big")
    return kind, sys.stdin.buffer.read(size)


if "stubborn" in how:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "broken" in how:
    sys.stderr.write("first\nit \x1b[31mcannot\n")
    sys.exit(3)
if "silent" in how:
    time.sleep(600)
if "left-behind" in how:
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    Path(folder, str(child.pid)).touch()

os.write(1, b"__GANGLION__\n")
names = ("SENSOR_TUI_WEB", "SENSOR_TUI_WEB_TOKEN", "TEXTUAL_DRIVER", "COLUMNS", "ROWS")
draw("hello " + json.dumps({name: os.environ.get(name) for name in names}))
if "garbage" in how:
    os.write(1, b"Z\xff\xff\xff\xff")
while "flood" in how:
    draw("x" * 60_000)
while True:
    kind, payload = receive()
    if kind == b"D" and payload == b"die":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == b"D" and payload == b"links":
        send(b"M", json.dumps({"type": "open_url", "url": "http://example.org", "new_tab": True}).encode())
        delivery = {
            "type": "deliver_file_start",
            "key": "k",
            "path": "/etc/passwd",
            "open_method": "download",
        }
        send(b"M", json.dumps(delivery | {"mime_type": "", "encoding": "", "name": None}).encode())
    if kind == b"M" and json.loads(payload)["type"] == "quit" and not {"deaf", "stubborn"} & set(how):
        send(b"M", b'{"type": "exit"}')
        sys.exit(0)
    draw(f"<{kind.decode()} {payload.decode()}>")
