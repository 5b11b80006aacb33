"""Mail servers of somebody else, with nothing but Python's own library: they take what they are brought, and keep nothing.

    mail_receiver.py ADDRESS

Says `ready`, and then a JSON object in a line for each message to port 25 or 587, with its envelope and text, and for each
connection to port 465, with what it began with. None of them has TLS. Ends when its input does.
"""

import json
import socketserver
import sys
import threading


def say(what):
    print(json.dumps(what), flush=True)


class Conversation(socketserver.StreamRequestHandler):
    def answer(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        sender, receivers = None, []
        self.answer("220 mx.example.net")
        while line := self.rfile.readline():
            word, text = line[:4].decode().upper(), line.decode().strip()
            if word == "MAIL":
                sender, receivers = text, []
            if word == "RCPT":
                receivers.append(text)
            if word == "AUTH":
                say({"authorization": text})
            if word == "DATA":
                self.answer("354 go on")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    assert line, "it broke off"
                    lines.append(line.decode())
                say({"sender": sender, "receivers": receivers, "text": "".join(lines)})
            answers = {"EHLO": "250-mx.example.net\r\n250 AUTH PLAIN LOGIN", "QUIT": "221 bye"}
            self.answer(answers.get(word, "250 fine"))


class Beginning(socketserver.StreamRequestHandler):
    def handle(self):
        say({"beginning": self.rfile.read(2).hex()})


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


for port, handler in [(25, Conversation), (587, Conversation), (465, Beginning)]:
    server = Server((sys.argv[1], port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
