"""Mail of two boxes as others see it, with nothing that the boxes are made of.

    mail.py names ADDRESS ZONE...             answers for the names in zone files, until it is stopped
    mail.py send AUTHORITY TO SUBJECT [MIB]   sends a message
    mail.py fetch AUTHORITY SUBJECT           prints a message once it is there
    mail.py subjects AUTHORITY                prints what all messages are about
    mail.py fill AUTHORITY MIB                keeps a message that takes so much
    mail.py verify SERVER                     says how the signature of the message on standard input is

A program of a person's is set up with nothing but what the box says of their mail, `GET /api/peer/mail`, which is in MAIL, and
with the app password in PASSWORD.
"""

import imaplib
import json
import os
import smtplib
import ssl
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

# Seconds that one answer may take, and that a message may be on its way; machines are slow.
ANSWER = 120
PATIENCE = 600
LINE = "x" * 70 + "\n"
# Where a message may lie.
FOLDERS = ("INBOX", "Junk", "Trash")


def names(address, *zones):
    from dnslib import QTYPE, RCODE, RR
    from dnslib.server import BaseResolver, DNSServer

    class Zones(BaseResolver):
        def __init__(self):
            texts = (open(zone, encoding="ascii").read() for zone in zones)
            self.records = [record for text in texts for record in RR.fromZone(text)]

        def resolve(self, request, _):
            reply = request.reply()
            name = request.q.qname
            here = [record for record in self.records if record.rname == name]
            for record in here:
                if QTYPE[record.rtype] in (QTYPE[request.q.qtype], "CNAME"):
                    reply.add_answer(record)
            if not here:
                reply.header.rcode = RCODE.NXDOMAIN
            return reply

    for tcp in (False, True):
        server = DNSServer(Zones(), address=address, port=53, tcp=tcp)
        server.start_thread()
    print("ready", flush=True)
    # Nobody reads on, and the server tells of each question.
    sys.stdout = open(os.devnull, "w")
    while True:
        time.sleep(60)


def tls(authority):
    return ssl.create_default_context(cafile=authority)


def own():
    return json.loads(os.environ["MAIL"])


def server(protocol):
    return next(server for server in own()["servers"] if server["protocol"] == protocol)


def sign_in(login):
    login(own()["username"], os.environ["PASSWORD"])


def send(authority, receiver, subject, mib="0"):
    sender, where = own()["address"], server("smtp")
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, receiver, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.partition("@")[2])
    message.set_content("Hello from here.\n" + LINE * (int(mib) * 1024 * 1024 // len(LINE)))
    if where["security"] == "tls":
        client = smtplib.SMTP_SSL(where["host"], where["port"], timeout=ANSWER, context=tls(authority))
    else:
        client = smtplib.SMTP(where["host"], where["port"], timeout=ANSWER)
        client.starttls(context=tls(authority))
    sign_in(client.login)
    assert client.send_message(message) == {}
    client.quit()


def imap(authority):
    where = server("imap")
    if where["security"] == "tls":
        client = imaplib.IMAP4_SSL(where["host"], where["port"], ssl_context=tls(authority), timeout=ANSWER)
    else:
        client = imaplib.IMAP4(where["host"], where["port"], timeout=ANSWER)
        client.starttls(ssl_context=tls(authority))
    sign_in(client.login)
    return client


def fetch(authority, subject):
    client = imap(authority)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for folder in FOLDERS:
            client.select(folder, readonly=True)
            found = client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            if found:
                print(f"X-Folder: {folder}")
                sys.stdout.flush()
                sys.stdout.buffer.write(client.fetch(found[0], "(BODY.PEEK[])")[1][0][1])
                return
        time.sleep(2)
    raise AssertionError(f"{subject!r} does not come")


def subjects(authority):
    client = imap(authority)
    for folder in FOLDERS:
        _, (count,) = client.select(folder, readonly=True)
        if int(count):
            for part in client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
                if isinstance(part, tuple):
                    print(part[1].decode().partition(":")[2].strip())


def fill(authority, mib):
    client = imap(authority)
    # Each message is sent in one go, within the time that an answer may take.
    text = b"Subject: kept\r\n\r\n" + LINE.replace("\n", "\r\n").encode() * (1024 * 1024 // len(LINE) - 1)
    for _ in range(int(mib)):
        status, said = client.append("INBOX", None, None, text[: 1024 * 1024])
        assert status == "OK", said


def verify(server):
    import dkim
    from dnslib import DNSRecord

    def text(name, timeout=ANSWER):
        question = DNSRecord.question(name.decode(), "TXT")
        answer = DNSRecord.parse(question.send(server, 53, timeout=timeout))
        return b"".join(part for record in answer.rr for part in record.rdata.data)

    message = sys.stdin.buffer.read().partition(b"\n")[2]
    signed = dkim.DKIM(message)
    assert signed.verify(dnsfunc=text), "the signature does not hold"
    altered = message.replace(b"Hello from here", b"Hello from there")
    try:
        is_taken = dkim.DKIM(altered).verify(dnsfunc=text)
    except dkim.ValidationError:
        is_taken = False
    assert not is_taken, "an altered message is taken"
    print("signed by", signed.domain.decode())


if __name__ == "__main__":
    stories = [names, send, fetch, subjects, fill, verify]
    {story.__name__: story for story in stories}[sys.argv[1]](*sys.argv[2:])
