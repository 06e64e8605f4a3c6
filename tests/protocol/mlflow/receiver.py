"""A receiver of webhooks that keeps what it was sent and answers what it is told to."""
import http.server
import queue
import threading


class Receiver:
    def __init__(self):
        self.got = queue.Queue()
        self.answers = []  # of the next requests; then 200
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", receiver.url + "redirected")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
                receiver.got.put((self.path, dict(self.headers), body.decode()))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def next(self, timeout=120):
        """Path, headers and body of the next request."""
        return self.got.get(timeout=timeout)

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
