#!/usr/bin/env python3
"""A daemon that only plays: answers POST /rpc on a Unix socket from a script.

usage: fake_daemon.py SOCKET SCRIPT LOG

SCRIPT is a JSON object: method -> list of answers, used in order, the last one again and again. An
answer is {"result": …}, {"error": …}, {"raw": text, "status": code}, {"stream": text} (until the
connection ends) or {"hang_up": true}. The "method" of a GET is "GET /path". LOG receives a line of JSON for each request: {"path", "headers", "request"}.
"""
import http.server
import json
import os
import socketserver
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        request = json.loads(body)
        self.answer(request)

    def do_GET(self):
        self.answer({"method": f"GET {self.path}", "id": None})

    def answer(self, request):
        with open(self.server.log, "a", encoding="utf-8") as log:
            headers = {name.lower(): value for name, value in self.headers.items()}
            log.write(json.dumps({"path": self.path, "headers": headers, "request": request}) + "\n")
        answers = self.server.script.get(request["method"])
        if not answers:
            answer = {"error": {"code": -32601, "message": "method not found"}}
        else:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.get("hang_up"):
            self.close_connection = True
            return
        if "stream" in answer:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(answer["stream"].encode())
            return
        if "raw" in answer:
            self.reply(answer.get("status", 200), answer["raw"].encode())
            return
        message = {"jsonrpc": "2.0", "id": request["id"], **answer}
        self.reply(200, json.dumps(message).encode())

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    path, script, log = sys.argv[1:4]
    if os.path.exists(path):
        os.unlink(path)
    server = Server(path, Handler)
    server.log = log
    with open(script, encoding="utf-8") as text:
        server.script = json.load(text)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
