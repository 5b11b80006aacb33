"""A mail server of somebody else, with nothing but Python's own library: takes what it is brought, and keeps nothing.

    mail_receiver.py ADDRESS

Says `ready`, and then a line for each message: a JSON object with its envelope and text. Ends when its input does.
"""

import json
import socketserver
import sys
import threading


class Conversation(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        sender, receivers = None, []
        self.say("220 mx.example.net")
        while line := self.rfile.readline():
            word, text = line[:4].decode().upper(), line.decode().strip()
            if word == "MAIL":
                sender, receivers = text, []
            if word == "RCPT":
                receivers.append(text)
            if word == "DATA":
                self.say("354 go on")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    assert line, "it broke off"
                    lines.append(line.decode())
                text = "".join(lines)
                print(json.dumps({"sender": sender, "receivers": receivers, "text": text}), flush=True)
            self.say("221 bye" if word == "QUIT" else "250 fine")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


with Server((sys.argv[1], 25), Conversation) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
