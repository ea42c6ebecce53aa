"""A model that repeats the question, with OpenAI's API; uses only Python's standard library."""

import json
import os
import signal
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = {"object": "list", "data": [{"id": "parrot", "object": "model"}]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        match self.path:
            case "/v1/models":
                self.answer(MODELS)
            case "/health":
                self.answer({"status": "ok"})
            case _:
                self.answer({"greeting": os.environ.get("GREETING", "hello")})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        words = request["messages"][-1]["content"].split(" ")
        if request.get("stream"):
            self.stream(words)
        else:
            message = {"role": "assistant", "content": " ".join(words)}
            self.answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    def answer(self, body):
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, words):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for number, word in enumerate(words):
            delta = {"content": word if number == 0 else " " + word}
            self.event(json.dumps({"choices": [{"index": 0, "delta": delta}]}))
            time.sleep(0.05)
        self.event("[DONE]")
        self.close_connection = True

    def event(self, data):
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_):
        pass


def stop(*_):
    # Requests come until every balancer knows that this pod ends.
    time.sleep(5)
    os._exit(0)


signal.signal(signal.SIGTERM, stop)
server = ThreadingHTTPServer(("0.0.0.0", 8000), Handler)
print("the parrot is awake")
server.serve_forever()
