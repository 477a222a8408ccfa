from __future__ import annotations

import gzip
import hashlib
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pooch
import pytest

import scpi
from scpi.datasets import _public_screens


class Home:
    """A folder on a loopback server, and what was asked of it."""

    def __init__(self, folder, files):
        self.folder = folder
        self.files = files
        self.requests = []
        self.faults = []

    def publish(self, name, content):
        """Put a file into the folder under the name of the real one, with its own hash."""
        file = self.files[name]
        content = gzip.compress(content) if file.name.endswith(".gz") else content
        (self.folder / file.name).write_bytes(content)
        algorithm = file.known_hash.split(":")[0]
        digest = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
        self.files[name] = replace(file, known_hash=f"{algorithm}:{digest}")

    def __enter__(self):
        home = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_args):
                pass

            def do_GET(self):
                home.requests.append(self.path)
                match home.faults.pop() if home.faults else None:
                    case None:
                        super().do_GET()
                    case "500":
                        self.send_error(500)
                    case "hangs":
                        time.sleep(0.3)
                    case fault:
                        self.send_response(200)
                        self.send_header("Content-Length", "800")
                        self.end_headers()
                        self.wfile.write(b"numbers?" * (100 if fault == "wrong" else 50))

        directory = str(self.folder.parent)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=directory))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/files"
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __exit__(self, *_args):
        if self.thread.is_alive():
            self.stop()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of screens that holds none yet."""
    folder = tmp_path / "home" / "files"
    folder.mkdir(parents=True)
    monkeypatch.setattr(scpi.settings, "datasetdir", tmp_path / "kept")
    # Between two attempts, pooch waits for seconds
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(_public_screens, "FILES", dict(_public_screens.FILES))
    with Home(folder, _public_screens.FILES) as served:
        yield served
